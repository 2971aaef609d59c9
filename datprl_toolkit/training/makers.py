"""What makes the training pairs of each task from prepared data, and in which shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.training import crops
from datprl_toolkit.training import weather_crops as weather
from datprl_toolkit.training.ground import GroundChanges
from datprl_toolkit.training.prepared import Source
from datprl_toolkit.training.tasks import NOISY
from datprl_toolkit.training.variants import PET_PHANTOMS, THICK_SLICES, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datprl_toolkit.training.crops import PairMaker
    from datprl_toolkit.training.prepared import PreparedData

    Grounds = list[tuple[float, Source]]
    Makers = list[tuple[float, PairMaker]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variety:
    """How far training pairs are varied beyond what was measured or prepared: settings of a run.

    Parameters
    ----------
    varied_haze
        Share of the crops in haze or under clouds that are varied: less of what was measured, and brighter ground
        under simulated haze.
    bright_ground
        Share of the crops in measured haze whose ground is made bright, the haze left as it is.
    dense_clouds
        Share of the crops under simulated clouds that are under dense ones, which are to be left as they are.
    faint_noise
        Share of the crops of ``ct_denoising`` or ``pet_synthesis`` that keep only a part of their noise.
    other_ground
        Share of the crops under simulated clouds, haze and rain that lie over photos or over smaller photos, and of
        those under clouds and haze that have other colours.
    measured_weather
        Share of the crops in haze or under clouds whose haze or clouds were measured and not simulated.
    thick_slices
        Share of the CT crops that are the mean of several slices.
    visible_clouds
        Share of the crops under simulated clouds that have clouds over a tenth to a half of what they would hide.
    white_ground
        Share of the crops in simulated haze or under simulated clouds that have white ground.
    even_haze
        Share of the crops in simulated haze over RICE1 and RICE2 whose haze is even and grey.
    phantoms
        Share of the PET crops that are of simulated uptake in the anatomy of CT and MR slices.
    alternating_noise
        Share of the PET crops with added noise of a period of two pixels, of which a scan has little.
    sparse_clouds
        Share of the crops under simulated clouds that have few: a mean opacity of 0.01 to 0.1.
    snow
        Share of the crops in simulated haze or under simulated clouds that have snow on their bright ground.
    wide_skies
        Share of the crops in simulated haze or under simulated clouds whose haze and clouds vary as over a whole scene.
    deserts
        Share of the crops in simulated haze or under simulated clouds whose ground is like that of a desert.
    dark_deserts
        Share of these deserts that are dark: under haze as light as over other ground.
    thick_haze
        Share of the crops in simulated haze whose optical depth is 1 to 2 on the mean.
    plain_ground
        Share of the crops in simulated haze or under simulated clouds whose ground is of one colour, such as water.
    untouched_haze, untouched_clouds
        Share of the crops in simulated haze, and under simulated clouds, whose ground is left as it is: as of the
        scene, and not a desert or snow.
    rice2_ground
        Share of the crops under simulated clouds that lie over the clear images of RICE2.
    other_seasons
        Share that is kept of the measured pairs under clouds whose two images are of two seasons.
    """

    varied_haze: float = 0.0
    bright_ground: float = 0.0
    dense_clouds: float = 0.0
    faint_noise: Mapping[str, float] = field(default_factory=dict)
    other_ground: float = 0.0
    measured_weather: float = 0.5
    thick_slices: float = 0.0
    visible_clouds: float = 0.0
    white_ground: float = 0.0
    even_haze: float = 0.0
    phantoms: float = 0.0
    alternating_noise: float = 0.0
    sparse_clouds: float = 0.0
    snow: float = 0.0
    wide_skies: float = 0.0
    deserts: float = 0.0
    dark_deserts: float = 0.0
    thick_haze: float = 0.0
    plain_ground: float = 0.0
    untouched_haze: float = 0.0
    untouched_clouds: float = 0.0
    rice2_ground: float = 0.0
    other_seasons: float = 1.0


PLAIN = Variety()


def task_makers(data: PreparedData, tasks: Sequence[str], variety: Variety = PLAIN) -> dict[str, Makers]:
    """Return what makes pairs for each of `tasks` from prepared data, each with its share.

    Raises
    ------
    InputError
        ``E_EMPTY`` if the prepared data lack what a task needs.
    """
    if "folders" in data.manifest:
        from datprl_toolkit.training.folders import folder_makers

        known = folder_makers(data)
    else:
        known = _all_makers(data.sources, variety)
    missing = [task for task in tasks if not any(len(maker) for _, maker in known.get(task, []))]
    if missing:
        raise InputError(
            ErrorCode.EMPTY,
            f"the prepared data have nothing for {', '.join(missing)}",
            remedy="Prepare them again with those images, or train other tasks",
        )
    return {task: known[task] for task in tasks}


def _all_makers(sources: Mapping[str, Source], variety: Variety) -> dict[str, Makers]:
    """Weights: real pairs often enough to be learnt, simulated ones often enough not to be learnt by heart."""
    empty = Source("", {"clean": [], "layer": [], "kernel": [], "opacity": [], "depth": []})

    def get(name: str) -> Source:
        return sources.get(name, empty)

    photos, smaller = get("photos"), get(VARIANTS["photos"])
    faint_ct, faint_pet = (variety.faint_noise.get(task, 0.0) for task in NOISY)
    other, thick, phantoms = variety.other_ground, variety.thick_slices, variety.phantoms
    pet = partial(crops.PetCounts, faint=faint_pet, alternating=variety.alternating_noise)
    return {
        "natural_super_resolution": [(0.65, crops.StoredPairs(photos)), (0.35, crops.StoredPairs(smaller))],
        "natural_deraining": [
            (0.4, crops.StoredPairs(get("rain"))),
            *_rain(photos, 1 - other, get("rain_layers_real"), get("rain_layers_simulated")),
            *_rain(smaller, other, get("rain_layers_real"), get("rain_layers_simulated")),
        ],
        "natural_deblurring": [
            (0.08, crops.StoredPairs(get("shake_pairs"))),
            (0.62, crops.SimulatedShake(photos, get("shake_kernels")["kernel"])),
            (0.3, crops.SimulatedShake(smaller, get("shake_kernels")["kernel"])),
        ],
        "mri_super_resolution": [
            (0.4, crops.StoredPairs(get("mri"), floor=0.03 * 65535)),
            (0.6, crops.StoredPairs(get(VARIANTS["mri"]), floor=0.03 * 65535)),
        ],
        "ct_denoising": [
            (0.65 * (1 - thick), crops.CtNoise(get("ct"), faint=faint_ct)),
            (0.35 * (1 - thick), crops.CtNoise(get(VARIANTS["ct"]), faint=faint_ct)),
            *([(thick, crops.CtNoise(get(THICK_SLICES), faint=faint_ct))] if thick else []),
        ],
        "pet_synthesis": [
            (0.7 * (1 - phantoms), pet(get("pet"))),
            (0.3 * (1 - phantoms), pet(get(VARIANTS["pet"]))),
            *([(phantoms, pet(get(PET_PHANTOMS)))] if phantoms else []),
        ],
        "remote_sensing_super_resolution": [
            (0.4, crops.TiledPairs(get("remote_tiles"))),
            (0.2, crops.StoredPairs(get("remote_roads"))),
            (0.15, crops.StoredPairs(get(VARIANTS["remote_roads"]))),
            (0.25, crops.StoredPairs(get("remote_scenes"))),
        ],
        **_haze_and_clouds(sources, empty, variety),
    }


def _rain(photos: Source, share: float, real: Source, simulated: Source) -> Makers:
    """Photos under rain: streaks of real pairs, and simulated ones."""
    if not share:
        return []
    return [
        (0.35 * share, crops.SimulatedRain(photos, real["layer"])),
        (0.25 * share, crops.SimulatedRain(photos, simulated["layer"])),
    ]


def _haze_and_clouds(sources: Mapping[str, Source], empty: Source, variety: Variety) -> dict[str, Makers]:
    """Return measured pairs, and those simulated over ground of several kinds."""
    sky, rice1 = (sources.get(name, empty) for name in ("sky_fields", "rice1"))
    ground, rice2 = _ground(sources, empty, variety.other_ground), _rice2(sources, empty)
    measured, simulated = variety.measured_weather, 1 - variety.measured_weather
    thinned = variety.varied_haze
    kept = (1.0, variety.other_seasons)
    measured_clouds: Makers = [
        (measured * part * share, crops.StoredPairs(source, thinned=thinned))
        for share, (part, source) in zip(kept, rice2, strict=True)
    ]
    measured_haze = crops.StoredPairs(rice1, thinned=thinned, brightened=variety.bright_ground)
    # The deserts of RICE2 are what RICE1 has too little of.
    hazy_ground, cloudy_ground = (_also_over(ground, rice2, part) for part in (0.2, variety.rice2_ground))
    return {
        "cloud_removal": [*measured_clouds, *_simulated_clouds(cloudy_ground, sky, simulated, variety)],
        "dehazing": [
            (measured, measured_haze),
            *(
                pair
                for share, source in hazy_ground
                for pair in _simulated_haze(source, sky, simulated * share, variety)
            ),
        ],
    }


def _ground(sources: Mapping[str, Source], empty: Source, other: float) -> Grounds:
    """Scenes over which haze and clouds are simulated, and photos in a share `other` of the cases."""
    shares = {"remote_roads": 0.3, "remote_scenes": 0.2, "rice1": 0.3, "remote_tiles": 0.2}
    if other:
        shares = {name: share * (1 - other) for name, share in shares.items()}
        shares |= dict.fromkeys(("photos", VARIANTS["photos"]), other / 2)
    return [(share, sources.get(name, empty)) for name, share in shares.items()]


def _rice2(sources: Mapping[str, Source], empty: Source) -> Grounds:
    """Pairs of RICE2 of one season and of two, each pair as often as any other."""
    one, two = (sources.get(name, empty) for name in ("rice2", "rice2_seasons"))
    of_two = len(two) / max(1, len(one) + len(two))
    return [(1 - of_two, one), (of_two, two)]


def _also_over(ground: Grounds, more: Grounds, part: float) -> Grounds:
    """Return ground of which a part is of other sources."""
    if not part:
        return ground
    return [((1 - part) * share, source) for share, source in ground] + [
        (part * share, source) for share, source in more
    ]


def _changes(variety: Variety, untouched: float) -> GroundChanges:
    """Return what the ground under simulated haze or clouds is changed into, but for a share `untouched`."""
    return GroundChanges(
        untouched=untouched,
        desert=variety.deserts,
        dark_desert=variety.dark_deserts,
        plain=variety.plain_ground,
        recoloured=variety.other_ground,
        whitened=variety.white_ground,
        snowy=variety.snow,
    )


def _simulated_clouds(ground: Grounds, sky: Source, share: float, variety: Variety) -> Makers:
    """Scenes under clouds, some of which are dense and stay."""
    over = partial(
        weather.SimulatedClouds,
        sky=sky,
        changes=_changes(variety, variety.untouched_clouds),
        visible=variety.visible_clouds,
        sparse=variety.sparse_clouds,
        wide=variety.wide_skies,
    )
    dense = variety.dense_clouds
    return [
        *((share * part * (1 - dense), over(source)) for part, source in ground),
        *((share * part * dense, weather.DenseClouds(source, sky)) for part, source in ground),
    ]


def _simulated_haze(source: Source, sky: Source, share: float, variety: Variety) -> Makers:
    """Scenes in haze; those of RICE1 and RICE2, which have one look, in a part of it like that of RICE1."""
    even = variety.even_haze if source.name.startswith("rice") else 0.0
    uneven = weather.SimulatedHaze(
        source,
        sky,
        changes=_changes(variety, variety.untouched_haze),
        brightened=variety.varied_haze,
        wide=variety.wide_skies,
        thick=variety.thick_haze,
    )
    if not even:
        return [(share, uneven)]
    return [(share * (1 - even), uneven), (share * even, weather.EvenHaze(source, variety.deserts))]
