"""What a raster is, how it would be restored, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.remote_sensing.bands import choose_bands
from datprl_toolkit.remote_sensing.context import SAMPLED_WHOLE
from datprl_toolkit.remote_sensing.context_field import scene_lattice
from datprl_toolkit.remote_sensing.inspection_facts import (
    Layout,
    dataset_facts,
    layout_fact,
    read_layout,
    scene_facts,
    short_name,
)
from datprl_toolkit.remote_sensing.options import SceneOptions
from datprl_toolkit.remote_sensing.plan import plan_target, shard_size
from datprl_toolkit.remote_sensing.raster_reading import open_raster
from datprl_toolkit.remote_sensing.sampling import SceneSample, sample_scene
from datprl_toolkit.remote_sensing.scaling import describe_scaling, scene_profile
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.remote_sensing.storage import as_stored, limits
from datprl_toolkit.restoring.inspection import Fact, Finding, Inspected, Inspection
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datprl_toolkit.intensity.profile import IntensityProfile
    from datprl_toolkit.remote_sensing.bands import BandChoice

DEFAULTS = SceneOptions()
CACHE_BYTES = 256 * 2**20
EMPTY_SHARE = 0.02  # of the sampled pixels at one end of the type, above which they are taken for missing data
HUGE_PIXELS = 10**9
OVERVIEW_PIXELS = 4096**2
SMALL_SIDE = 64  # pixels; the network learnt on crops of at least this size
STRIP_COST = 2.0  # times as much as is needed that may be read before it is worth a word
SQUARE_TOLERANCE = 0.01


def inspect_scene(source: str | Path, *, quick: bool = False, progress: ProgressCallback = silent) -> Inspection:
    """Describe one raster.

    Parameters
    ----------
    source
        What :meth:`datprl_toolkit.remote_sensing.scene.Scene.open` takes.
    quick
        Read headers alone. What depends on pixels is then left out: a percentile scaling, missing data that nothing
        marks, damaged blocks.
    progress
        Told after each window that was read.

    Raises
    ------
    InputError
        As :meth:`Scene.open`, unless the raster can at least be described.
    """
    root = Path(source)
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
        try:
            scene = Scene.open(source)
        except DatprlError as error:
            return Inspection(root, (_refused(root, error),))
        layout = read_layout(scene)
        try:
            choice = choose_bands(scene)
        except DatprlError as error:
            item = Inspected(
                number=1,
                kind="raster",
                title=_title(scene, layout),
                restorable=False,
                facts=(*scene_facts(scene), layout_fact(layout)),
                problems=(Finding.of_error(error, root),),
            )
            return Inspection(root, (item,))
        return Inspection(root, (_inspect(_Look(root, scene, layout, choice), quick, progress),))


@dataclass(frozen=True, slots=True)
class _Look:
    """A scene that can be restored."""

    root: Path
    scene: Scene
    layout: Layout
    choice: BandChoice


def _refused(root: Path, error: DatprlError) -> Inspected:
    """Describe what GDAL opens although it cannot be restored; what it does not open is an error."""
    if error.code is not ErrorCode.UNSUPPORTED or not root.is_file():
        raise error
    with open_raster(root) as dataset:
        facts = dataset_facts(dataset)
        title = f"{short_name(dataset.driver)}, {dataset.width} x {dataset.height} pixels, {dataset.count} bands"
    return Inspected(1, "raster", title, restorable=False, facts=facts, problems=(Finding.of_error(error, root),))


def _title(scene: Scene, layout: Layout) -> str:
    count = len(scene.bands)
    bands = f"{count} band{'s' if count > 1 else ''} of {scene.dtype}"
    return f"{layout.format}, {scene.grid.width} x {scene.grid.height} pixels, {bands}"


def _inspect(look: _Look, quick: bool, progress: ProgressCallback) -> Inspected:
    scene, problems = look.scene, _structure(look)
    sample: SceneSample | None = None
    if not quick:
        try:
            sample = _sample(look, progress)
        except DatprlError as error:
            problems.append(Finding.of_error(error, look.root))
    broken = any(finding.severity == "error" for finding in problems)
    profile = None if sample is None and scene.dtype != np.uint8 else _profile(scene, sample)
    if sample is not None:
        found = _values(scene, sample)
        if any(finding.code == "W_UNMARKED_NODATA" for finding in found):
            problems = [finding for finding in problems if finding.code != "W_NO_NODATA"]
        problems.extend(found)
    if scene.dtype != np.uint8:
        problems.append(_scaling_guess(scene, profile))
    return Inspected(
        number=1,
        kind="raster",
        title=_title(scene, look.layout),
        restorable=not broken,
        facts=(*scene_facts(scene), layout_fact(look.layout)),
        treatment=_treatment(look, profile, sample),
        problems=tuple(sorted(problems, key=lambda finding: finding.severity != "error")),
    )


def _sample(look: _Look, progress: ProgressCallback) -> SceneSample:
    """Read the windows from which a restoration takes its scaling and context."""
    with look.scene.reader() as reader:
        return sample_scene(
            reader,
            look.choice.numbers,
            look.scene.grid.shape,
            largest=SAMPLED_WHOLE,
            told=lambda done, total: progress(Progress("sampling", done, total, "windows")),
        )


def _profile(scene: Scene, sample: SceneSample | None) -> IntensityProfile:
    return scene_profile(None, scene.dtype, lambda: np.empty(0) if sample is None else sample.values())


def _structure(look: _Look) -> list[Finding]:
    """Return what the header alone shows to be unusual."""
    found = [*_placement(look.scene), *_marking(look.scene), *_storage(look)]
    if look.choice.warning is not None:
        found.append(Finding.of_line(look.choice.warning))
    return found


def _placement(scene: Scene) -> Iterator[Finding]:
    """Return what is unusual about where the pixels lie."""
    grid = scene.grid
    width, height = _pixel_sides(scene)
    if grid.transform is None and not grid.control_points and grid.rpcs is None:
        text = "neither a transform nor control points nor RPCs say where the scene lies; nor will the result"
        yield Finding("W_NO_GEOREFERENCE", text)
    elif grid.crs is None and grid.control_crs is None and grid.rpcs is None:
        text = "no coordinate reference system: the numbers of the transform have no place on Earth; they are kept"
        yield Finding("W_NO_CRS", text)
    if grid.is_rotated:
        text = "rows and columns do not run along the axes of the map; the transform is kept as it is"
        yield Finding("W_ROTATED", text)
    if abs(width - height) > SQUARE_TOLERANCE * max(width, height):
        text = f"pixels are not square ({width:g} x {height:g}); they are restored as they are"
        yield Finding("W_PIXEL_SHAPE", text)
    if min(grid.shape) < SMALL_SIDE:
        text = f"a side of {min(grid.shape)} pixels is less than the {SMALL_SIDE} that the network saw in training"
        yield Finding("W_SMALL", text)


def _marking(scene: Scene) -> Iterator[Finding]:
    """Return what is unusual about how missing data are marked."""
    if scene.nodata is not None and as_stored(scene.nodata, scene.dtype) is None:
        text = f"the nodata value {scene.nodata} is none that {scene.dtype} pixels can have; it is left out"
        yield Finding("W_NODATA", text)
    if scene.nodata is None and not scene.has_mask and scene.alpha is None and scene.dtype.kind != "f":
        text = (
            "nothing says which pixels are no data: neither a nodata value nor a mask nor alpha; every pixel is "
            "restored. Give the value with --nodata if there is one"
        )
        yield Finding("W_NO_NODATA", text)


def _storage(look: _Look) -> Iterator[Finding]:
    """Return what is unusual about how the pixels lie in the file."""
    layout, pixels = look.layout, look.scene.grid.height * look.scene.grid.width
    if layout.strip_cost > STRIP_COST:
        text = (
            f"stored in blocks of {layout.block[1]} x {layout.block[0]} pixels, so that every piece reads about "
            f"{layout.strip_cost:.0f} times what it needs. Write it in tiles first: gdal_translate -of COG IN OUT"
        )
        yield Finding("W_STRIPED", text)
    if layout.lossy:
        yield Finding("W_LOSSY", f"the source was compressed with loss ({layout.compression})")
    if pixels > HUGE_PIXELS:
        text = f"{pixels:.2e} pixels: memory does not grow with them, but time and disk do"
        yield Finding("W_HUGE", text)
    if pixels > OVERVIEW_PIXELS and not layout.overviews and not layout.format.startswith("Zarr"):
        yield Finding("W_NO_OVERVIEWS", "without overviews it is slow to look at; the result gets them")


def _pixel_sides(scene: Scene) -> tuple[float, float]:
    """Return width and height of a pixel in the unit of the map; 1 and 1 without a transform."""
    transform = scene.grid.transform
    if transform is None:
        return 1.0, 1.0
    a, b, _, d, e, _ = transform[:6]
    return float(np.hypot(a, d)), float(np.hypot(b, e))


def _values(scene: Scene, sample: SceneSample) -> list[Finding]:
    """Return what the sampled pixels show."""
    if sample.is_empty:
        return [Finding("W_NO_DATA", "no pixel of the scene is valid data; it would be copied")]
    if scene.nodata is not None or scene.has_mask or scene.alpha is not None or scene.dtype.kind == "f":
        return []
    found = []
    for end in (0, *(value for value in limits(scene.dtype) if value != 0)):
        share = float(np.mean([np.mean((part.values == end).all(axis=0)) for part in sample.pixels]))
        if share > EMPTY_SHARE:
            found.append(
                Finding(
                    "W_UNMARKED_NODATA",
                    f"{share:.0%} of the sampled pixels are {end:g} in every restored band, which nothing marks as no "
                    f"data. If they are no data, give --nodata {end:g}",
                )
            )
    return found


def _scaling_guess(scene: Scene, profile: IntensityProfile | None) -> Finding:
    window = "" if profile is None else f", here {profile.low:g} to {profile.high:g}"
    reflectance = ""
    if scene.dtype == np.uint16:
        reflectance = "; for Sentinel-2 reflectance give --scaling reflectance:10000 or reflectance:10000,offset:-1000"
    return Finding(
        "W_SCALING_GUESSED",
        f"nothing says what the {scene.dtype} values mean: the window is taken from percentiles of a sample{window}"
        f"{reflectance}",
    )


def _counted(count: int, what: str) -> str:
    """Return a number and what it counts."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _treatment(look: _Look, profile: IntensityProfile | None, sample: SceneSample | None) -> tuple[Fact, ...]:
    scene = look.scene
    target, written = plan_target(scene, look.choice, DEFAULTS)
    numbers = ", ".join(map(str, look.choice.numbers))
    others = len(written) - len(look.choice.numbers)
    copied = f"; {others} other{' is' if others == 1 else 's are'} copied" if others else ""
    size, step = shard_size(target), DEFAULTS.tile
    shards = _tiles(scene.grid.shape, size)
    seen = step + 2 * DEFAULTS.halo
    tiles = _tiles(scene.grid.shape, step)
    data = scene.grid.height * scene.grid.width * len(written) * scene.dtype.itemsize
    windows = 0 if sample is None else len(sample.windows)
    nodes = len(scene_lattice(target.grid.shape).nodes)
    shared = "one for the whole scene" if nodes == 1 else f"one at each of {nodes} places, interpolated in between"
    context = f"{shared}, from {_counted(windows, 'sampled window')}" if windows else shared
    return (
        Fact("bands", "bands", f"{numbers} restored ({look.choice.reason}){copied}", list(look.choice.numbers)),
        _scaling_fact(profile),
        Fact("nodata", "no data", _nodata_text(scene), _nodata_value(scene)),
        Fact("context_windows", "context", context, windows or None),
        Fact(
            "tiles",
            "tiles",
            f"{tiles} of {step} x {step} pixels, each seen with {DEFAULTS.halo} pixels around it "
            f"({(seen / step) ** 2:.2f} times the pixels), "
            f"in {_counted(shards, 'piece')} of up to {size} x {size} written at once",
            {"tiles": tiles, "tile": step, "halo": DEFAULTS.halo, "shards": shards, "shard": size},
        ),
        Fact(
            "output",
            "output",
            f"a cloud-optimised GeoTIFF (.tif) or Zarr (.zarr) on the same grid, {_bytes(data)} before compression",
            {"bands": len(written), "dtype": str(scene.dtype), "bytes": data},
        ),
    )


def _scaling_fact(profile: IntensityProfile | None) -> Fact:
    if profile is None:
        return Fact("scaling", "scaling", "percentiles of a sample, which was not read", None)
    return Fact(
        "scaling",
        "scaling",
        f"{describe_scaling(profile)}; values outside stay identical",
        {"name": profile.name, "low": profile.low, "high": profile.high},
    )


def _nodata_text(scene: Scene) -> str:
    kinds = []
    if scene.nodata is not None and as_stored(scene.nodata, scene.dtype) is not None:
        kinds.append(f"the value {scene.nodata:g}")
    if scene.has_mask:
        kinds.append("where the mask is 0")
    if scene.alpha is not None:
        kinds.append(f"where band {scene.alpha} (alpha) is 0")
    if scene.dtype.kind == "f":
        kinds.append("NaN and infinity")
    return f"{', '.join(kinds)}: filled for the network, identical afterwards" if kinds else "none"


def _nodata_value(scene: Scene) -> dict[str, float | str | bool | int | None]:
    value = scene.nodata
    # JSON has no NaN.
    written = str(value) if value is not None and not np.isfinite(value) else value
    return {"value": written, "mask": scene.has_mask, "alpha": scene.alpha}


def _tiles(shape: tuple[int, int], side: int) -> int:
    return -(-shape[0] // side) * -(-shape[1] // side)


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"
