"""Pictures in, pictures out: formats, transparency, metadata, folders, and what cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.images import ImageOptions, is_image, restore_images
from datprl_toolkit.restoring import Progress
from datprl_toolkit.restoring.testing import identity_restorer, tiny_restorer

if TYPE_CHECKING:
    from pathlib import Path


def picture(path: Path, mode: str = "RGB", size: tuple[int, int] = (21, 17)) -> Path:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "LA": (2,)}
    generator = np.random.default_rng(0)
    if mode == "I;16":
        image = Image.fromarray(generator.integers(0, 65536, size[::-1], dtype=np.uint16))
    else:
        image = Image.fromarray(generator.integers(0, 256, (*size[::-1], *channels[mode]), dtype=np.uint8), mode=None)
    image.save(path)
    return path


def opened(path: Path) -> Image.Image:
    """Return a picture in memory, its file closed."""
    with Image.open(path) as image:
        image.load()
        return image


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "I;16"])
def test_an_identity_network_gives_the_same_pixels(tmp_path: Path, mode: str) -> None:
    source = picture(tmp_path / "in.png", mode)
    restore_images(source, tmp_path / "out.png", identity_restorer())
    before, after = opened(source), opened(tmp_path / "out.png")
    expected = before.convert("RGBA") if mode == "LA" else before
    actual = after.convert("RGBA") if mode == "LA" else after
    assert np.array_equal(np.asarray(expected), np.asarray(actual))


def test_enlarging_makes_the_picture_larger_with_its_transparency(tmp_path: Path) -> None:
    source = picture(tmp_path / "in.png", "RGBA")
    outcome = restore_images(source, tmp_path / "out.png", tiny_restorer(), ImageOptions(scale=2))
    assert opened(tmp_path / "out.png").size == (42, 34)
    assert opened(tmp_path / "out.png").mode == "RGBA"
    assert outcome.comparisons[0].before.shape == outcome.comparisons[0].after.shape


def test_a_turned_photo_comes_out_upright_and_keeps_its_other_metadata(tmp_path: Path) -> None:
    image = opened(picture(tmp_path / "base.png"))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "Maker"
    image.save(tmp_path / "in.jpg", exif=exif, dpi=(300, 300))
    restore_images(tmp_path / "in.jpg", tmp_path / "out.jpg", identity_restorer())
    restored = opened(tmp_path / "out.jpg")
    assert restored.size == (17, 21)
    assert restored.getexif().get(0x0112, 1) == 1
    assert restored.getexif()[0x010F] == "Maker"
    assert restored.info["dpi"] == (300, 300)


def test_transparency_that_the_format_cannot_hold_is_said(tmp_path: Path) -> None:
    source = picture(tmp_path / "in.png", "RGBA")
    outcome = restore_images(source, tmp_path / "out.jpg", identity_restorer())
    assert outcome.warnings[0].startswith("W_ALPHA")


def test_a_folder_keeps_its_names_and_subfolders(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "sub" / "b.png", "L")
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    told: list[Progress] = []
    restore_images(tmp_path / "in", tmp_path / "out", identity_restorer(), progress=told.append)
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png"))
    assert found == ["a.png", "sub/b.png"]
    assert told[-1] == Progress("restoring", 2, 2, "pictures")


def test_a_broken_picture_ends_the_job_or_is_skipped_as_asked(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    whole = picture(tmp_path / "in" / "a.png").read_bytes()
    (tmp_path / "in" / "b.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatprlError, match=r"E_TRUNCATED.*b\.png"):
        restore_images(tmp_path / "in", tmp_path / "out", identity_restorer())
    assert not (tmp_path / "out").exists()
    outcome = restore_images(tmp_path / "in", tmp_path / "out", identity_restorer(), ImageOptions(skip_errors=True))
    assert outcome.warnings[0].startswith("W_SKIPPED: E_TRUNCATED")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


@pytest.mark.parametrize(("name", "code"), [("nowhere.png", ErrorCode.MISSING), ("text.png", ErrorCode.UNKNOWN_FORMAT)])
def test_what_is_no_picture_is_said(tmp_path: Path, name: str, code: ErrorCode) -> None:
    (tmp_path / "text.png").write_text("this is text")
    with pytest.raises(DatprlError) as error:
        restore_images(tmp_path / name, tmp_path / "out.png", identity_restorer())
    assert error.value.code == code


def test_a_suffix_that_no_format_has_is_refused_before_any_work(tmp_path: Path) -> None:
    source = picture(tmp_path / "in.png")
    with pytest.raises(DatprlError, match="E_OPTION: no picture format"):
        restore_images(source, tmp_path / "out.xyz", identity_restorer())


def test_a_picture_is_known_by_its_first_bytes_not_its_name(tmp_path: Path) -> None:
    source = picture(tmp_path / "in.png")
    renamed = source.rename(tmp_path / "in.dat")
    assert is_image(renamed)
    (tmp_path / "a.png").write_text("RIFF text")
    assert not is_image(tmp_path / "a.png")
