"""The network run by onnxruntime on the CPU, in place of PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from datprl_toolkit.errors import ErrorCode, WeightsError, missing_package
from datprl_toolkit.weights.onnx import SHA256, context_inputs

if TYPE_CHECKING:
    from datprl_toolkit.network import Context
    from datprl_toolkit.weights import WeightsCard


class OnnxEngine:
    """A network with frozen contexts.

    Parameters
    ----------
    model
        Content of a file that ``datprl weights export`` made.
    card
        The weights that it must have been made of.
    where
        The file, for messages.

    Raises
    ------
    ResourceError
        ``E_DEPENDENCY`` if onnxruntime is not installed.
    WeightsError
        ``E_WEIGHTS`` if it is no such file, or of other weights.
    """

    def __init__(self, model: bytes, card: WeightsCard, where: object = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise missing_package("onnxruntime", "onnx", "to restore with an ONNX file") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has an exception of its own for each kind of damage
            raise WeightsError(
                ErrorCode.WEIGHTS,
                "this is not an ONNX file that onnxruntime can load",
                where=where,
                remedy="Make it with: datprl weights export WEIGHTS FILE.onnx",
            ) from error
        if self._session.get_modelmeta().custom_metadata_map.get(SHA256) != card.sha256:
            raise WeightsError(
                ErrorCode.WEIGHTS,
                f"this ONNX file was not made of the weights '{card.name}'",
                where=where,
                remedy=f"Make it with: datprl weights export {card.name} FILE.onnx",
            )
        self.model = model

    @classmethod
    def of_file(cls, path: str | Path, card: WeightsCard) -> OnnxEngine:
        """Load a file.

        Raises
        ------
        WeightsError
            ``E_WEIGHTS`` as above, or if it is not there.
        """
        try:
            model = Path(path).read_bytes()
        except OSError as error:
            raise WeightsError(ErrorCode.WEIGHTS, "this ONNX file cannot be read", where=path) from error
        return cls(model, card, path)

    def __call__(self, images: Tensor, context: Context) -> Tensor:
        """Restore images (images, 3, H, W), H and W multiples of the grid; not clipped."""
        given = {"image": images, **context_inputs(context)}
        (restored,) = self._session.run(None, {name: tensor.numpy() for name, tensor in given.items()})
        return torch.from_numpy(restored)
