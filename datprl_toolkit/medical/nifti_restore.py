"""The walk of a NIfTI file, and of a DICOM series into one: read, choose, context, restore, write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, get_args

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.files import check_absent, check_apart
from datprl_toolkit.intensity.profile import check_strength
from datprl_toolkit.medical.choose import check_modality, check_task, choose_series, scan_warnings
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.nifti_from_dicom import SeriesSource, new_header
from datprl_toolkit.medical.nifti_reading import MODALITIES, UNITS, NiftiVolume, Quantity, read_nifti
from datprl_toolkit.medical.nifti_writing import StoredType, check_nifti_name, choose_type, nifti_writer
from datprl_toolkit.medical.profiles import (
    CT_SOFT_TISSUE,
    PET_HIGHEST_SUV,
    choose_profile,
    mr_profile,
    pet_percentile_profile,
    pet_profile,
)
from datprl_toolkit.medical.provenance import Provenance, matching_tasks
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.survey import ValueCount, survey
from datprl_toolkit.restoring import Comparison, Outcome, Progress, ProgressCallback, silent
from datprl_toolkit.restoring.stack import StackRestorer, batch_length

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.options import DicomOptions
    from datprl_toolkit.restoring import Restorer

HIGHEST_AIR = -200.0  # HU; a CT without anything below this has no air in it
LARGEST_SUV = 1000.0  # g/ml; beyond it the values are an activity


@dataclass(frozen=True, slots=True)
class NiftiOptions:
    """Choices for :func:`restore_nifti`.

    Parameters
    ----------
    quantity
        What the values are, which NIfTI does not say: "hu" (CT), "suv" (PET by body weight, g/ml), "bqml" (PET,
        Bq/ml) or "mr" (arbitrary units). There is no default, since a wrong guess would go unnoticed.
    strength
        Share of the network's change that is applied, from 0 to 1.
    overwrite
        Replace an existing output.

    Raises
    ------
    OptionError
        ``E_OPTION`` for a value that cannot be used.
    """

    quantity: Quantity | None = None
    strength: float = 1.0
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_strength(self.strength)
        allowed = get_args(Quantity)
        if self.quantity is not None and self.quantity not in allowed:
            raise OptionError(ErrorCode.OPTION, f"'{self.quantity}' is none of {', '.join(allowed)}", where="quantity")


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


class _FileSource:
    """A NIfTI file as slices; values that are not finite are no image."""

    def __init__(self, volume: NiftiVolume) -> None:
        self._volume = volume
        self.shape = volume.shape
        self.read_stored = volume.read_stored
        self.slice_in = volume.slice_in

    def to_physical(self, stored: npt.NDArray[Any], index: int) -> npt.NDArray[np.float64]:
        return self._volume.to_physical(stored)

    def is_image(self, stored: npt.NDArray[Any], index: int) -> npt.NDArray[np.bool_]:
        finite: npt.NDArray[np.bool_] = np.isfinite(stored)
        return finite


def restore_nifti(
    source: Path,
    destination: Path,
    restorer: Restorer,
    options: NiftiOptions,
    progress: ProgressCallback = silent,
) -> Outcome:
    """Restore a NIfTI volume, or all volumes of a four-dimensional one under one window and one context.

    Header, extensions, qform, sform and their codes, units and type are those of the source. Voxels that the network
    did not change are identical to the bit; see :func:`datprl_toolkit.medical.nifti_writing.choose_type` for the rest.

    Parameters
    ----------
    source, destination
        ``.nii`` or ``.nii.gz``.
    restorer
        Network with weights that were trained for the modality of the quantity.
    options
        What the values are, and how much is changed.
    progress
        Told after each slice; an exception that it raises cancels the job.

    Raises
    ------
    DatprlError
        ``E_QUANTITY`` if the quantity is not given, and the codes of :func:`read_nifti`; nothing is left behind.
    """
    check_nifti_name(destination)
    check_absent(destination, overwrite=options.overwrite)
    check_apart(source, destination)
    quantity = required_quantity(options.quantity, source)
    volume = read_nifti(source)
    check_modality(MODALITIES[quantity], source, restorer.card)
    values, extent = count_values(volume, progress)
    profile, notes = choose_nifti_profile(quantity, values, source)
    stored_type, words = choose_type(StoredType(volume.stored.dtype, volume.slope, volume.intercept), profile)
    job = _Job(restorer, profile, stored_type, options.strength, progress, MODALITIES[quantity])
    comment = job.describe()
    with nifti_writer(destination, volume.header, stored_type, comment, overwrite=options.overwrite) as voxels:
        comparisons = job.run(_FileSource(volume), voxels.reshape(volume.stored.shape, order="F"))
    warnings = (*describe_nifti(volume), *notes, *doubt_quantity(quantity, extent))
    return Outcome(destination, f"{volume.shape[0]} slices restored, {words}", warnings, comparisons)


def required_quantity(quantity: Quantity | None, source: Path) -> Quantity:
    """Return the quantity, or raise ``E_QUANTITY`` if it is not given."""
    if quantity is None:
        raise InputError(
            ErrorCode.QUANTITY,
            "NIfTI does not say what its values are, and a guess could be wrong unnoticed",
            where=source,
            remedy="Say it with --quantity hu (CT), suv or bqml (PET), or mr",
        )
    return quantity


def count_values(volume: NiftiVolume, progress: ProgressCallback = silent) -> tuple[ValueCount, tuple[float, float]]:
    """Read all slices once: how often each finite value occurs, and the smallest and the largest."""
    values, low, high = ValueCount(), np.inf, -np.inf
    for index in range(volume.shape[0]):
        physical = volume.to_physical(volume.read_stored(index))
        finite = physical[np.isfinite(physical)]
        values.add(finite)
        low, high = min(low, float(finite.min(initial=np.inf))), max(high, float(finite.max(initial=-np.inf)))
        progress(Progress("reading", index + 1, volume.shape[0], "slices"))
    return values, (low, high)


def choose_nifti_profile(
    quantity: Quantity, values: ValueCount, source: Path
) -> tuple[IntensityProfile, tuple[str, ...]]:
    """Return the window for a quantity, as for DICOM of the same modality, and warnings.

    Raises
    ------
    InputError
        ``E_QUANTITY`` if all values are equal, ``E_EMPTY`` if none is finite.
    """
    if quantity == "hu":
        return CT_SOFT_TISSUE, ()
    if quantity == "suv":
        return pet_profile(1.0, UNITS[quantity]), ()
    if quantity == "mr":
        return mr_profile(values, UNITS[quantity], source), ()
    warning = (
        "W_NO_SUV: NIfTI holds neither dose nor weight; the intensity window ends at the 99.9th percentile of the "
        f"volume instead of SUV {PET_HIGHEST_SUV:g}"
    )
    return pet_percentile_profile(values, UNITS[quantity], source), (warning,)


def describe_nifti(volume: NiftiVolume) -> tuple[str, ...]:
    """Return a warning for each thing about the header that a person should know."""
    header = volume.header
    qform, sform = int(header["qform_code"]), int(header["sform_code"])
    lines = []
    if qform == 0 and sform == 0:
        lines.append(
            "W_NO_ORIENTATION: neither qform nor sform is set, so that left and right are not known; slices are taken "
            "as the standard prescribes for such files"
        )
    if qform > 0 and sform > 0 and not np.allclose(header.get_qform(), header.get_sform(), atol=1e-2):
        lines.append("W_TWO_AFFINES: qform and sform disagree; the sform is used, and both are kept")
    if volume.times > 1:
        lines.append(f"W_TIMES: {volume.times} volumes are restored under one window and one context")
    return tuple(lines)


def doubt_quantity(quantity: Quantity, extent: tuple[float, float]) -> tuple[str, ...]:
    """Return a warning if values hardly can be what they are said to be."""
    low, high = extent
    if quantity == "hu" and low > HIGHEST_AIR:
        return (f"W_QUANTITY: the smallest value is {low:g}, while a CT in HU has air near -1000; are these HU?",)
    if quantity == "suv" and high > LARGEST_SUV:
        return (f"W_QUANTITY: the largest value is {high:g}, far above any SUV; is this an activity (bqml)?",)
    return ()


def restore_dicom_as_nifti(
    source: Path,
    destination: Path,
    restorer: Restorer,
    options: DicomOptions,
    progress: ProgressCallback = silent,
) -> Outcome:
    """Restore one CT, MR or PET series and write it as NIfTI; nothing about the patient is carried over.

    Parameters
    ----------
    source
        A folder, a DICOM file, or a DICOMDIR.
    destination
        ``.nii`` or ``.nii.gz``.
    options
        Which series; private attributes have no place in NIfTI.

    Raises
    ------
    DatprlError
        As :func:`datprl_toolkit.medical.restore.restore_dicom`, and ``E_GEOMETRY`` for slices at uneven distances,
        for which NIfTI has no place. A tilted gantry is kept exactly, as the shear of the sform.
    """
    check_nifti_name(destination)
    check_absent(destination, overwrite=options.overwrite)
    check_apart(source, destination)
    if options.all_series:
        raise OptionError(
            ErrorCode.OPTION, "one NIfTI file holds one series", remedy="Choose it with --series, or write DICOM"
        )
    found = scan(source)
    series = choose_series(group_series(found.instances), found, options, source)[0]
    warnings = scan_warnings(found, [series], options)
    if series.error is not None:
        raise series.error
    check_task(series, restorer.card)
    looked = survey(series.volume, skip_broken=options.skip_errors, progress=progress)
    profile, notes = choose_profile(looked, series.earliest)
    slices = SeriesSource(looked.volume)
    stored_type, words = slices.stored_type(profile)
    header = new_header(looked.volume, stored_type, source)
    job = _Job(restorer, profile, stored_type, options.strength, progress, looked.volume.modality)
    with nifti_writer(destination, header, stored_type, job.describe(), overwrite=options.overwrite) as voxels:
        comparisons = job.run(slices, voxels, inverted=looked.volume.inverted)
    lines = (*warnings, *series.warnings, *looked.warnings, *notes)
    return Outcome(destination, f"{slices.shape[0]} slices restored, {words}", lines, comparisons)


@dataclass(frozen=True, slots=True)
class _Job:
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
        ).description()

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
                    shown.append(self._compare(original[place], written, f"slice {index + 1} of {total}"))
                self.progress(Progress("restoring", index + 1, total, "slices"))
        return tuple(shown)

    def _compare(self, original: npt.NDArray[np.float64], written: npt.NDArray[np.float64], title: str) -> Comparison:
        profile = self.profile
        before, after = original.astype(np.float32), written.astype(np.float32)
        # A PET window ends far above what most slices hold.
        brightest = float(np.nan_to_num(before, nan=0.0).max())
        high = min(profile.high, max(brightest, profile.low + 0.05 * profile.width))
        return Comparison(before, after, profile.low, high, profile.unit, title)
