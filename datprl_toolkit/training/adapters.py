"""Where the images of a data set lie: the nine published ones in the layouts in which people have them, and any pairs.

An adapter knows names of folders and files, never their content. Each data set is looked for in several layouts;
the first that holds files is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from datprl_toolkit.datasets.reading import CT_WINDOW, IMAGE_SUFFIXES, NIFTI_SUFFIXES, Place, expand_volume, suffix_of
from datprl_toolkit.errors import ErrorCode, InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Simulation = Literal["super_resolution", "k_space", "rain", "shake", "clouds", "haze"]
CLEAN_NAMES = ("target", "gt", "clean", "label", "sharp", "norain", "hq", "hr", "high", "truth", "groundtruth")
DEGRADED_NAMES = ("input", "degraded", "cloud", "cloudy", "blur", "rain", "rainy", "lq", "lr", "low", "hazy", "haze")
TEST_NAMES = ("test", "val", "valid", "validation")
STEM = r"([^/]+)\.[^/]+$"
LAST_NUMBER = r"(\d+)\D*$"
REDCNN_SLOPE, REDCNN_INTERCEPT = 4096.0, -1024.0  # [0, 1] to HU in the arrays of RED-CNN's preparation
CENTRAL_SLICES = 0.6  # of a head volume; the ends hold air and neck


@dataclass(frozen=True, slots=True)
class PlacePair:
    """One clean image and its degraded version, None where that is simulated; `name` is what they share."""

    name: str
    clean: Place
    degraded: Place | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a data set holds.

    Parameters
    ----------
    train, test
        Pairs in the order of their names.
    layout
        Which layout was found, in a few words.
    """

    train: tuple[PlacePair, ...]
    test: tuple[PlacePair, ...]
    layout: str


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which a data set lies in its folder.

    Parameters
    ----------
    name
        In a few words.
    train, test
        Globs of the clean and of the degraded files; None for those that are not there.
    key
        Regular expression; its groups in the path below the folder are what clean and degraded file share.
    held_out
        Regular expression of the keys that are the test, where the layout has no test files.
    held_out_every
        Every n-th image is the test, where no split was published; 0 for none.
    """

    name: str
    train: tuple[str, str | None]
    test: tuple[str, str | None] | None = None
    key: str = STEM
    held_out: str | None = None
    held_out_every: int = 0


@dataclass(frozen=True, slots=True)
class Dataset:
    """A published data set.

    Parameters
    ----------
    task
        What it trains.
    published
        Numbers of training and of test images in table 6 of the paper.
    layouts
        Tried in this order, and after them pairs of folders with the usual names.
    simulate
        How its degraded images are made, where it has clean ones alone.
    held_out_every
        Of the usual pairs of folders, where they have no test folder.
    """

    task: str
    published: tuple[int, int]
    layouts: tuple[Layout, ...] = ()
    simulate: Simulation | None = None
    held_out_every: int = 0


DATASETS: dict[str, Dataset] = {
    "df2k": Dataset(
        "natural_super_resolution",
        (3450, 100),
        (
            Layout(
                "DIV2K and Flickr2K",
                ("**/{DIV2K_train_HR,Flickr2K_HR,Flickr2K}/*", None),
                ("**/DIV2K_valid_HR/*", None),
            ),
            Layout("one folder DF2K_HR", ("**/DF2K_HR/*", None), ("**/DIV2K_valid_HR/*", None)),
        ),
        "super_resolution",
    ),
    "rain100l": Dataset(
        "natural_deraining",
        (200, 100),
        (
            Layout(
                "rain_data_train_Light and rain_data_test_Light",
                ("**/rain_data_train_Light/norain/**/*", "**/rain_data_train_Light/rain/**/*"),
                ("**/rain_data_test_Light/norain/**/*", "**/rain_data_test_Light/rain/**/*"),
                r"rain-(\d+)[^/]*$",
            ),
            Layout(
                "RainTrainL and Rain100L",
                ("**/RainTrainL/norain-*", "**/RainTrainL/rain-*"),
                ("**/Rain100L/norain-*", "**/Rain100L/rainy/rain-*"),
                r"rain-(\d+)[^/]*$",
            ),
        ),
    ),
    "gopro": Dataset(
        "natural_deblurring",
        (2103, 1111),
        (
            Layout(
                "train and test with sequences of blur and sharp",
                ("**/train/*/sharp/*", "**/train/*/blur/*"),
                ("**/test/*/sharp/*", "**/test/*/blur/*"),
                r"([^/]+)/(?:sharp|blur)/([^/]+)\.[^/]+$",
            ),
        ),
    ),
    "ixi": Dataset(
        "mri_super_resolution",
        (40500, 11400),
        (
            Layout("T1 volumes", ("**/IXI*-T1.nii*", None), key=r"(IXI\d+)", held_out_every=5),
            Layout("T2 volumes", ("**/IXI*-T2.nii*", None), key=r"(IXI\d+)", held_out_every=5),
        ),
        "k_space",
    ),
    "aapm_mayo": Dataset(
        "ct_denoising",
        (18351, 211),
        (
            Layout(
                "DICOM with full and quarter dose, patient L506 for the test",
                ("**/full_*/**/*", "**/quarter_*/**/*"),
                key=r"(?:full|quarter)_([^/]+)/.*(L\d{3})_[FQ]D.*\.CT\.\d+\.(\d+)\.",
                held_out=r"L506",
            ),
            Layout(
                "arrays of RED-CNN's preparation, patient L506 for the test",
                ("**/L*_target.npy", "**/L*_input.npy"),
                key=r"(L\d{3})_(\d+)_(?:target|input)",
                held_out=r"L506",
            ),
        ),
    ),
    "polarstar": Dataset("pet_synthesis", (27837, 2044)),
    "ucmerced": Dataset(
        "remote_sensing_super_resolution",
        (1800, 300),
        (
            Layout(
                "Images with a folder for each class", ("**/Images/*/*", None), key=r"([^/]+/[^/]+)$", held_out_every=7
            ),
        ),
        "super_resolution",
    ),
    "cuhk_cr1": Dataset("cloud_removal", (534, 134)),
    "rice1": Dataset("dehazing", (400, 100), held_out_every=5),
}
"""The nine sets of the paper, by the name under which a configuration asks for them."""


def find_dataset(name: str, root: Path) -> Found:
    """Find a published data set in its folder.

    Raises
    ------
    OptionError
        ``E_OPTION`` for a name that is not known.
    InputError
        ``E_MISSING`` if there is no such folder, ``E_EMPTY`` if no known layout is found in it, ``E_MISSING`` or
        ``E_AMBIGUOUS`` for images that cannot be paired.
    """
    if name not in DATASETS:
        raise OptionError(
            ErrorCode.OPTION, f"there is no data set '{name}'", remedy=f"The data sets are {', '.join(DATASETS)}"
        )
    _check_folder(root)
    dataset = DATASETS[name]
    for layout in dataset.layouts:
        train = _pairs(root, layout.train, layout.key)
        if train:
            test = _pairs(root, layout.test, layout.key) if layout.test else []
            return _split(train, test, layout)
    found = _usual_folders(root, dataset)
    if found is None:
        known = "; ".join(layout.name for layout in dataset.layouts)
        raise InputError(
            ErrorCode.EMPTY,
            f"the folder holds '{name}' in no known layout",
            where=root,
            remedy=f"Known are: {f'{known}; ' if known else ''}train and test with folders such as input and target",
        )
    return found


def find_pairs(clean: Path, degraded: Path | None, *, match: str | None = None, held_out: int = 0) -> Found:
    """Pair the images of two folders, or take one of clean images alone, and hold some out evenly.

    Parameters
    ----------
    clean, degraded
        Folders of pictures, DICOM or NIfTI files, or NumPy arrays, with their subfolders.
    match
        Regular expression whose groups are what names share; by default the path without suffix.
    held_out
        Number of images for validation, evenly spaced.

    Raises
    ------
    InputError
        As :func:`find_dataset`.
    """
    for folder in (clean, degraded):
        if folder is not None:
            _check_folder(folder)
    key = match or r"^(.*)\.[^/]+$"
    _compiled(key)
    pairs = _join(
        _keyed(clean, "**/*", key), None if degraded is None else _keyed(degraded, "**/*", key), clean, degraded
    )
    if not pairs:
        raise InputError(ErrorCode.EMPTY, f"the folder holds no image ({', '.join(IMAGE_SUFFIXES)})", where=clean)
    if held_out >= len(pairs):
        raise OptionError(
            ErrorCode.OPTION, f"{held_out} of {len(pairs)} images for validation leave none to train on", where=clean
        )
    chosen = {(2 * i + 1) * len(pairs) // (2 * held_out) for i in range(held_out)}
    test = tuple(pair for i, pair in enumerate(pairs) if i in chosen)
    return Found(tuple(pair for i, pair in enumerate(pairs) if i not in chosen), test, "pairs" if degraded else "clean")


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(ErrorCode.MISSING, "there is no such folder of images", where=folder)


def _usual_folders(root: Path, dataset: Dataset) -> Found | None:
    """Find folders with the usual names, below folders for training and test or directly."""
    for first in (root / "train", root / "Train", root):
        both = _clean_and_degraded(first)
        if both is None:
            continue
        train = _join_by_stem_or_number(*both)
        test: list[PlacePair] = []
        if first != root:
            for folder in sorted(root.iterdir()):
                other = _clean_and_degraded(folder) if folder.name.lower() in TEST_NAMES else None
                if other is not None:
                    test = _join_by_stem_or_number(*other)
                    break
        where = "train and test with" if test else "folders"
        layout = Layout(f"{where} {both[1].name} and {both[0].name}", ("", None), held_out_every=dataset.held_out_every)
        return _split(train, test, layout)
    return None


def _clean_and_degraded(folder: Path) -> tuple[Path, Path] | None:
    if not folder.is_dir():
        return None
    by_name = {child.name.lower(): child for child in sorted(folder.iterdir()) if child.is_dir()}
    clean = next((by_name[name] for name in CLEAN_NAMES if name in by_name), None)
    degraded = next((by_name[name] for name in DEGRADED_NAMES if name in by_name), None)
    return None if clean is None or degraded is None else (clean, degraded)


def _join_by_stem_or_number(clean: Path, degraded: Path) -> list[PlacePair]:
    """Pair by the path without suffix; where those differ, by the last number in the name."""
    key = r"^(.*)\.[^/]+$"
    left, right = _keyed(clean, "**/*", key), _keyed(degraded, "**/*", key)
    if left.keys() != right.keys():
        left, right = _keyed(clean, "**/*", LAST_NUMBER), _keyed(degraded, "**/*", LAST_NUMBER)
    return _join(left, right, clean, degraded)


def _pairs(root: Path, globs: tuple[str, str | None], key: str) -> list[PlacePair]:
    """Return the pairs of one layout; empty if it has no clean file here."""
    clean = _keyed(root, globs[0], key)
    if not clean:
        return []
    degraded = None if globs[1] is None else _keyed(root, globs[1], key)
    return _join(clean, degraded, root, root)


def _keyed(root: Path, pattern: str, key: str) -> dict[str, Path]:
    """Return the image files that a glob finds, by their key; braces hold alternatives."""
    regex = _compiled(key)
    found: dict[str, Path] = {}
    for path in sorted({path for glob in _alternatives(pattern) for path in root.glob(glob)}):
        relative = path.relative_to(root)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or suffix_of(path) not in IMAGE_SUFFIXES or not path.is_file():
            continue
        matched = regex.search(relative.as_posix())
        if matched is None:
            continue
        shared = "/".join(matched.groups()) if matched.groups() else matched.group(0)
        if shared in found:
            raise InputError(
                ErrorCode.AMBIGUOUS,
                f"{found[shared].relative_to(root)} and {relative} both count as '{shared}'",
                where=root,
                remedy="Remove one of them, or name the two folders and a match",
            )
        found[shared] = path
    return found


def _compiled(key: str) -> re.Pattern[str]:
    try:
        return re.compile(key)
    except re.error as error:
        raise OptionError(ErrorCode.OPTION, f"this is no regular expression: {error}", where=key) from error


def _alternatives(pattern: str) -> list[str]:
    matched = re.search(r"\{(.*?)\}", pattern)
    if matched is None:
        return [pattern]
    return [pattern[: matched.start()] + choice + pattern[matched.end() :] for choice in matched.group(1).split(",")]


def _join(clean: dict[str, Path], degraded: dict[str, Path] | None, here: Path, there: Path | None) -> list[PlacePair]:
    """Make pairs, sorted as people sort numbers; raise for images without partner."""
    if degraded is not None and clean.keys() != degraded.keys():
        alone = sorted(clean.keys() ^ degraded.keys(), key=_natural)
        missing = there if alone[0] in clean else here
        raise InputError(
            ErrorCode.MISSING,
            f"{len(alone)} of {len(clean)} clean and {len(degraded)} degraded images have no partner: "
            f"{', '.join(alone[:3])}{' ...' if len(alone) > 3 else ''}",
            where=missing,
            remedy="Give both the same names, or say what they share with a match such as '(\\d+)'",
        )
    return [
        PlacePair(key, _place(clean[key]), None if degraded is None else _place(degraded[key]))
        for key in sorted(clean, key=_natural)
    ]


def _place(path: Path) -> Place:
    if path.suffix == ".npy" and re.fullmatch(r"L\d{3}_\d+_(?:target|input)", path.stem):
        return Place(path, None, REDCNN_SLOPE, REDCNN_INTERCEPT, CT_WINDOW)
    return Place(path)


def _natural(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", key)]


def _split(train: list[PlacePair], test: list[PlacePair], layout: Layout) -> Found:
    """Hold out what the layout says, where there are no test files; volumes become slices after that."""
    if not test and layout.held_out is not None:
        held = re.compile(layout.held_out)
        test = [pair for pair in train if held.search(pair.name)]
        # The published test is the 3 mm series of that patient alone.
        test = [pair for pair in test if pair.name.startswith("3mm/")] or test
        train = [pair for pair in train if not held.search(pair.name)]
    elif not test and layout.held_out_every:
        test = train[layout.held_out_every - 1 :: layout.held_out_every]
        names = {pair.name for pair in test}
        train = [pair for pair in train if pair.name not in names]
    return Found(_slices(train), _slices(test), layout.name)


def _slices(pairs: Sequence[PlacePair]) -> tuple[PlacePair, ...]:
    """Replace every volume by its central slices."""
    made: list[PlacePair] = []
    for pair in pairs:
        if suffix_of(pair.clean.path) not in NIFTI_SUFFIXES:
            made.append(pair)
            continue
        for place in expand_volume(pair.clean.path, central=CENTRAL_SLICES):
            degraded = None if pair.degraded is None else replace(pair.degraded, index=place.index)
            made.append(PlacePair(f"{pair.name}/{place.index:03d}", place, degraded))
    return tuple(made)
