"""The network as an ONNX file, for other engines: what is global comes in from outside, as a context."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from datprl_toolkit.errors import missing_package
from datprl_toolkit.files import staged_file
from datprl_toolkit.network import Context

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.network import DatprlNetwork
    from datprl_toolkit.weights.card import WeightsCard

OPSET = 18
SHA256 = "weights sha256"
"""Under this name the file says of which weights it was made."""
EXAMPLE = (2, 3, 64, 72)
"""Shape of the images that the network is traced with; none of the sizes is special."""


class _WithContext(nn.Module):
    """The network, the parts of its context given as tensors."""

    def __init__(self, network: DatprlNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, statistics: list[Tensor], prompt: Tensor | None = None) -> Tensor:
        """Restore images (images, 3, H, W)."""
        restored: Tensor = self.network(image, Context(prompt, tuple(statistics)))
        return restored


def context_inputs(context: Context) -> dict[str, Tensor]:
    """Return what the exported network is given beside the image, by the names of its inputs."""
    named = {f"statistic_{place}": statistic for place, statistic in enumerate(context.statistics)}
    return named if context.prompt is None else {**named, "prompt": context.prompt}


def export_onnx(network: DatprlNetwork, card: WeightsCard, path: Path, *, overwrite: bool = False) -> None:
    """Write the network as it runs with a frozen context.

    Its inputs are ``image`` (images, 3, H, W) in [0, 1], H and W multiples of the network's grid;
    ``statistic_0`` and so on, one for each block; and ``prompt``, where there are prompt pools. All float32, for
    all images alike. Its output ``restored`` has the shape of the image and is not clipped.

    Raises
    ------
    ResourceError
        ``E_DEPENDENCY`` if onnxscript is not installed.
    OutputError
        ``E_EXISTS`` if `path` exists and `overwrite` is false; ``E_OUTPUT`` if it cannot be written.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise missing_package("onnxscript", "onnx", "to write a network as ONNX") from error
    image = torch.rand(EXAMPLE, generator=torch.Generator().manual_seed(0))
    with staged_file(path, overwrite=overwrite) as temporary, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        context = network.context(image)
        varying = torch.export.Dim.DYNAMIC
        program = torch.onnx.export(
            _WithContext(network).eval(),
            (image, list(context.statistics), context.prompt),
            input_names=["image", *context_inputs(context)],
            output_names=["restored"],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=({0: varying, 2: varying, 3: varying}, [None] * len(context.statistics), None),
            verbose=False,
        )
        if program is not None:
            program.model.metadata_props[SHA256] = card.sha256
            program.save(temporary, external_data=False)
