"""Restore whatever it is: one function for every way in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.files import check_absent, check_apart, check_replaceable
from datprl_toolkit.intensity.profile import check_strength
from datprl_toolkit.jobs.identify import Kind, identify
from datprl_toolkit.jobs.outputs import check_names, check_places, output_stays
from datprl_toolkit.jobs.report import make_report
from datprl_toolkit.medical.nifti_format import is_nifti_name
from datprl_toolkit.remote_sensing.reading_sources import is_scene_name
from datprl_toolkit.reports import check_report, write_preview, write_report
from datprl_toolkit.restoring import Outcome, ProgressCallback, Restorer, silent
from datprl_toolkit.restoring.self_ensemble import check_single

if TYPE_CHECKING:
    from collections.abc import Callable

    from datprl_toolkit.medical.quantity import SuvType
    from datprl_toolkit.remote_sensing import SceneOptions


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """How something is restored; what does not concern a kind of input must be left at its default.

    Parameters
    ----------
    strength
        Share of the network's change that is applied, 0 to 1.
    scale
        Factor of enlargement before restoring (scenes, pictures, and MR series, by 2 or 4).
    tile, halo
        Edge of a tile and pixels read around it (scenes and pictures).
    overwrite
        Whether an existing output may be replaced.
    preview
        A PNG that shows input, restored and difference; None for none.
    report
        An HTML page with what was measured and checked in the files before and after; None for none.
    uncertainty
        A folder for maps of where the network may have invented, as DICOM Parametric Maps, or as NIfTI where the
        output is NIfTI; or a ``.tif`` or ``.zarr`` with the deviation over the flips of a scene; None for none
        (DICOM, NIfTI, scenes).
    series
        Which of several series to restore (DICOM): its number in the list that the error gives, or its
        SeriesInstanceUID.
    all_series
        Whether every series is restored, each into a subfolder (DICOM).
    private
        Which private tags are kept: those known to matter for quantities, all, or none (DICOM).
    on_error
        What happens when something cannot be read: "fail" ends the job; "skip" leaves out a file, with a warning
        (DICOM and pictures); "nodata" and "passthrough" leave out a block of a scene, the second together with
        every change to what lies around it.
    bands
        The band or the three bands to restore, by number from 1 or by name (scenes).
    other_bands
        What happens to the other bands (scenes).
    scaling
        How stored values map to [0, 1] (scenes): ``uint8``, ``reflectance:10000``, ``minmax:a,b``,
        ``percentile``; None chooses by type.
    nodata
        Value that marks missing data, where the file does not say (scenes).
    context
        From what the context of a tile is computed (scenes): the scene, a field of places in it, its surroundings, or
        itself; "auto" is a field wherever there can be one.
    resume
        Go on with what an earlier run left unfinished (scenes).
    zarr_profile
        Which readers a Zarr store is for (scenes).
    cluster
        Where the work is done if not here: the address of a Dask scheduler, or "local:N" (scenes).
    stac
        Whether a STAC item is written beside the output (scenes).
    quantity
        What the values are, which NIfTI does not say: "hu" (CT), "suv" or "bqml" (PET), "mr" (NIfTI).
    ct_window
        Which Hounsfield units are restored: "soft-tissue", -160 to 240 HU, or "wide", -1360 to 1440 HU in overlapping
        windows (DICOM, NIfTI).
    suv
        Kind of SUV in which a PET series is written as NIfTI: "bw" (body weight), "lbmjanma", "lbmjames128" (lean
        body mass) or "bsa" (body surface area); None for the values of the scanner (DICOM to NIfTI).
    """

    strength: float = 1.0
    scale: int = 1
    tile: int = 512
    halo: int = 64
    overwrite: bool = False
    preview: Path | None = None
    report: Path | None = None
    uncertainty: Path | None = None
    series: str | None = None
    all_series: bool = False
    private: Literal["keep", "quant", "drop"] = "quant"
    on_error: Literal["fail", "skip", "nodata", "passthrough"] = "fail"
    bands: tuple[int | str, ...] | None = None
    other_bands: Literal["copy", "drop"] = "copy"
    scaling: str | None = None
    nodata: float | None = None
    context: Literal["auto", "scene", "field", "local", "tile"] = "auto"
    resume: bool = False
    zarr_profile: Literal["default", "qgis", "legacy"] = "default"
    cluster: str | None = None
    stac: bool = False
    quantity: Literal["hu", "suv", "bqml", "mr"] | None = None
    ct_window: Literal["soft-tissue", "wide"] = "soft-tissue"
    suv: Literal["bw", "lbmjanma", "lbmjames128", "bsa"] | None = None


def restore(
    source: str | Path,
    destination: str | Path,
    restorer: Restorer | Callable[[], Restorer] = Restorer.from_pretrained,
    options: RestoreOptions = RestoreOptions(),
    progress: ProgressCallback = silent,
    announce: Callable[[str], None] | None = None,
) -> Outcome:
    """Find out what `source` is, restore it, and write `destination`.

    Parameters
    ----------
    source
        A folder or file of DICOM; a GeoTIFF, COG, VRT, JPEG 2000 or Zarr, several files with commas between them as
        the bands of one scene, an address such as ``https://...``, the folder of a Sentinel-2, HLS or Landsat product,
        or a STAC item; a picture or a folder of them.
    destination
        A folder for DICOM and for folders of pictures; ``.tif`` or ``.zarr`` for a scene; a picture for a picture.
    restorer
        Weights on a device, or what loads them; they are loaded only when the input is known to be usable.
    options
        How it is restored.
    progress
        Told after each piece of work; an exception that it raises cancels the job.
    announce
        Told once, in one line, what the input is taken for and what restores it.

    Returns
    -------
    What was made, with warnings.

    Raises
    ------
    DatprlError
        With a stable code for anything that is wrong with input, options, output or machine. Nothing is written
        under the final name in that case.
    """
    kind, named = check_job(source, destination, options)
    source, destination = Path(source), Path(destination)
    if not isinstance(restorer, Restorer):
        restorer = restorer()
    if restorer.task is not None and kind in ("dicom", "nifti"):
        raise OptionError(
            ErrorCode.OPTION,
            f"--task has no meaning for {_DESCRIPTIONS[kind]}",
            remedy="Its modality says it; leave it out",
        )
    if options.uncertainty is not None:
        check_single(restorer)
    if announce is not None:
        announce(f"{_DESCRIPTIONS[kind]}; {restorer.describe()}")
    pages = [page for page in (options.preview, options.report) if page is not None]
    # Asked before the output is there: only a job that was finished before has pages of its own.
    replaced = all(_replaces(page, destination, options) for page in pages)
    if named is not None:
        outcome = _restore_scene(named, destination, restorer, options, progress)
    else:
        outcome = _RUNNERS[kind](source, destination, restorer, options, progress)
    with output_stays(destination):
        if options.preview is not None:
            write_preview(options.preview, outcome.comparisons, overwrite=replaced)
        if options.report is not None:
            made = make_report(source, destination, restorer=restorer, warnings=outcome.warnings, progress=progress)
            write_report(made, options.report, overwrite=replaced)
    return outcome


def check_job(source: str | Path, destination: str | Path, options: RestoreOptions) -> tuple[Kind, str | None]:
    """Refuse, before any work, options without a meaning and outputs that are in the way.

    Returns
    -------
    What the input is; and its name, if that is an address or several files, which are no path.

    Raises
    ------
    DatprlError
        As for :func:`restore`.
    """
    named = str(source) if is_scene_name(str(source)) else None
    source, destination = Path(source), Path(destination)
    kind = identify(named or source)
    _check_options(kind, options)
    _check_report(kind, destination, options, named)
    check_names(kind, destination, options)
    _check_paths(source, destination, options)
    check_places(kind, source, destination, options)
    if kind == "raster":
        _check_apart_from_scene(named or source, destination, options)
    return kind, named


def _check_options(kind: Kind, options: RestoreOptions) -> None:
    """Raise ``E_OPTION`` for an option that has no meaning for this kind of input: it would be ignored silently."""
    check_strength(options.strength)
    default = RestoreOptions()
    only_for: dict[str, tuple[Kind, ...]] = {
        "scale": ("dicom", "raster", "images"),
        "tile": ("raster", "images"),
        "halo": ("raster", "images"),
        "uncertainty": ("dicom", "nifti", "raster"),
        "series": ("dicom",),
        "all_series": ("dicom",),
        "private": ("dicom",),
        "bands": ("raster",),
        "other_bands": ("raster",),
        "scaling": ("raster",),
        "nodata": ("raster",),
        "context": ("raster",),
        "resume": ("raster",),
        "zarr_profile": ("raster",),
        "cluster": ("raster",),
        "stac": ("raster",),
        "quantity": ("nifti",),
        "ct_window": ("dicom", "nifti"),
        "suv": ("dicom",),
    }
    for name, kinds in only_for.items():
        if kind not in kinds and getattr(options, name) != getattr(default, name):
            raise OptionError(
                ErrorCode.OPTION,
                f"--{name.replace('_', '-')} has no meaning for {_DESCRIPTIONS[kind]}",
                remedy="Leave it out",
            )
    if options.on_error not in _ON_ERROR[kind]:
        raise OptionError(
            ErrorCode.OPTION,
            f"--on-error {options.on_error} has no meaning for {_DESCRIPTIONS[kind]}",
            remedy=f"Use {' or '.join(_ON_ERROR[kind])}",
        )


def _check_apart_from_scene(named: str | Path, destination: Path, options: RestoreOptions) -> None:
    """Refuse outputs that would replace one of the files of a scene."""
    from datprl_toolkit.remote_sensing.reading_sources import locate

    for original in locate(named).protected:
        for output in (destination, options.preview):
            if output is not None:
                check_apart(original, output)


def _check_report(kind: Kind, destination: Path, options: RestoreOptions, named: str | None) -> None:
    """Raise ``E_OPTION`` for a report of what it does not measure, and for SUV that the output does not hold."""
    if options.report is not None and named is not None:
        raise OptionError(
            ErrorCode.OPTION,
            "--report has no meaning for a scene that is not one local file",
            where=named,
            remedy="Leave it out",
        )
    if options.suv is not None and not is_nifti_name(destination):
        raise OptionError(
            ErrorCode.OPTION,
            "a DICOM series keeps the unit of its source, and --suv is for NIfTI made from DICOM",
            where=destination,
            remedy="Leave --suv out, or let the name of the output end in .nii.gz",
        )
    if options.suv is not None and options.report is not None:
        raise OptionError(
            ErrorCode.OPTION,
            "a report compares values in one unit, and --suv changes it",
            remedy="Leave one of the two out; the report shows SUV in any case",
        )


def _check_paths(source: Path, destination: Path, options: RestoreOptions) -> None:
    """Refuse, before any work, outputs that exist or that would stand in the way of the input or of each other."""
    pages = {"preview": options.preview, "report": options.report, "uncertainty": options.uncertainty}
    beside = {name: path for name, path in pages.items() if path is not None}
    for output in (destination, *beside.values()):
        check_apart(source, output)
        if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
            raise OptionError(
                ErrorCode.OPTION,
                "the output lies inside the input folder and would be read as input the next time",
                where=output,
                remedy="Choose an output outside",
            )
        resumed = options.resume and output in (destination, options.uncertainty)
        check_absent(output, overwrite=resumed or _replaces(output, destination, options))
    for name, path in beside.items():
        others = {"output": destination} | {other: place for other, place in beside.items() if other != name}
        for other, place in others.items():
            if place.resolve().is_relative_to(path.resolve()):
                raise OptionError(
                    ErrorCode.OPTION,
                    f"the {name} would replace the {other}",
                    where=path,
                    remedy="Give it a name of its own",
                )
    if options.report is not None:
        check_report(options.report, overwrite=_replaces(options.report, destination, options))


def _replaces(page: Path, destination: Path, options: RestoreOptions) -> bool:
    """Tell whether a preview or report may be replaced: as asked, or as that of the finished job that is resumed.

    Raises
    ------
    OutputError
        ``E_EXISTS`` if what a resumed job would replace is none of this package.
    """
    if options.overwrite or not (options.resume and destination.exists()):
        return options.overwrite
    check_replaceable(page)
    return True


def _restore_dicom(
    source: Path, destination: Path, restorer: Restorer, options: RestoreOptions, progress: ProgressCallback
) -> Outcome:
    from datprl_toolkit.medical import DicomOptions, restore_dicom
    from datprl_toolkit.medical.nifti_restore import restore_dicom_as_nifti

    chosen = DicomOptions(
        strength=options.strength,
        overwrite=options.overwrite,
        all_series=options.all_series,
        series=options.series,
        private=options.private,
        on_error="skip" if options.on_error == "skip" else "fail",
        uncertainty=options.uncertainty,
        ct_window=options.ct_window,
        scale=options.scale,
        suv=None if options.suv is None else _SUV_TYPES[options.suv],
    )
    walk = restore_dicom_as_nifti if is_nifti_name(destination) else restore_dicom
    return walk(source, destination, restorer, chosen, progress)


def _restore_nifti(
    source: Path, destination: Path, restorer: Restorer, options: RestoreOptions, progress: ProgressCallback
) -> Outcome:
    from datprl_toolkit.medical.nifti_restore import NiftiOptions, restore_nifti

    chosen = NiftiOptions(
        quantity=options.quantity,
        strength=options.strength,
        overwrite=options.overwrite,
        uncertainty=options.uncertainty,
        ct_window=options.ct_window,
    )
    return restore_nifti(source, destination, restorer, chosen, progress)


def _restore_scene(
    source: str | Path, destination: Path, restorer: Restorer, options: RestoreOptions, progress: ProgressCallback
) -> Outcome:
    from datprl_toolkit.remote_sensing import restore_scene
    from datprl_toolkit.remote_sensing.restore import check_destination

    chosen = scene_options(options)
    compared = options.preview is not None
    if options.uncertainty is None:
        return restore_scene(source, destination, restorer, chosen, progress, compared=compared)
    mapped = deviation_options(chosen)
    check_destination(source, options.uncertainty, mapped)
    outcome = restore_scene(source, destination, restorer, chosen, progress, compared=compared)
    maps = restore_scene(source, options.uncertainty, restorer, mapped, progress)
    return replace(outcome, partial=outcome.partial or maps.partial)


def scene_options(options: RestoreOptions) -> SceneOptions:
    """Return those of the options that concern scenes."""
    from datprl_toolkit.remote_sensing import SceneOptions

    return SceneOptions(
        strength=options.strength,
        overwrite=options.overwrite,
        bands=options.bands,
        other_bands=options.other_bands,
        scaling=options.scaling,
        scale=options.scale,
        tile=options.tile,
        halo=options.halo,
        nodata=options.nodata,
        context=options.context,
        resume=options.resume,
        on_error="fail" if options.on_error == "skip" else options.on_error,
        zarr_profile=options.zarr_profile,
        cluster=options.cluster,
        stac=options.stac,
    )


def deviation_options(chosen: SceneOptions) -> SceneOptions:
    """Return the options with which the map of deviations of a scene is made."""
    return replace(chosen, product="deviation", stac=False)


def _restore_images(
    source: Path, destination: Path, restorer: Restorer, options: RestoreOptions, progress: ProgressCallback
) -> Outcome:
    from datprl_toolkit.images import ImageOptions, restore_images

    chosen = ImageOptions(
        strength=options.strength,
        scale=options.scale,
        tile=options.tile,
        halo=options.halo,
        overwrite=options.overwrite,
        skip_errors=options.on_error == "skip",
    )
    return restore_images(source, destination, restorer, chosen, progress)


_RUNNERS: dict[Kind, Callable[[Path, Path, Restorer, RestoreOptions, ProgressCallback], Outcome]] = {
    "dicom": _restore_dicom,
    "nifti": _restore_nifti,
    "raster": _restore_scene,
    "images": _restore_images,
}
_SUV_TYPES: dict[str, SuvType] = {
    "bw": "BW", "lbmjanma": "LBMJANMA", "lbmjames128": "LBMJAMES128", "bsa": "BSA"
}  # fmt: skip
_ON_ERROR: dict[Kind, tuple[str, ...]] = {
    "dicom": ("fail", "skip"),
    "nifti": ("fail",),
    "raster": ("fail", "nodata", "passthrough"),
    "images": ("fail", "skip"),
}
_DESCRIPTIONS: dict[Kind, str] = {
    "dicom": "DICOM",
    "nifti": "NIfTI",
    "raster": "a raster scene",
    "images": "pictures",
}
