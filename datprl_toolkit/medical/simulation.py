"""A volume with other pixels, written as a derived series that says how they were simulated."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import datprl_toolkit
from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.files import staged_folder
from datprl_toolkit.medical.derive import DerivedSeries, free_series_number
from datprl_toolkit.medical.multiframe_writing import MultiframeWriter
from datprl_toolkit.medical.opening import open_volume
from datprl_toolkit.medical.provenance import (
    IDENTIFIER_NAMESPACE,
    NO_WINDOW,
    PROCESSING_EQUIPMENT,
    PRODUCT,
    WARNING,
    Provenance,
    code_item,
    source_checksum,
    time_of_making,
)
from datprl_toolkit.medical.write import SeriesWriter
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt
    from pydicom.dataset import Dataset

    from datprl_toolkit.medical.volume import Volume

# CID 7203 "Image Derivation" has nothing for simulated scans; these describe the effect.
ADDITION = ("113042", "DCM", "Pixel by pixel addition")
RESAMPLING = ("113085", "DCM", "Spatial resampling")
DERIVATION_CODES = {"CT": ADDITION, "PT": ADDITION, "MR": RESAMPLING}


@dataclass(frozen=True, slots=True)
class SimulatedProvenance(Provenance):
    """How a simulated series was made: no weights, but a method in words.

    Parameters
    ----------
    method
        What was simulated, with its parameters: "CT at a dose of 0.25, seed 1".
    """

    method: str = ""

    def identifier(self, *parts: str) -> str:
        """Return a unique identifier that is the same for the same sources and method."""
        made_by = (datprl_toolkit.__version__, self.method, self.sources, *parts)
        return f"2.25.{uuid.uuid5(IDENTIFIER_NAMESPACE, '|'.join(made_by)).int}"

    def description(self) -> str:
        """Return Derivation Description (0008,2111)."""
        return f"Simulated by {PRODUCT} {datprl_toolkit.__version__}: {self.method}. {WARNING}"

    def derivation_codes(self) -> list[Dataset]:
        """Return the codes of what was done."""
        return [code_item(DERIVATION_CODES[self.modality])]

    def equipment(self) -> Dataset:
        """Return the item of Contributing Equipment Sequence (0018,A001) for this software (PS3.3 C.12.1)."""
        from pydicom.dataset import Dataset as NewDataset

        item = NewDataset()
        item.PurposeOfReferenceCodeSequence = [code_item(PROCESSING_EQUIPMENT)]
        item.Manufacturer = PRODUCT
        item.ManufacturerModelName = "Simulation"
        item.SoftwareVersions = datprl_toolkit.__version__
        item.ContributionDescription = f"Simulated scan. {WARNING}"
        item.ContributionDateTime = self.created.strftime("%Y%m%d%H%M%S")
        return item


def simulate_volume(
    volume: Volume,
    destination: Path,
    change: Callable[[int, npt.NDArray[np.float64]], npt.NDArray[np.floating]],
    method: str,
    progress: ProgressCallback = silent,
) -> Volume:
    """Change every slice of a volume and write it as a new series; padding stays padding.

    Parameters
    ----------
    volume
        The source.
    destination
        Folder for the new series; it appears when everything is written.
    change
        Given the place of a slice and its physical values (rows, columns), returns the new ones in the same unit.
    method
        For the header: what was simulated, with all that is needed to do it again.
    progress
        Told after each slice.

    Returns
    -------
    The new volume.
    """
    provenance = SimulatedProvenance(
        weights="",
        weights_sha256="",
        task="simulation",
        profile=NO_WINDOW,
        strength=1.0,
        sources=source_checksum(volume),
        modality=volume.modality,
        created=time_of_making(),
        method=method,
    )
    taken = set() if volume.series_number is None else {volume.series_number}
    derived = DerivedSeries(provenance, free_series_number(volume.series_number, taken), "quant")
    open_writer = MultiframeWriter if volume.enhanced else SeriesWriter
    with staged_folder(destination) as folder:
        writer = open_writer(volume, derived, folder)
        for index, image in enumerate(volume.slices):
            stored = image.read_stored()
            original = image.rescale.to_physical(stored)
            padding = image.pixel_format.padding_mask(stored)
            changed = np.where(padding, original, change(index, original))
            writer.write(index, stored, original, changed)
            progress(Progress("simulating", index + 1, len(volume.slices), "slices"))
        writer.finish()
    return open_volume(destination).volume


def check_modality(volume: Volume, wanted: str, what: str) -> None:
    """Raise ``E_UNSUPPORTED`` unless a volume is of the modality that a simulation is for."""
    if volume.modality != wanted:
        raise InputError(
            ErrorCode.UNSUPPORTED,
            f"{what} is simulated for {wanted}, and the series is {volume.modality}",
            where=volume.description or None,
        )
