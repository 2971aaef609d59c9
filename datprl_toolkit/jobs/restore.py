"""Restore whatever it is: one function for every way in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.files import check_absent, check_apart
from datprl_toolkit.intensity.profile import check_strength
from datprl_toolkit.jobs.identify import Kind, identify
from datprl_toolkit.reports import write_preview
from datprl_toolkit.restoring import Outcome, ProgressCallback, Restorer, silent

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """How something is restored; what does not concern a kind of input must be left at its default.

    Parameters
    ----------
    strength
        Share of the network's change that is applied, 0 to 1.
    scale
        Factor of enlargement before restoring (scenes and pictures).
    tile, halo
        Edge of a tile and pixels read around it (scenes and pictures).
    overwrite
        Whether an existing output may be replaced.
    preview
        A PNG that shows input, restored and difference; None for none.
    series
        Which of several series to restore (DICOM): its number in the list that the error gives, or its
        SeriesInstanceUID.
    all_series
        Whether every series is restored, each into a subfolder (DICOM).
    private
        Which private tags are kept: those known to matter for quantities, all, or none (DICOM).
    on_error
        Whether a file that cannot be read ends the job or is skipped with a warning (DICOM and pictures).
    bands
        The band or the three bands to restore, from 1 (scenes).
    other_bands
        What happens to the other bands (scenes).
    scaling
        How stored values map to [0, 1] (scenes): ``uint8``, ``reflectance:10000``, ``minmax:a,b``,
        ``percentile``; None chooses by type.
    nodata
        Value that marks missing data, where the file does not say (scenes).
    """

    strength: float = 1.0
    scale: int = 1
    tile: int = 512
    halo: int = 64
    overwrite: bool = False
    preview: Path | None = None
    series: str | None = None
    all_series: bool = False
    private: Literal["keep", "quant", "drop"] = "quant"
    on_error: Literal["fail", "skip"] = "fail"
    bands: tuple[int, ...] | None = None
    other_bands: Literal["copy", "drop"] = "copy"
    scaling: str | None = None
    nodata: float | None = None


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
        A folder or file of DICOM; a GeoTIFF, COG, VRT, JPEG 2000 or Zarr; a picture or a folder of them.
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
    source, destination = Path(source), Path(destination)
    kind = identify(source)
    _check_options(kind, options)
    _check_paths(source, destination, options)
    if not isinstance(restorer, Restorer):
        restorer = restorer()
    if announce is not None:
        announce(f"{_DESCRIPTIONS[kind]}; {restorer.describe()}")
    outcome = _RUNNERS[kind](source, destination, restorer, options, progress)
    if options.preview is not None:
        write_preview(options.preview, outcome.comparisons, overwrite=options.overwrite)
    return outcome


def _check_options(kind: Kind, options: RestoreOptions) -> None:
    """Raise ``E_OPTION`` for an option that has no meaning for this kind of input: it would be ignored silently."""
    check_strength(options.strength)
    default = RestoreOptions()
    only_for: dict[str, tuple[Kind, ...]] = {
        "scale": ("raster", "images"),
        "tile": ("raster", "images"),
        "halo": ("raster", "images"),
        "series": ("dicom",),
        "all_series": ("dicom",),
        "private": ("dicom",),
        "on_error": ("dicom", "images"),
        "bands": ("raster",),
        "other_bands": ("raster",),
        "scaling": ("raster",),
        "nodata": ("raster",),
    }
    for name, kinds in only_for.items():
        if kind not in kinds and getattr(options, name) != getattr(default, name):
            raise OptionError(
                ErrorCode.OPTION,
                f"--{name.replace('_', '-')} has no meaning for {_DESCRIPTIONS[kind]}",
                remedy="Leave it out",
            )


def _check_paths(source: Path, destination: Path, options: RestoreOptions) -> None:
    """Refuse, before any work, outputs that exist or that would stand in the way of the input or of each other."""
    outputs = [destination] if options.preview is None else [destination, options.preview]
    for output in outputs:
        check_apart(source, output)
        if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
            raise OptionError(
                ErrorCode.OPTION,
                "the output lies inside the input folder and would be read as input the next time",
                where=output,
                remedy="Choose an output outside",
            )
        check_absent(output, overwrite=options.overwrite)
    if options.preview is not None and destination.resolve().is_relative_to(options.preview.resolve()):
        raise OptionError(
            ErrorCode.OPTION,
            "the preview would replace the output",
            where=options.preview,
            remedy="Give it a name of its own",
        )


def _restore_dicom(
    source: Path, destination: Path, restorer: Restorer, options: RestoreOptions, progress: ProgressCallback
) -> Outcome:
    from datprl_toolkit.medical import DicomOptions, restore_dicom

    chosen = DicomOptions(
        strength=options.strength,
        overwrite=options.overwrite,
        all_series=options.all_series,
        series=options.series,
        private=options.private,
        on_error=options.on_error,
    )
    return restore_dicom(source, destination, restorer, chosen, progress)


def _restore_scene(
    source: Path, destination: Path, restorer: Restorer, options: RestoreOptions, progress: ProgressCallback
) -> Outcome:
    from datprl_toolkit.remote_sensing import SceneOptions, restore_scene

    chosen = SceneOptions(
        strength=options.strength,
        overwrite=options.overwrite,
        bands=options.bands,
        other_bands=options.other_bands,
        scaling=options.scaling,
        scale=options.scale,
        tile=options.tile,
        halo=options.halo,
        nodata=options.nodata,
    )
    return restore_scene(source, destination, restorer, chosen, progress)


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
    "raster": _restore_scene,
    "images": _restore_images,
}
_DESCRIPTIONS: dict[Kind, str] = {"dicom": "DICOM", "raster": "a raster scene", "images": "pictures"}
