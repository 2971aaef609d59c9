"""Maps of uncertainty beside a restored series, as DICOM Parametric Maps (PS3.3 A.75) in the places of its slices.

Written with highdicom. `deviation.dcm` is in the unit of the series; `noise_ratio.dcm` has none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError, missing_package
from datprl_toolkit.medical import header
from datprl_toolkit.medical.derive import DESCRIPTION_LENGTH
from datprl_toolkit.medical.provenance import PRODUCT
from datprl_toolkit.restoring.memory import release_freed_memory
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent
from datprl_toolkit.restoring.stack import batch_length
from datprl_toolkit.restoring.uncertainty import UncertaintyEstimator, UncertaintyMaps

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from pydicom.dataset import Dataset

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.provenance import Provenance
    from datprl_toolkit.medical.volume import Volume
    from datprl_toolkit.restoring import Restorer

# Units of the Unified Code for Units of Measure, as PS3.16 uses them.
UNITS = {
    "HU": ("[hnsf'U]", "UCUM", "Hounsfield unit"),
    "Bq/ml": ("Bq/ml", "UCUM", "Becquerels/milliliter"),
    "SUV": ("g/ml{SUVbw}", "UCUM", "Standardized Uptake Value body weight"),
    "1": ("1", "UCUM", "no units"),
}
STANDARD_DEVIATION = ("386136009", "SCT", "Standard Deviation")
DISPLAYED_PERCENTILE = 99.5
PART_PIXELS = 128 * 512 * 512  # a file holds no more, since it is made in memory


@dataclass(frozen=True, slots=True)
class MapKind:
    """One of the two maps.

    Parameters
    ----------
    name
        Name of the file, and of the field of :class:`~datprl_toolkit.restoring.uncertainty.UncertaintyMaps`.
    label
        Content Label (0070,0080) and LUT Label (0040,9210), of at most 16 characters.
    explanation
        For a person, at most 64 characters.
    quantity
        Code of what it is, or None where the standard has none.
    physical
        Whether it is in the unit of the series.
    """

    name: str
    label: str
    explanation: str
    quantity: tuple[str, str, str] | None
    physical: bool


KINDS = (
    MapKind("deviation", "DEVIATION", "Standard deviation over 8 orientations", STANDARD_DEVIATION, physical=True),
    MapKind("noise_ratio", "NOISE_RATIO", "Absolute change divided by the local noise", None, physical=False),
)


def write_uncertainty(
    volume: Volume,
    profile: IntensityProfile,
    restorer: Restorer,
    provenance: Provenance,
    series_number: int,
    folder: Path,
    progress: ProgressCallback = silent,
) -> None:
    """Estimate both maps of a volume and write them as one new series, in files of at most 128 slices of 512 x 512.

    Parameters
    ----------
    volume, profile, restorer
        As the volume was restored; the strength is that of `provenance`.
    provenance
        How it was restored; identifiers and equipment follow from it.
    series_number
        A free number for the series of the maps.
    folder
        An existing folder that becomes visible when all is written.
    progress
        Told after each batch of slices.

    Raises
    ------
    InputError
        ``E_CORRUPT`` if the header of the source lacks what a Parametric Map needs.
    ResourceError
        ``E_DEPENDENCY`` if highdicom is not installed.
    """
    _highdicom()
    release_freed_memory()
    slices, rows, columns = volume.shape
    length = max(1, PART_PIXELS // (rows * columns))
    estimator = _estimator(volume, profile, restorer, provenance.strength, progress)
    for part, first in enumerate(range(0, slices, length)):
        piece = replace(volume, slices=volume.slices[first : first + length])
        maps = _estimate(piece, estimator, Progress("estimating uncertainty", first, slices, "slices"), progress)
        names = (f"{part + 1:02d}",) if slices > length else ()
        _write_part(piece, maps, provenance, series_number, part * len(KINDS), names, folder)
        release_freed_memory()


def _write_part(
    volume: Volume,
    maps: UncertaintyMaps,
    provenance: Provenance,
    series_number: int,
    written: int,
    names: tuple[str, ...],
    folder: Path,
) -> None:
    """Write both maps of some slices; `names` tells them from those of other slices."""
    sources = _source_headers(volume)
    for number, kind in enumerate(KINDS, start=written + 1):
        values: npt.NDArray[np.float32] = getattr(maps, kind.name)
        identifier = provenance.identifier("uncertainty", kind.name, *names)
        try:
            with header.tolerant_pydicom():
                dataset = _parametric_map(values, kind, volume, sources, provenance, series_number, number, identifier)
                dataset.save_as(folder / f"{'_'.join((kind.name, *names))}.dcm")
                # The next one would be made while this one is still held.
                del dataset
                release_freed_memory()
        except OSError:
            raise
        except Exception as error:
            raise InputError(
                ErrorCode.CORRUPT,
                f"the header lacks what a map of uncertainty needs ({type(error).__name__}: {error})",
                where=volume.slices[0].path,
                remedy="Restore without --uncertainty, or repair the file",
            ) from error


def _highdicom() -> Any:
    try:
        import highdicom
    except ImportError as error:
        raise missing_package("highdicom", "medical", "to write maps of uncertainty") from error
    return highdicom


def _estimator(
    volume: Volume, profile: IntensityProfile, restorer: Restorer, strength: float, progress: ProgressCallback
) -> UncertaintyEstimator:
    return UncertaintyEstimator.of_volume(
        lambda index: volume.slices[index].read(),
        len(volume.slices),
        restorer,
        profile,
        strength=strength,
        inverted=volume.inverted,
        progress=progress,
    )


def _estimate(
    volume: Volume, estimator: UncertaintyEstimator, before: Progress, progress: ProgressCallback
) -> UncertaintyMaps:
    """Estimate the maps of some slices, of which `before.done` were done before; padding gets 0."""
    total = len(volume.slices)
    maps = UncertaintyMaps(*(np.zeros(volume.shape, dtype=np.float32) for _ in KINDS))
    size = batch_length(*volume.shape[1:])
    for start in range(0, total, size):
        images = volume.slices[start : start + size]
        stored = [image.read_stored() for image in images]
        padding = np.stack([image.pixel_format.padding_mask(s) for image, s in zip(images, stored, strict=True)])
        part = estimator.maps(np.stack([i.rescale.to_physical(s) for i, s in zip(images, stored, strict=True)]))
        for kind in KINDS:
            getattr(maps, kind.name)[start : start + size] = np.where(padding, 0, getattr(part, kind.name))
        release_freed_memory()
        progress(replace(before, done=before.done + min(start + size, total)))
    return maps


def _source_headers(volume: Volume) -> list[Dataset]:
    """Read the headers of the sources: one for each classic slice, one for all frames of an enhanced image."""
    images = volume.slices[:1] if volume.enhanced else volume.slices
    return [header.read_dataset(image.path, pixels=False) for image in images]


def _parametric_map(
    values: npt.NDArray[np.float32],
    kind: MapKind,
    volume: Volume,
    sources: list[Dataset],
    provenance: Provenance,
    series_number: int,
    instance_number: int,
    sop_instance_uid: str,
) -> Dataset:
    """Make the data set of one map, (slices, rows, columns), float32."""
    highdicom = _highdicom()
    first = volume.slices[0].geometry
    unit = UNITS.get(volume.unit if kind.physical else "1", UNITS["1"])
    highest = float(values.max())
    shown = float(np.percentile(values, DISPLAYED_PERCENTILE)) or highest or 1.0
    description = header.text(sources[0], "SeriesDescription")
    suffix = " DATPRL uncertainty"
    dataset: Dataset = highdicom.pm.ParametricMap(
        sources,
        values,
        series_instance_uid=provenance.identifier("uncertainty series"),
        series_number=series_number,
        sop_instance_uid=sop_instance_uid,
        instance_number=instance_number,
        manufacturer=PRODUCT,
        manufacturer_model_name=f"DATPRL-IR {provenance.weights}"[:64],
        software_versions=provenance.equipment().SoftwareVersions,
        device_serial_number=provenance.weights_sha256[:16],
        contains_recognizable_visual_features=header.text(sources[0], "RecognizableVisualFeatures") == "YES",
        real_world_value_mappings=[
            highdicom.pm.RealWorldValueMapping(
                lut_label=kind.label,
                lut_explanation=kind.explanation,
                unit=highdicom.sr.CodedConcept(*unit),
                value_range=(0.0, max(highest, 1e-6)),
                slope=1.0,
                intercept=0.0,
                quantity_definition=None if kind.quantity is None else highdicom.sr.CodedConcept(*kind.quantity),
            )
        ],
        voi_lut_transformations=[
            # The plain linear function forbids windows narrower than 1 (PS3.3 C.11.2.1.2).
            highdicom.VOILUTTransformation(window_center=shown / 2, window_width=shown, voi_lut_function="LINEAR_EXACT")
        ],
        content_label=kind.label,
        content_description=kind.explanation,
        series_description=f"{description[: DESCRIPTION_LENGTH - len(suffix)]}{suffix}".strip(),
        plane_orientation=highdicom.PlaneOrientationSequence("PATIENT", first.orientation),
        plane_positions=[
            highdicom.PlanePositionSequence("PATIENT", image.geometry.position) for image in volume.slices
        ],
        pixel_measures=_pixel_measures(volume, sources[0], highdicom),
    )
    _describe(dataset, sources[0], provenance)
    return dataset


def _pixel_measures(volume: Volume, source: Dataset, highdicom: Any) -> Any:
    """Return Pixel Measures (PS3.3 C.7.6.16.2.1) with the thickness of the source, or the distance of its slices."""
    geometries = [image.geometry for image in volume.slices]
    thickness = header.number(source, "SliceThickness")
    if thickness is None or thickness <= 0:
        places = np.array([geometry.position for geometry in geometries])
        thickness = float(np.linalg.norm(places[1] - places[0])) if len(places) > 1 else 1.0
    return highdicom.PixelMeasuresSequence(geometries[0].spacing, slice_thickness=thickness)


def _describe(dataset: Dataset, source: Dataset, provenance: Provenance) -> None:
    """Say how it was made, and which part of the body it shows."""
    dataset.DerivationDescription = provenance.description()
    for prefix in ("Content", "InstanceCreation"):
        setattr(dataset, f"{prefix}Date", provenance.created.strftime("%Y%m%d"))
        setattr(dataset, f"{prefix}Time", provenance.created.strftime("%H%M%S"))
    dataset.ContributingEquipmentSequence = [*dataset.ContributingEquipmentSequence, provenance.equipment()]
    for keyword in ("BodyPartExamined", "Laterality"):
        if header.text(source, keyword):
            setattr(dataset, keyword, header.text(source, keyword))
    if "BodyPartExamined" not in dataset and "Laterality" not in dataset:
        # Required unless the body part is known to be unpaired (PS3.3 C.7.3.1); empty says that it is not known.
        dataset.Laterality = ""
