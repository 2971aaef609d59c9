"""Descriptions of the clean training images: their JSON file, and what can be said from measuring an image.

The file holds::

    {"format": "datprl-descriptions-1",
     "made_by": "measured",
     "descriptions": {"rice1/0000": "An aerial photograph ...", ...}}

with one text for each clean image, under the key ``SOURCE/NUMBER`` by which training knows it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.files import staged_file
from datprl_toolkit.training.preparation import CT_HIGH, CT_LOW, SUV_HIGH, from_integers
from datprl_toolkit.training.tasks import KIND_KEYS, KINDS, TASKS
from datprl_toolkit.weights import TASK_DOMAINS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.training.prepared import PreparedData

FORMAT = "datprl-descriptions-1"
LONGEST = 600  # characters; CLIP cuts at 77 tokens
LARGEST_SIDE = 256  # pixels to which an image is thinned before it is measured

CONTENT = {
    "natural": "A photograph of a natural scene",
    "remote_sensing": "An aerial photograph of the ground, seen from above",
    "mri_super_resolution": "A magnetic resonance image, a cross-section through the body",
    "ct_denoising": "A computed tomography image, an axial cross-section through the body",
    "pet_synthesis": "A positron emission tomography image, an axial cross-section of the uptake in the body",
}
HUES = ((20, "red"), (45, "orange"), (70, "yellow"), (165, "green"), (200, "cyan"), (260, "blue"), (330, "purple"))


@dataclass(frozen=True, slots=True)
class Look:
    """What is measured in an image in [0, 1].

    Parameters
    ----------
    brightness
        Mean luminance (ITU-R BT.601 weights of the values as stored).
    contrast
        95th minus 5th percentile of the luminance.
    colourfulness
        Hasler and Süsstrunk 2003, for values 0 to 1; 0 for grey images.
    hue
        Mean hue in degrees, weighted by the colour's strength; None for grey images.
    sharpness
        Mean absolute difference of neighbours, divided by the contrast.
    """

    brightness: float
    contrast: float
    colourfulness: float
    hue: float | None
    sharpness: float


def measure(image: npt.NDArray[np.floating]) -> Look:
    """Measure an image (H, W) or (H, W, 3) in [0, 1]."""
    step = max(1, max(image.shape[:2]) // LARGEST_SIDE)
    x = image[::step, ::step].astype(np.float64)
    luminance = x if x.ndim == 2 else x @ np.array([0.299, 0.587, 0.114])
    low, high = np.percentile(luminance, [5, 95])
    contrast = float(high - low)
    # Of the image as it is, since thinning sharpens.
    full = image if image.ndim == 2 else image.mean(axis=2)
    steps = [np.abs(np.diff(full, axis=axis)).mean() for axis in (0, 1) if full.shape[axis] > 1]
    sharpness = float(np.mean(steps)) / max(contrast, 1e-3) if steps else 0.0
    strength, hue = (0.0, None) if x.ndim == 2 else _colour(x)
    return Look(float(luminance.mean()), contrast, strength, hue, sharpness)


def describe(look: Look, content: str) -> str:
    """Put what was measured into a sentence, after what is known of the image."""
    brightness = _word(look.brightness, ((0.2, "dark"), (0.4, "rather dark"), (0.6, "evenly lit"), (1.1, "bright")))
    contrast = _word(look.contrast, ((0.25, "low"), (0.6, "moderate"), (2.0, "high")))
    sharpness = _word(
        look.sharpness, ((0.02, "smooth, with little detail"), (0.06, "with some fine detail"), (9.0, "full of detail"))
    )
    return f"{content}; {brightness}, with {contrast} contrast; {_colour_words(look)}; {sharpness}."


def clean_images(data: PreparedData) -> Iterator[tuple[str, str, npt.NDArray[np.float32]]]:
    """Yield key, what is known of it, and the clean image in [0, 1], for every training image that has a key.

    CT is shown from -160 to 240 HU, PET from SUV 0 to 20.
    """
    known = {name: CONTENT_OF_TASK[what["task"]] for name, what in data.manifest.get("folders", {}).items()}
    for name, source in data.sources.items():
        if "clean" not in source.fields:
            continue
        for index, image in enumerate(source["clean"]):
            yield f"{name}/{index:04d}", known.get(name) or content_of_source(name), _shown(image, name)


def domain_sentences() -> dict[str, str]:
    """Return the sentence of each domain under the key of its feature, for the explicit prompts of table 5."""
    return dict(zip(KIND_KEYS, KINDS.values(), strict=True))


def content_of_source(name: str) -> str:
    """Return what is known of the images of a source that ``prepare_data.py`` made."""
    for task, part in (("mri_super_resolution", "mri"), ("ct_denoising", "ct"), ("pet_synthesis", "pet")):
        if name == part:
            return CONTENT[task]
    remote = name.startswith(("remote_", "rice"))
    return CONTENT["remote_sensing" if remote else "natural"]


def save_descriptions(path: Path, texts: Mapping[str, str], made_by: str, *, overwrite: bool = False) -> None:
    """Write the file of descriptions.

    Raises
    ------
    OutputError
        ``E_EXISTS`` if it is there and `overwrite` is false.
    """
    content = {"format": FORMAT, "made_by": made_by, "descriptions": dict(texts)}
    with staged_file(path, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_descriptions(path: Path) -> dict[str, str]:
    """Read and check a file of descriptions, made here or by a language model elsewhere.

    Raises
    ------
    InputError
        ``E_MISSING`` if it is not there, ``E_CORRUPT`` if it is anything else.
    """
    if not path.is_file():
        raise InputError(ErrorCode.MISSING, "there is no such file of descriptions", where=path)
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(ErrorCode.CORRUPT, f"the descriptions are not JSON: {error}", where=path) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _wrong(path, f'it has no "format": "{FORMAT}"')
    texts = content.get("descriptions")
    if not isinstance(texts, dict) or not texts:
        raise _wrong(path, "'descriptions' must be keys of images with their texts")
    for key, text in texts.items():
        source, slash, number = key.rpartition("/")
        if not (slash and source and number.isdigit() and len(number) >= 4):
            raise _wrong(path, f"'{key}' is no key such as 'rice1/0000'")
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
            raise _wrong(path, f"the description of '{key}' must be a text of 1 to {LONGEST} characters")
    return dict(texts)


CONTENT_OF_TASK: dict[str, str] = {task: CONTENT.get(task) or CONTENT[TASK_DOMAINS[task]] for task in TASKS}


def _wrong(path: Path, what: str) -> InputError:
    return InputError(
        ErrorCode.CORRUPT,
        f"the file is no file of descriptions: {what}",
        where=path,
        remedy="docs/training.md shows the format",
    )


def _shown(image: npt.NDArray[Any], name: str) -> npt.NDArray[np.float32]:
    values = from_integers(image)
    if name == "ct":
        values = (values - np.float32(CT_LOW)) / np.float32(CT_HIGH - CT_LOW)
    elif name == "pet":
        values = values / np.float32(SUV_HIGH)
    return np.clip(values, 0.0, 1.0)


def _colour(image: npt.NDArray[np.float64]) -> tuple[float, float | None]:
    """Return colourfulness and mean hue in degrees of (H, W, 3)."""
    red, green, blue = np.moveaxis(image, -1, 0)
    first, second = red - green, 0.5 * (red + green) - blue
    spread, shift = np.hypot(first.std(), second.std()), np.hypot(first.mean(), second.mean())
    colourfulness = float(spread + 0.3 * shift)
    # The opponent axes of a hue circle with red at 0, yellow at 60 and green at 120 degrees.
    across, along = np.sqrt(3) / 2 * (green - blue).mean(), (red - 0.5 * (green + blue)).mean()
    if np.hypot(across, along) < 1e-4:
        return colourfulness, None
    return colourfulness, float(np.degrees(np.arctan2(across, along)) % 360)


def _colour_words(look: Look) -> str:
    if look.colourfulness < 0.01:
        return "greyscale, without colour"
    strength = _word(look.colourfulness, ((0.08, "muted colours"), (0.2, "moderate colours"), (9.0, "vivid colours")))
    if look.hue is None:
        return strength
    name = next((name for end, name in HUES if look.hue < end), "red")
    return f"{strength}, {name} on the whole"


def _word(value: float, scale: tuple[tuple[float, str], ...]) -> str:
    return next((word for end, word in scale if value < end), scale[-1][1])
