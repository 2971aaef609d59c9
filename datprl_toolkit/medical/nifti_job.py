"""What restoring a NIfTI file and writing a DICOM series as one share: slices in, voxels and maps out."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from datprl_toolkit.files import staged_folder
from datprl_toolkit.medical.nifti_writing import StoredType, nifti_writer
from datprl_toolkit.medical.previews import compare_slice
from datprl_toolkit.medical.provenance import Provenance, matching_tasks
from datprl_toolkit.restoring import Comparison, Progress, ProgressCallback
from datprl_toolkit.restoring.stack import StackRestorer, batch_length

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.restoring import Restorer


class StackSource(Protocol):
    """Slices that can be read one by one."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        ...

    def read_stored(self, index: int) -> npt.NDArray[Any]:
        """Return a slice as stored, (rows, columns)."""
        ...

    def to_physical(self, stored: npt.NDArray[Any], index: int) -> npt.NDArray[np.float64]:
        """Return its physical values."""
        ...

    def is_image(self, stored: npt.NDArray[Any], index: int) -> npt.NDArray[np.bool_]:
        """Tell which of its pixels are image rather than padding."""
        ...

    def slice_in(self, values: npt.NDArray[Any], index: int) -> npt.NDArray[Any]:
        """Return the view of the slice in the voxels that are written."""
        ...


@dataclass(frozen=True, slots=True)
class NiftiOutput:
    """Where the volume and its maps go, with their header; `layout` shapes voxels as the source knows them."""

    path: Path
    maps: Path | None
    overwrite: bool
    header: Any
    layout: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class NiftiJob:
    """What all slices of one call share."""

    restorer: Restorer
    profile: IntensityProfile
    stored_type: StoredType
    strength: float
    progress: ProgressCallback
    modality: str

    def describe(self) -> str:
        """Return how the file was made, as DICOM's Derivation Description says it."""
        card = self.restorer.card
        return Provenance(
            weights=card.name,
            weights_sha256=card.sha256,
            task=", ".join(matching_tasks(card, self.modality)),
            profile=self.profile,
            strength=self.strength,
            sources="",
            modality=self.modality,
            created=datetime.min,
            self_ensemble=self.restorer.self_ensemble,
            arithmetic=self.restorer.arithmetic,
        ).description()

    def write(self, source: StackSource, output: NiftiOutput, *, inverted: bool = False) -> tuple[Comparison, ...]:
        """Write the volume and, if they are wanted, its maps of uncertainty; both appear when all is done."""
        comment = self.describe()
        with ExitStack() as stack:
            folder = None
            if output.maps is not None:
                folder = stack.enter_context(staged_folder(output.maps, overwrite=output.overwrite, recognised=True))
            voxels = stack.enter_context(
                nifti_writer(output.path, output.header, self.stored_type, comment, overwrite=output.overwrite)
            )
            shown = self.run(source, output.layout(voxels), inverted=inverted)
            if folder is not None:
                from datprl_toolkit.medical.nifti_uncertainty import write_nifti_uncertainty

                write_nifti_uncertainty(self, source, output, folder, inverted=inverted)
        return shown

    def run(self, source: StackSource, voxels: npt.NDArray[Any], *, inverted: bool = False) -> tuple[Comparison, ...]:
        """Restore all slices under one context into `voxels`; return the middle one to look at."""
        total = source.shape[0]
        stack = StackRestorer.of_volume(
            lambda index: source.to_physical(source.read_stored(index), index),
            total,
            self.restorer,
            self.profile,
            strength=self.strength,
            inverted=inverted,
            progress=self.progress,
        )
        size = batch_length(*source.shape[1:])
        shown: list[Comparison] = []
        for start in range(0, total, size):
            indices = range(start, min(start + size, total))
            stored = [source.read_stored(index) for index in indices]
            original = np.stack([source.to_physical(each, index) for each, index in zip(stored, indices, strict=True)])
            restored = stack.restore(original)
            for place, index in enumerate(indices):
                image = source.is_image(stored[place], index)
                result = np.where(image, restored[place], original[place])
                encoded = self.stored_type.encode(stored[place], original[place], result)
                source.slice_in(voxels, index)[...] = encoded
                if index == total // 2:
                    written = self.stored_type.to_physical(encoded)
                    title = f"slice {index + 1} of {total}"
                    shown.append(compare_slice(original[place], written, self.profile, title))
                self.progress(Progress("restoring", index + 1, total, "slices"))
        return tuple(shown)
