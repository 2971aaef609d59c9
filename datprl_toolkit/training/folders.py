"""Training on folders of images as they are: the section ``folders:`` of a configuration.

Each entry is one of

    {dataset: rain100l, path: DATA/Rain100L}                                   a published set
    {name: mine, task: dehazing, degraded: FOLDER, clean: FOLDER}              two folders of pairs
    {name: mine, task: natural_super_resolution, clean: FOLDER}                clean images and a simulator

with, where wanted, ``match``, ``validation`` (number of images) and ``simulate``. Nothing is copied or converted:
images are read from their files while training runs.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from datprl_toolkit.datasets import read_size
from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.training import preparation as prepare
from datprl_toolkit.training.adapters import DATASETS, Found, PlacePair, Simulation, find_dataset, find_pairs
from datprl_toolkit.training.crops import PairMaker, SimulatedRain, SimulatedShake
from datprl_toolkit.training.file_images import (
    Colour,
    FileImages,
    FilePairs,
    ImageCache,
    SimulatedKSpace,
    SimulatedLowResolution,
    check_sizes,
    with_colour,
)
from datprl_toolkit.training.prepared import PreparedData, Source, ValidationSet
from datprl_toolkit.training.tasks import TASKS
from datprl_toolkit.training.weather_crops import SimulatedClouds, SimulatedHaze

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

KEYS = ("dataset", "path", "name", "task", "degraded", "clean", "match", "validation", "simulate")
DEFAULT_VALIDATION = 10
SIMULATED_SIZE = 256
"""Largest side of the crops on which simulated degradations are validated."""
SEED = 42
SIMULATIONS: dict[str, Simulation] = {
    "natural_super_resolution": "super_resolution",
    "natural_deraining": "rain",
    "natural_deblurring": "shake",
    "mri_super_resolution": "k_space",
    "remote_sensing_super_resolution": "super_resolution",
    "cloud_removal": "clouds",
    "dehazing": "haze",
}
"""How clean images are degraded for each task, unless an entry says otherwise."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the section, checked.

    Parameters
    ----------
    name
        Of the source; unique.
    task
        What it trains.
    found
        Its images.
    held
        Those of its test images that the run validates on.
    simulation
        How the degraded images are made; None for pairs.
    published
        Numbers of images in the paper, for a published set.
    """

    name: str
    task: str
    found: Found
    held: tuple[PlacePair, ...]
    simulation: Simulation | None
    published: tuple[int, int] | None = None

    def describe(self) -> str:
        """Return one line: counts, layout, and the published counts beside them."""
        counts = f"{len(self.found.train)} training and {len(self.found.test)} test images"
        made = f"degraded by {self.simulation}" if self.simulation else "in pairs"
        line = f"{self.name}: {counts} {made}, {len(self.held)} for validation ({self.found.layout})"
        if self.published is not None and self.published != (len(self.found.train), len(self.found.test)):
            line += f"; the paper has {self.published[0]} and {self.published[1]}"
        return line


def load_folders(entries: object, base: Path, *, cache_bytes: int | None = None) -> PreparedData:
    """Return the data of the section ``folders:``.

    Parameters
    ----------
    entries
        The section, plain values.
    base
        Folder to which relative paths belong.
    cache_bytes
        Memory for decoded images; None for 2 GiB.

    Returns
    -------
    Data in which training images are read from their files when a batch asks for them. The manifest names the task
    and the kind of each source, and has a fingerprint of the names and sizes of the files.

    Raises
    ------
    DatprlError
        One line for an entry that does not fit, or images that are not there or cannot be paired.
    """
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise OptionError(ErrorCode.OPTION, "folders must be a list of entries", where="folders")
    checked = [read_entry(entry, base, number) for number, entry in enumerate(entries, start=1)]
    names = [entry.name for entry in checked]
    if len({*names}) < len(names):
        raise OptionError(ErrorCode.OPTION, "two entries have the same name", where="folders", remedy="Name them apart")
    cache = ImageCache() if cache_bytes is None else ImageCache(cache_bytes)
    sources: dict[str, Source] = {}
    held: dict[str, list[ValidationSet]] = defaultdict(list)
    manifest: dict[str, dict[str, Any]] = {"folders": {}, "sources": {}, "validation": {}}
    for entry in checked:
        _check_pair_sizes(entry)
        sources[entry.name] = _source(entry, cache)
        manifest["folders"][entry.name] = {"task": entry.task, "simulate": entry.simulation}
        manifest["sources"][entry.name] = {"sha256": _fingerprint(entry.found.train), "count": len(entry.found.train)}
        if entry.held:
            held[entry.task].append(_validation(entry, cache))
            tested = {"sha256": _fingerprint(entry.held), "count": len(entry.held)}
            # Named apart from the source of the same entry, which the fingerprint holds too.
            manifest["validation"][f"validation/{entry.name}"] = tested
    validation = {task: _merged(task, sets) for task, sets in held.items()}
    return PreparedData(sources, validation, manifest)


def describe_folders(data: PreparedData) -> list[str]:
    """Return a line for each source: what was found, for the plan of a run."""
    return [source.note for name, source in data.sources.items() if name in data.manifest.get("folders", {})]


def folder_tasks(data: PreparedData) -> tuple[str, ...]:
    """Return the tasks that the folders train, in the order of the tasks."""
    wanted = {each["task"] for each in data.manifest.get("folders", {}).values()}
    return tuple(task for task in TASKS if task in wanted)


def folder_makers(data: PreparedData) -> dict[str, list[tuple[float, PairMaker]]]:
    """Return what makes pairs for each task; several sources of one task are drawn equally often."""
    makers: dict[str, list[tuple[float, PairMaker]]] = defaultdict(list)
    for name, what in data.manifest.get("folders", {}).items():
        makers[what["task"]].append((1.0, _maker(data.sources[name], what["simulate"])))
    return dict(makers)


def read_entry(entry: object, base: Path, number: int) -> Entry:
    """Check one entry and find its images.

    Raises
    ------
    DatprlError
        As :func:`load_folders`.
    """
    where = f"folders, entry {number}"
    if not isinstance(entry, Mapping):
        raise OptionError(ErrorCode.OPTION, "an entry holds names with values", where=where)
    unknown = sorted(str(key) for key in entry if key not in KEYS)
    if unknown:
        raise OptionError(
            ErrorCode.OPTION, f"unknown: {', '.join(unknown)}", where=where, remedy=f"Known are {', '.join(KEYS)}"
        )
    for key in KEYS:
        if key in entry and not isinstance(entry[key], int if key == "validation" else str):
            raise OptionError(ErrorCode.OPTION, f"'{key}' has a value of the wrong kind", where=where)
    if entry.get("validation", 0) < 0:
        raise OptionError(ErrorCode.OPTION, "the number of images for validation is 0 or more", where=where)
    return _read_dataset(entry, base, where) if "dataset" in entry else _read_pairs(entry, base, where)


def _read_dataset(entry: Mapping[str, Any], base: Path, where: str) -> Entry:
    wrong = [key for key in ("task", "degraded", "clean", "match", "simulate") if key in entry]
    if wrong or "path" not in entry:
        what = f"leave out {', '.join(wrong)}" if wrong else "say where it is with path"
        raise OptionError(ErrorCode.OPTION, f"a published data set is known by its name; {what}", where=where)
    name = entry["dataset"]
    found = find_dataset(name, base / entry["path"])
    dataset = DATASETS[name]
    held = _spaced(found.test, int(entry.get("validation", DEFAULT_VALIDATION)))
    simulation = dataset.simulate if found.train[0].degraded is None else None
    return Entry(entry.get("name", name), dataset.task, found, held, simulation, dataset.published)


def _read_pairs(entry: Mapping[str, Any], base: Path, where: str) -> Entry:
    missing = [key for key in ("task", "clean") if key not in entry]
    if missing or "path" in entry:
        remedy = "Give name, task, clean and degraded, or dataset and path"
        what = f"{' and '.join(missing)} missing" if missing else "path belongs to a published data set"
        raise OptionError(ErrorCode.OPTION, what, where=where, remedy=remedy)
    task = entry["task"]
    if task not in TASKS:
        raise OptionError(
            ErrorCode.OPTION, f"there is no task '{task}'", where=where, remedy=f"The tasks are {', '.join(TASKS)}"
        )
    degraded = base / entry["degraded"] if "degraded" in entry else None
    simulation = None if degraded else _simulation(entry, task, where)
    if degraded and "simulate" in entry:
        raise OptionError(ErrorCode.OPTION, "pairs are not simulated; leave out degraded or simulate", where=where)
    held = int(entry.get("validation", DEFAULT_VALIDATION))
    found = find_pairs(base / entry["clean"], degraded, match=entry.get("match"), held_out=held)
    return Entry(entry.get("name", task), task, found, found.test, simulation)


def _simulation(entry: Mapping[str, Any], task: str, where: str) -> Simulation:
    known = get_args(Simulation)
    chosen = entry.get("simulate", SIMULATIONS.get(task))
    if chosen not in known:
        what = f"there is no simulation '{chosen}'" if chosen else f"{task} has no simulation from pictures"
        raise OptionError(
            ErrorCode.OPTION, what, where=where, remedy=f"Give degraded images, or one of {', '.join(known)}"
        )
    simulation: Simulation = chosen
    return simulation


def _check_pair_sizes(entry: Entry) -> None:
    """Compare the sizes of all pairs of pictures by their headers, before anything is trained."""
    for pair in (*entry.found.train, *entry.held):
        if pair.degraded is None:
            continue
        sizes = read_size(pair.clean.path), read_size(pair.degraded.path)
        if sizes[0] is not None and sizes[1] is not None:
            check_sizes(sizes[0], sizes[1], f"{entry.name}: {pair.name}")


def _source(entry: Entry, cache: ImageCache) -> Source:
    pairs = entry.found.train
    if not pairs:
        raise InputError(ErrorCode.EMPTY, "no image is left to train on", where=entry.name)
    fields: dict[str, Sequence[npt.NDArray[Any]]] = {
        "clean": FileImages([pair.clean for pair in pairs], cache, _colour(entry))
    }
    degraded = [pair.degraded for pair in pairs if pair.degraded is not None]
    if degraded:
        fields["degraded"] = FileImages(degraded, cache)
    return Source(entry.name, fields, entry.describe())


def _maker(source: Source, simulation: Simulation | None) -> PairMaker:
    """Return what makes pairs from a source. Layers, kernels and fields of the simulators follow from a fixed seed."""
    makers: dict[Simulation | None, Callable[[], PairMaker]] = {
        None: lambda: FilePairs(source),
        "super_resolution": lambda: SimulatedLowResolution(source),
        "k_space": lambda: SimulatedKSpace(source),
        "rain": lambda: SimulatedRain(source, _rain_layers()["layer"]),
        "shake": lambda: SimulatedShake(source, _shake_kernels()["kernel"]),
        "clouds": lambda: SimulatedClouds(source, _sky(), visible=1.0),
        "haze": lambda: SimulatedHaze(source, _sky()),
    }
    return makers[simulation]()


@lru_cache(maxsize=1)
def _rain_layers() -> Source:
    return prepare.rain_source(60, (320, 480), SEED)


@lru_cache(maxsize=1)
def _shake_kernels() -> Source:
    return prepare.shake_source(200, SEED)


@lru_cache(maxsize=1)
def _sky() -> Source:
    return prepare.sky_source(40, (320, 320), SEED)


def _validation(entry: Entry, cache: ImageCache) -> ValidationSet:
    """Read the held-out images, or degrade them with seeds that training does not use."""
    names, inputs, targets = [], [], []
    simulated = None if entry.simulation is None else _maker(_held_source(entry, cache), entry.simulation)
    for index, pair in enumerate(entry.held):
        if simulated is None:
            clean, degraded = _read_pair(pair, cache, entry.name)
        else:
            clean_image = cache.read(pair.clean, "rgb")
            size = min(SIMULATED_SIZE, *clean_image.shape[:2]) // 4 * 4
            made = simulated.make(index, size, np.random.default_rng([SEED, 13, index]))
            clean, degraded = made.clean, made.degraded
        names.append(f"{entry.name}/{pair.name}")
        inputs.append(degraded)
        targets.append(clean)
    return ValidationSet(entry.task, tuple(names), tuple(inputs), tuple(targets))


def _held_source(entry: Entry, cache: ImageCache) -> Source:
    return Source(entry.name, {"clean": FileImages([pair.clean for pair in entry.held], cache, _colour(entry))})


def _colour(entry: Entry) -> Colour:
    """Return the channels that the maker of an entry's pairs needs."""
    if entry.simulation is None:
        return "as stored"
    return "grey" if entry.simulation == "k_space" else "rgb"


def _read_pair(
    pair: PlacePair, cache: ImageCache, name: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    assert pair.degraded is not None
    clean, degraded = cache.read(pair.clean, "as stored"), cache.read(pair.degraded, "as stored")
    check_sizes(clean.shape, degraded.shape, f"{name}: {pair.name}")
    colour: Colour = "rgb" if 3 in (clean.ndim, degraded.ndim) else "as stored"
    first, second = (prepare.from_integers(with_colour(image, colour)) for image in (clean, degraded))
    return first, second


def _merged(task: str, sets: Sequence[ValidationSet]) -> ValidationSet:
    """Put the validation images of several sources of one task together."""
    return ValidationSet(
        task,
        tuple(name for each in sets for name in each.names),
        tuple(image for each in sets for image in each.inputs),
        tuple(image for each in sets for image in each.targets),
    )


def _spaced(pairs: Sequence[PlacePair], count: int) -> tuple[PlacePair, ...]:
    """Return `count` pairs, evenly spaced; all if there are no more."""
    if count >= len(pairs):
        return tuple(pairs)
    return tuple(pairs[(2 * i + 1) * len(pairs) // (2 * count)] for i in range(count))


def _fingerprint(pairs: Sequence[PlacePair]) -> str:
    """Return a SHA-256 over names and sizes of the files; reading all of them would take too long."""
    digest = hashlib.sha256()
    for pair in pairs:
        places = (pair.clean,) if pair.degraded is None else (pair.clean, pair.degraded)
        sizes = " ".join(str(place.path.stat().st_size) for place in places)
        digest.update(f"{pair.name} {sizes}\n".encode())
    return digest.hexdigest()
