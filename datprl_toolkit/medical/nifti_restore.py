"""The walk of a NIfTI file, and of a DICOM series into one: read, choose, context, restore, write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.files import check_absent, check_apart
from datprl_toolkit.intensity.profile import check_strength
from datprl_toolkit.medical.choose import check_modality, check_task, choose_series, scan_warnings
from datprl_toolkit.medical.enlarging import enlarge_volume
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.header_notes import read_notes, source_lines
from datprl_toolkit.medical.nifti_from_dicom import SeriesSource, new_header
from datprl_toolkit.medical.nifti_job import NiftiJob, NiftiOutput
from datprl_toolkit.medical.nifti_reading import MODALITIES, UNITS, NiftiVolume, Quantity, read_nifti
from datprl_toolkit.medical.nifti_writing import StoredType, check_nifti_name, choose_type
from datprl_toolkit.medical.profiles import (
    CT_PROFILES,
    PET_HIGHEST_SUV,
    CtWindow,
    check_ct_window,
    choose_profile,
    mr_profile,
    pet_percentile_profile,
    pet_profile,
    volume_suv_factor,
    volume_suv_factors,
)
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.survey import ValueCount, survey
from datprl_toolkit.restoring import Outcome, Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.grouping import Series
    from datprl_toolkit.medical.options import DicomOptions
    from datprl_toolkit.medical.quantity import SuvType
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
    uncertainty
        A folder for maps of uncertainty as NIfTI; None for none.
    ct_window
        For "hu", as :class:`~datprl_toolkit.medical.options.DicomOptions` has it.

    Raises
    ------
    OptionError
        ``E_OPTION`` for a value that cannot be used.
    """

    quantity: Quantity | None = None
    strength: float = 1.0
    overwrite: bool = False
    uncertainty: Path | None = None
    ct_window: CtWindow = "soft-tissue"

    def __post_init__(self) -> None:
        check_strength(self.strength)
        allowed = get_args(Quantity)
        if self.quantity is not None and self.quantity not in allowed:
            raise OptionError(ErrorCode.OPTION, f"'{self.quantity}' is none of {', '.join(allowed)}", where="quantity")


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
    profile, notes = choose_nifti_profile(quantity, values, source, options.ct_window)
    stored_type, words = choose_type(StoredType(volume.stored.dtype, volume.slope, volume.intercept), profile)
    job = NiftiJob(restorer, profile, stored_type, options.strength, progress, MODALITIES[quantity])

    def layout(voxels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return voxels.reshape(volume.stored.shape, order="F")

    output = NiftiOutput(destination, options.uncertainty, options.overwrite, volume.header, layout)
    comparisons = job.write(_FileSource(volume), output)
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
    quantity: Quantity, values: ValueCount, source: Path, ct_window: CtWindow = "soft-tissue"
) -> tuple[IntensityProfile, tuple[str, ...]]:
    """Return the window for a quantity, as for DICOM of the same modality, and warnings.

    Raises
    ------
    InputError
        ``E_QUANTITY`` if all values are equal, ``E_EMPTY`` if none is finite.
    OptionError
        ``E_OPTION`` for a window of CT where there is none.
    """
    check_ct_window(ct_window, quantity == "hu")
    if quantity == "hu":
        return CT_PROFILES[ct_window], ()
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
    check_ct_window(options.ct_window, series.volume.modality == "CT")
    in_suv = None if options.suv is None else _suv_profile(series, options.suv)
    volume = enlarge_volume(series.volume, options.scale)
    looked = survey(volume, skip_broken=options.skip_errors, progress=progress)
    if in_suv is None:
        profile, notes = choose_profile(looked, series.earliest, options.ct_window)
        slices = SeriesSource(looked.volume)
    else:
        profile, factor = in_suv
        slices, notes = SeriesSource(looked.volume, factor), ()
    stored_type, words = slices.stored_type(profile)
    header = new_header(looked.volume, stored_type, source)
    job = NiftiJob(restorer, profile, stored_type, options.strength, progress, looked.volume.modality)
    output = NiftiOutput(destination, options.uncertainty, options.overwrite, header, lambda voxels: voxels)
    comparisons = job.write(slices, output, inverted=looked.volume.inverted)
    told = source_lines(series, read_notes(series.volume))
    lines = (*warnings, *series.warnings, *looked.warnings, *told, *notes)
    return Outcome(destination, f"{slices.shape[0]} slices restored, {words}", lines, comparisons)


def _suv_profile(series: Series, suv_type: SuvType) -> tuple[IntensityProfile, float]:
    """Return the PET window in a kind of SUV, and the factor to it from the physical values of a series."""
    volume = series.volume
    if volume.modality != "PT":
        raise OptionError(ErrorCode.OPTION, f"--suv has no meaning for {volume.modality}", remedy="Leave it out")
    factors = volume_suv_factors(volume, series.earliest)
    if suv_type not in factors:
        volume_suv_factor(volume, series.earliest)  # names what body weight lacks, if it is that
        raise InputError(
            ErrorCode.QUANTITY,
            f"SUV of the kind {suv_type} needs Patient's Size and Sex, and the header lacks one of them",
            where=volume.slices[0].path.parent,
            remedy="Use --suv bw",
        )
    unit = "SUV" if suv_type == "BW" else f"SUV {suv_type}"
    return pet_profile(factors["BW"] / factors[suv_type], unit), factors[suv_type]
