"""The one way in: a scene is read, restored in tiles that share one context, and written as it was laid out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rasterio

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.files import check_absent, check_apart
from datprl_toolkit.remote_sensing.bands import BandChoice, choose_bands
from datprl_toolkit.remote_sensing.context import SAMPLED_WHOLE, context_images
from datprl_toolkit.remote_sensing.context_modes import LOCAL_REACH, plan_context
from datprl_toolkit.remote_sensing.options import ResolvedContext, SceneOptions
from datprl_toolkit.remote_sensing.plan import LARGEST_SHARD, Plan, plan_target
from datprl_toolkit.remote_sensing.preview import compare
from datprl_toolkit.remote_sensing.reading_cache import cache_bytes
from datprl_toolkit.remote_sensing.reading_sources import locate
from datprl_toolkit.remote_sensing.run import Run, workplace
from datprl_toolkit.remote_sensing.sampling import SceneSample, sample_scene
from datprl_toolkit.remote_sensing.scaling import describe_scaling, scene_profile
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.remote_sensing.stac import check_item, item_path, write_item
from datprl_toolkit.remote_sensing.staging import check_unfinished
from datprl_toolkit.remote_sensing.storage import as_stored
from datprl_toolkit.remote_sensing.unreadable import PatientReader, native_block
from datprl_toolkit.restoring import Outcome, Progress, ProgressCallback, Restorer, silent
from datprl_toolkit.restoring.self_ensemble import check_single
from datprl_toolkit.restoring.tiling import round_up

if TYPE_CHECKING:
    from datprl_toolkit.remote_sensing.reading import SceneReader
    from datprl_toolkit.restoring import Context

_TIFF_SUFFIXES = frozenset({".tif", ".tiff"})


def restore_scene(
    source: str | Path,
    destination: Path,
    restorer: Restorer,
    options: SceneOptions = SceneOptions(),  # noqa: B008 (frozen)
    progress: ProgressCallback = silent,
    *,
    compared: bool = True,
    acquisition: dict[str, Any] | None = None,
) -> Outcome:
    """Restore a georeferenced raster of any size.

    Three bands, or one, are restored; the others are copied. The scene is cut into shards of up to 2048 x 2048
    pixels, each of them into tiles; all tiles share one context, computed from a sample of the whole scene, so that
    they fit without a seam. Memory does not grow with the scene. Reference system, transform, control points, RPCs,
    nodata, mask, alpha, colour interpretation, names, scales and tags are kept. Pixels that are no data, values
    outside the window of the scaling, and everything at strength 0 are bit-identical.

    Parameters
    ----------
    source
        GeoTIFF, COG, VRT, JPEG 2000, whatever else GDAL reads, a Zarr store, or what else :meth:`Scene.open` takes.
    destination
        ``.tif`` or ``.tiff`` gives a cloud-optimised GeoTIFF, ``.zarr`` a Zarr store with a pyramid.
    restorer
        The network.
    options
        What a person can choose.
    progress
        Told in the steps "sampling", "restoring" and "writing", the second from other threads, one at a time; an
        exception that it raises cancels the job.
    compared
        Whether a part of the scene before and after is handed back, to look at: it is read for that.
    acquisition
        Replaces :attr:`Scene.acquisition`, for the STAC item of the output.

    Returns
    -------
    What was written, the numbers of the scaling, warnings, and a comparison to look at.

    Raises
    ------
    InputError, OptionError, OutputError, ResourceError
        One line that says what is wrong; nothing half-written stands under the name of the output. Shards that were
        finished are kept beside it, and the line says how to go on with them.
    """
    destination = Path(destination)
    check_destination(source, destination, options)
    if options.product == "deviation":
        check_single(restorer)
    scene = Scene.open(source, nodata=options.nodata)
    if acquisition:
        scene = replace(scene, acquisition=acquisition)
    choice = choose_bands(scene, options.bands)
    with (
        rasterio.Env(GDAL_CACHEMAX=cache_bytes(scene, choice.numbers)),
        scene.reader() as opened,
        workplace(options, restorer) as place,
    ):
        reader = PatientReader(opened, scene, options.on_error, native_block(scene))
        sample = sample_for_context(scene, reader, choice, options, progress)
        plan = make_plan(scene, choice, sample, options, restorer)
        run = Run(plan, options, restorer, opened, reader.block, destination, place, progress)
        made = run.earlier() or run.make(lambda: scene_context(plan, sample, restorer, progress))
        if options.stac:
            replaces = options.overwrite or options.resume
            write_item(destination, plan, restorer, made.unreadable, overwrite=replaces)
        wanted = compared and options.product != "deviation"
        comparisons = compare(plan, sample, reader, destination) if wanted else ()
    return Outcome(
        output=destination,
        summary=_summary(plan, choice) + made.remark,
        warnings=(*_warnings(plan, choice, sample), *_format_warnings(plan, destination), *made.warnings),
        comparisons=comparisons,
        partial=bool(made.unreadable),
    )


def check_destination(source: str | Path, destination: Path, options: SceneOptions) -> None:
    """Refuse a place for the output that cannot be used, or is in use; see :func:`restore_scene`."""
    suffix = destination.suffix.lower()
    if suffix not in _TIFF_SUFFIXES | {".zarr"}:
        raise OptionError(
            ErrorCode.OPTION,
            "a scene is written as GeoTIFF or Zarr",
            where=destination,
            remedy="Let the name of the output end in .tif or .zarr",
        )
    for original in locate(source).protected:
        check_apart(original, destination)
        if options.stac:
            check_apart(original, item_path(destination))
    check_absent(destination, overwrite=options.overwrite or options.resume)
    if options.stac:
        check_item(destination, overwrite=options.overwrite, resume=options.resume)
    check_unfinished(destination, resume=options.resume, overwrite=options.overwrite)


def sample_for_context(
    scene: Scene, reader: SceneReader, choice: BandChoice, options: SceneOptions, progress: ProgressCallback
) -> SceneSample:
    """Read the windows of a scene from which scaling, level and context are computed."""
    return sample_scene(
        reader,
        choice.numbers,
        scene.grid.shape,
        largest=SAMPLED_WHOLE // options.scale,
        told=lambda done, total: progress(Progress("sampling", done, total, "windows")),
    )


def make_plan(scene: Scene, choice: BandChoice, sample: SceneSample, options: SceneOptions, restorer: Restorer) -> Plan:
    """Decide what will be done to a scene."""
    target, written = plan_target(scene, choice, options)
    if options.on_error != "fail" and target.nodata is None and target.alpha is None:
        target = replace(target, has_mask=True)  # or nothing could say which pixels were not readable
    tile = min(round_up(options.tile, restorer.grid), LARGEST_SHARD)
    overlap = round_up(options.halo, restorer.grid)
    one_by_one = restorer.device.type == "cpu" or options.context == "local"
    return Plan(
        source=scene,
        target=target,
        restored=choice.numbers,
        written=written,
        profile=scene_profile(options.scaling, scene.dtype, sample.values),
        level=sample.level,
        factor=options.scale,
        strength=options.strength,
        tile=tile,
        halo=max(overlap, LOCAL_REACH) if options.context == "local" else overlap,
        # A processor is busy with one tile; a device takes several as a batch.
        portion=tile if one_by_one else LARGEST_SHARD,
        context=_context_mode(options, restorer),
        overlap=overlap,
        product=options.product,
        grid=restorer.grid,
    )


def _context_mode(options: SceneOptions, restorer: Restorer) -> ResolvedContext:
    if options.context == "auto":
        return "field" if restorer.takes_fields else "scene"
    if options.context == "field" and not restorer.takes_fields:
        raise OptionError(
            ErrorCode.OPTION,
            "a field of contexts is not for an ONNX file, which has one context for all pixels",
            where="context",
            remedy="Use --context scene, or leave it out",
        )
    return options.context


def scene_context(plan: Plan, sample: SceneSample, restorer: Restorer, progress: ProgressCallback) -> Context | None:
    """Compute the context, or field of contexts, that all tiles share; a scene without any data has none."""
    if sample.is_empty:
        return None
    progress(Progress("computing context", 0, 1, "samples"))
    context = plan_context(plan, context_images(sample, plan.profile, plan.factor), restorer)
    progress(Progress("computing context", 1, 1, "samples"))
    return context


def _format_warnings(plan: Plan, destination: Path) -> tuple[str, ...]:
    """Name what the output cannot hold."""
    from datprl_toolkit.remote_sensing.cog import domains_left_out

    warnings = []
    of_bands = dict.fromkeys(domain for band in plan.target.bands for domain in band.other_domains)
    if of_bands:
        warnings.append(f"W_METADATA: metadata domains of single bands are not kept: {', '.join(of_bands)}")
    lost = () if destination.suffix.lower() == ".zarr" else domains_left_out(plan.target)
    if lost:
        named = ", ".join(lost)
        warnings.append(f"W_METADATA: a COG cannot keep these metadata domains beside those of its bands: {named}")
    return tuple(warnings)


def _summary(plan: Plan, choice: BandChoice) -> str:
    grid = plan.target.grid
    bands = ", ".join(map(str, plan.restored))
    count = len(plan.source.bands)
    which = f"band{'s' if len(plan.restored) > 1 else ''} {bands} of {count} ({choice.reason})"
    enlarged = f" x{plan.factor}" if plan.factor > 1 else ""
    done = "restored" if plan.product == "restored" else "of deviation over four flips"
    return f"{grid.width} x {grid.height} pixels {done}{enlarged}, {which}, {describe_scaling(plan.profile)}"


def _warnings(plan: Plan, choice: BandChoice, sample: SceneSample) -> tuple[str, ...]:
    warnings = [] if choice.warning is None else [choice.warning]
    nodata = plan.source.nodata
    if sample.is_empty:
        warnings.append("W_NO_DATA: no pixel of the scene is valid data; it was copied")
    if nodata is not None and as_stored(nodata, plan.source.dtype) is None:
        warnings.append(
            f"W_NODATA: the scene's nodata value {nodata:g} is none that {plan.source.dtype} pixels can have; "
            "it was left out"
        )
    if plan.factor > 1 and "GEOLOCATION" in plan.source.tags:
        warnings.append("W_GEOLOCATION: geolocation arrays do not fit the enlarged grid and were left out")
    return tuple(warnings)
