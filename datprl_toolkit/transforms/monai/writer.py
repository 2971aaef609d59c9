"""A writer for MONAI's ``SaveImage``: a processed volume as a DICOM series derived from the one that was read."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from monai.data import ImageWriter, register_writer, resolve_writer
from monai.transforms.io.array import SUPPORTED_READERS
from monai.utils import convert_to_numpy

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.medical.opening import open_volume
from datprl_toolkit.medical.processed import Restoring, write_processed
from datprl_toolkit.medical.provenance import MODALITY_TASKS, matching_tasks
from datprl_toolkit.transforms.monai.reader import SeriesReader
from datprl_toolkit.transforms.monai.tensors import as_ras
from datprl_toolkit.transforms.series import volume_affine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    import numpy.typing as npt

    from datprl_toolkit.restoring import Restorer

RESTORED_BY = "restored_by"
"""Entry of the metadata in which :class:`RestoreVolume` leaves how it restored, as JSON."""

LARGEST_SHIFT = 1e-3  # mm


def describe_restoring(restorer: Restorer, profile: IntensityProfile, strength: float) -> str:
    """Return the entry :data:`RESTORED_BY` of a restored volume."""
    card = restorer.card
    tasks = {modality: ", ".join(matching_tasks(card, modality)) for modality in MODALITY_TASKS}
    named = {"weights": card.name, "weights_sha256": card.sha256, "tasks": tasks}
    way = {"self_ensemble": restorer.self_ensemble, "arithmetic": restorer.arithmetic}
    return json.dumps({**named, "profile": asdict(profile), "strength": strength, **way})


class SeriesWriter(ImageWriter):
    """Write a volume that :class:`SeriesReader` read and a pipeline changed as a derived series, in a folder.

    The values must lie on the voxels that were read: invert spatial transforms first (``Invertd``). Header, geometry,
    units and rescale follow the source, as ``datprl restore`` writes them; the derivation says what
    :class:`RestoreVolume` did, or what `method` says.

    Parameters
    ----------
    method
        What was done, in a sentence, where :class:`RestoreVolume` was no part of the pipeline.
    overwrite
        Whether an existing folder may be replaced.
    **options
        What ``SaveImage`` gives to every writer, such as "output_dtype" and "scale"; a derived series is stored as
        its source is, so that they have no meaning here.
    """

    def __init__(self, method: str = "", overwrite: bool = False, **options: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.method = method
        self.overwrite = overwrite
        self.values: npt.NDArray[np.float32] = np.empty(0, dtype=np.float32)
        self.metadata: Mapping[str, Any] = {}

    def set_data_array(self, data_array: Any, channel_dim: int | None = 0, **options: Any) -> None:
        """Take the values: one channel, (1, columns, rows, slices), or without an axis of channels.

        Raises
        ------
        InputError
            ``E_UNSUPPORTED`` for several channels.
        """
        values: npt.NDArray[Any] = convert_to_numpy(data_array)
        if channel_dim is not None and values.ndim == 4:
            values = np.moveaxis(values, channel_dim, 0)
            values = values[0] if len(values) == 1 else values
        if values.ndim != 3:
            raise InputError(
                ErrorCode.UNSUPPORTED, f"a series holds one channel of three dimensions, not {values.shape}"
            )
        self.values = values.astype(np.float32, copy=False)

    def set_metadata(self, meta_dict: Mapping[str, Any] | None, **options: Any) -> None:
        """Take the metadata that :class:`SeriesReader` gave; nothing is resampled."""
        self.metadata = meta_dict or {}

    def write(self, filename: PathLike[str] | str, verbose: bool = True, **options: Any) -> None:
        """Write the series into a folder of this name without its ending ".dcm".

        Raises
        ------
        DatprlError
            ``E_MISMATCH`` if the values do not lie on the voxels of the series; ``E_EXISTS``; and as
            :func:`datprl_toolkit.medical.opening.open_volume`.
        """
        path = Path(filename)
        folder = path.with_suffix("") if path.suffix.lower() == ".dcm" else path
        source = Path(str(self.metadata.get("filename_or_obj", "")))
        volume = open_volume(source, series=self.metadata.get("series_instance_uid")).volume
        self._check_place(volume_affine(volume, sheared=True, uneven=True), volume.shape)
        restoring = self._restoring(volume.modality)
        super().write(folder, verbose=verbose)
        slices = self.values.transpose(2, 1, 0)
        write_processed(volume, slices, folder, restoring, self.method, overwrite=self.overwrite)

    def _check_place(self, expected: npt.NDArray[np.float64], shape: tuple[int, int, int]) -> None:
        affine = as_ras(convert_to_numpy(self.metadata.get("affine", np.eye(4))), self.metadata)
        if self.values.shape != shape[::-1] or np.abs(affine - expected).max() > LARGEST_SHIFT:
            raise InputError(
                ErrorCode.MISMATCH,
                "the values do not lie on the voxels of the series that was read",
                remedy="Invert the spatial transforms first, for example with Invertd",
            )

    def _restoring(self, modality: str) -> Restoring | None:
        written = self.metadata.get(RESTORED_BY)
        if written is None:
            if self.method:
                return None
            raise InputError(
                ErrorCode.UNSUPPORTED,
                "nothing says what was done to the values, which a derived image has to say",
                remedy="Restore with RestoreVolume, or say it: SaveImage(...).set_options({'method': '...'})",
            )
        entry = json.loads(written[0] if isinstance(written, list | tuple) else written)
        windows = tuple(IntensityProfile(**each) for each in entry["profile"].pop("windows"))
        return Restoring(
            weights=Path(entry["weights"]).name,
            weights_sha256=entry["weights_sha256"],
            task=entry["tasks"].get(modality, ""),
            profile=IntensityProfile(**entry["profile"], windows=windows),
            strength=entry["strength"],
            self_ensemble=entry["self_ensemble"],
            arithmetic=entry["arithmetic"],
        )


def register() -> None:
    """Let MONAI find both by itself: ``LoadImage`` reads DICOM with :class:`SeriesReader`, ``SaveImage`` writes ".dcm".

    Nothing changes for other formats. It is not done by an import, since it holds for the whole program.
    """
    SUPPORTED_READERS["seriesreader"] = SeriesReader  # the last one is tried first
    resolve_writer("nii", error_if_not_found=False)  # MONAI's own come before
    if SeriesWriter not in resolve_writer("dcm", error_if_not_found=False):
        register_writer("dcm", SeriesWriter)
