"""A series with values that a pipeline changed, written as a derived series that says how."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import datprl_toolkit
from datprl_toolkit.files import check_absent, check_apart, staged_folder
from datprl_toolkit.medical.derive import DerivedSeries, free_series_number
from datprl_toolkit.medical.multiframe_writing import MultiframeWriter
from datprl_toolkit.medical.provenance import (
    IDENTIFIER_NAMESPACE,
    NO_WINDOW,
    PRODUCT,
    USUAL,
    WARNING,
    Provenance,
    source_checksum,
    time_of_making,
)
from datprl_toolkit.medical.write import SeriesWriter

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from pydicom.dataset import Dataset

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.volume import Volume


@dataclass(frozen=True, slots=True)
class Restoring:
    """How a pipeline restored a volume: weights, task, intensity window, strength, self-ensemble and arithmetic."""

    weights: str
    weights_sha256: str
    task: str
    profile: IntensityProfile
    strength: float
    self_ensemble: bool = False
    arithmetic: str = USUAL


@dataclass(frozen=True, slots=True)
class ProcessedProvenance(Provenance):
    """How a processed series was made.

    Parameters
    ----------
    method
        In a sentence; "" where the restoring says enough.
    content
        Checksum of the values: what else a pipeline did to them is not known here, so that they alone tell one result
        from another.
    """

    method: str = ""
    content: str = ""

    def identifier(self, *parts: str) -> str:
        """Return a unique identifier that is the same for the same sources, values and words."""
        made_by = (datprl_toolkit.__version__, self.weights_sha256, self.method, self.content, self.sources, *parts)
        return f"2.25.{uuid.uuid5(IDENTIFIER_NAMESPACE, '|'.join(made_by)).int}"

    def description(self) -> str:
        """Return Derivation Description (0008,2111)."""
        if not self.weights:
            return f"{self.method[:800]}. Written by {PRODUCT} {datprl_toolkit.__version__}. {WARNING}"
        # The sentence on the restoring comes last: readers of it take it as the last step.
        return f"{self.method[:400]}. {Provenance.description(self)}" if self.method else Provenance.description(self)

    def equipment(self) -> Dataset:
        """Return the item of Contributing Equipment Sequence (0018,A001)."""
        item = Provenance.equipment(self)
        if not self.weights:
            item.ManufacturerModelName = "Pipeline"
            item.ContributionDescription = f"Image processing. {WARNING}"
        return item


def write_processed(
    volume: Volume,
    values: npt.NDArray[np.floating],
    destination: Path,
    restoring: Restoring | None,
    method: str = "",
    *,
    overwrite: bool = False,
) -> None:
    """Write the values of a pipeline in the place of those of a series; padding stays padding.

    Parameters
    ----------
    volume
        The source.
    values
        (slices, rows, columns), physical values in the unit of the volume. Those that are the source's to the
        precision of `values` are written as they stand in the source, bit by bit.
    destination
        Folder for the new series; it appears when everything is written.
    restoring, method
        What was done; one of the two at least.

    Raises
    ------
    OutputError, OptionError
        ``E_EXISTS`` if `destination` exists and is not to be replaced; ``E_OPTION`` if it holds the source.
    """
    check_absent(destination, overwrite=overwrite)
    for image in volume.slices:
        check_apart(image.path, destination)
    provenance = ProcessedProvenance(
        weights="" if restoring is None else restoring.weights,
        weights_sha256="" if restoring is None else restoring.weights_sha256,
        task="" if restoring is None else restoring.task,
        profile=NO_WINDOW if restoring is None else restoring.profile,
        strength=1.0 if restoring is None else restoring.strength,
        sources=source_checksum(volume),
        modality=volume.modality,
        created=time_of_making(),
        self_ensemble=restoring is not None and restoring.self_ensemble,
        arithmetic=USUAL if restoring is None else restoring.arithmetic,
        method=method.rstrip(". "),
        content=hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest(),
    )
    taken = set() if volume.series_number is None else {volume.series_number}
    derived = DerivedSeries(provenance, free_series_number(volume.series_number, taken), "quant")
    open_writer = MultiframeWriter if volume.enhanced else SeriesWriter
    with staged_folder(destination, overwrite=overwrite, recognised=True) as folder:
        writer = open_writer(volume, derived, folder)
        for index, image in enumerate(volume.slices):
            stored = image.read_stored()
            original = image.rescale.to_physical(stored)
            kept = (values[index] == original.astype(values.dtype)) | image.pixel_format.padding_mask(stored)
            writer.write(index, stored, original, np.where(kept, original, values[index].astype(np.float64)))
        writer.finish()
