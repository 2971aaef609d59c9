"""Slice-by-slice inference under one context, where MONAI's ``SliceInferer`` would let every slice choose its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import Inferer

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.network import DatprlNetwork
from datprl_toolkit.restoring.restorer import Restorer
from datprl_toolkit.restoring.stack import restore_stack
from datprl_toolkit.transforms.arrangement import UNKNOWN_AFFINE, arrange
from datprl_toolkit.transforms.monai.tensors import as_ras, like
from datprl_toolkit.weights import WeightsCard, find_weights, load_weights, read_card

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy.typing as npt

UNIT = IntensityProfile("unit", 0.0, 1.0, "1")


class VolumeInferer(Inferer):
    """Run the network over the slices of a volume with prompt and statistics taken from the volume, frozen.

    Slices are laid out as DICOM shows them, whatever the axes were turned into, so that the answer does not depend on
    an ``Orientationd`` before. Batches of slices shrink where memory runs out. In goes what
    :class:`ScaleIntensityProfile` gives; its inverse puts the answer back.

    Parameters
    ----------
    slice_axis
        Spatial axis 0, 1 or 2 that slices are stacked along; None finds it from the affine.
    batch_size
        Slices per call of the network; None chooses by their size. The result does not depend on it.
    precision
        As for :class:`~datprl_toolkit.restoring.Restorer`.
    task
        Task whose prompt the network is given, such as ``"mri_super_resolution"`` for MR, as
        :class:`RestoreVolume` does; None lets it choose.
    weights
        Name, path or card of the weights of the network: they know which prompt stands for `task`.

    Raises
    ------
    OptionError
        ``E_OPTION`` if no prompt is known to stand for `task`.
    """

    def __init__(
        self,
        slice_axis: int | None = None,
        batch_size: int | None = None,
        precision: str = "auto",
        task: str | None = None,
        weights: str | Path | WeightsCard | None = None,
    ) -> None:
        self.slice_axis = slice_axis
        self.batch_size = batch_size
        self.precision = precision
        self.profile = replace(UNIT, task=task)
        self.card = weights if isinstance(weights, WeightsCard | None) else read_card(find_weights(weights))
        if task is not None and (self.card is None or self.card.prompt_of(task) is None):
            raise OptionError(
                ErrorCode.OPTION,
                "no prompt is known to stand for this task",
                where=task,
                remedy="Give weights whose card knows it, or let the network choose: leave the task out",
            )

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Restore a batch of volumes.

        Parameters
        ----------
        inputs
            (B, C, X, Y, Z) in [0, 1]; each channel is a volume of its own.
        network
            A :class:`~datprl_toolkit.network.DatprlNetwork`; no other has a context to freeze.
        *args, **kwargs
            Not used.

        Returns
        -------
        Tensor of the same shape and kind, float32.

        Raises
        ------
        OptionError
            ``E_OPTION`` for another network or another shape.
        """
        if not isinstance(network, DatprlNetwork):
            raise OptionError(
                ErrorCode.OPTION,
                f"a {type(network).__name__} has no context to share between slices",
                where="network",
                remedy="Give a DatprlNetwork, as load_network makes it",
            )
        if inputs.ndim != 5:
            raise OptionError(ErrorCode.OPTION, f"volumes have the shape (B, C, X, Y, Z), not {tuple(inputs.shape)}")
        card = self.card or WeightsCard("network", network.config, ())
        device = str(inputs.device)
        restorer = Restorer(network, card, device=device, precision=self.precision, batch_size=self.batch_size)
        values = inputs.detach().cpu().float().numpy()
        result = np.empty(values.shape, dtype=np.float32)
        for index, channels in enumerate(values):
            affine, orientation = _geometry(inputs, index)
            arrangement = arrange(affine, slice_axis=self.slice_axis, orientation=orientation)
            for channel, volume in enumerate(channels):
                restored = restore_stack(arrangement.to_stack(volume), restorer, self.profile)
                result[index, channel] = arrangement.from_stack(restored)
        return cast("torch.Tensor", like(result, inputs))


def load_network(weights: str | Path = "small") -> DatprlNetwork:
    """Load the network of weights given by name or path, ready for inference; for ``network_def`` of a bundle.

    Raises
    ------
    WeightsError
        ``E_WEIGHTS`` if there are no such weights.
    """
    network, _ = load_weights(weights)
    return network


def _geometry(inputs: torch.Tensor, index: int) -> tuple[npt.NDArray[np.float64], list[float] | None]:
    """Return affine and orientation of one volume of a batch."""
    if not isinstance(inputs, MetaTensor):
        return UNKNOWN_AFFINE, None
    metadata: Mapping[str, Any] = inputs.meta
    affine = np.asarray(torch.as_tensor(inputs.affine).cpu())
    if affine.ndim == 3:
        affine = affine[index]
    found = metadata.get("image_orientation_patient")
    if found is None:
        return as_ras(affine, metadata), None
    orientation = np.asarray(found, dtype=float).reshape(-1, 6)
    return as_ras(affine, metadata), list(orientation[min(index, len(orientation) - 1)])
