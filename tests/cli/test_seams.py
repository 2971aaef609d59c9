from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from datprl_toolkit.cli.commands import application
from datprl_toolkit.cli.dry_run import size
from datprl_toolkit.errors import DatprlError
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.weights import FOLDER_VARIABLE, save_weights

if TYPE_CHECKING:
    from pathlib import Path


def datprl(*arguments: str | Path) -> tuple[int, str]:
    """Run a command in this process, and return its exit status and what it printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        status = application([str(argument) for argument in arguments], standalone_mode=False)
    return int(status or 0), said.getvalue()


@pytest.fixture
def rasters(tmp_path: Path) -> tuple[Path, Path]:
    """A scene, and the same with tiles of 48 pixels that differ by 9."""
    before = photograph(1, 200, 240).astype(np.int16)
    rows, columns = (np.arange(length) // 48 % 2 for length in before.shape[1:])
    after = before + 9 * (rows[:, None] ^ columns[None, :])
    return write_raster(tmp_path / "before.tif", before), write_raster(tmp_path / "after.tif", after.astype(np.int16))


def test_seams_are_found_measured_and_drawn(rasters: tuple[Path, Path], tmp_path: Path) -> None:
    before, after = rasters
    status, said = datprl("seams", after, "--original", before, "--against", before, "--picture", tmp_path / "p.png")
    assert status == 0
    assert "cut lines every 48 pixels (found in the raster), 8 measured" in said
    assert "step along edges of tiles 9 stored values" in said
    assert "overlap disagreement 6.34 stored values root mean square, at most 9" in said
    with Image.open(tmp_path / "p.png") as picture:
        assert len(picture.convert("RGB").getcolors(2**24) or []) > 50


def test_a_limit_decides_the_exit_status(rasters: tuple[Path, Path]) -> None:
    before, after = rasters
    assert datprl("seams", after, "--tile", "48", "--original", before, "--limit", "1.02")[0] == 3
    assert datprl("seams", before, "--tile", "48", "--original", before, "--limit", "1.02")[0] == 0


def test_figures_for_a_program_are_json(rasters: tuple[Path, Path]) -> None:
    status, said = datprl("seams", rasters[1], "--tile", "48", "--json")
    figures = json.loads(said)
    assert (status, figures["tile"], figures["found"]) == (0, 48, False)
    assert figures["step"] == pytest.approx(9, rel=0.1)


def test_a_picture_never_replaces_what_is_measured(rasters: tuple[Path, Path]) -> None:
    with pytest.raises(DatprlError, match="never modified"):
        datprl("seams", rasters[1], "--picture", rasters[1], "--overwrite")


def test_a_dry_run_says_what_it_takes_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = tiny_restorer()
    (tmp_path / "weights").mkdir()
    save_weights(tmp_path / "weights" / "tiny.safetensors", restorer.network, restorer.card)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "weights"))
    source = write_raster(tmp_path / "scene.tif", photograph(3, 100, 120))
    status, said = datprl("restore", source, tmp_path / "out.tif", "--dry-run", "--weights", "tiny", "--tile", "64")
    assert status == 0
    assert "120 x 100 pixels, 3 bands" in said
    assert "4 of 64 pixels with a halo of 64" in said
    assert "1 of 2048 pixels: as many tasks" in said
    assert "35.2 KiB of pixels" in said
    assert "Nothing was written." in said
    assert not (tmp_path / "out.tif").exists()
    status, said = datprl(
        "restore", source, tmp_path / "out.tif", "--dry-run", "--weights", "tiny", "--tile", "64",
        "--uncertainty", tmp_path / "map.tif", "--cluster", "local:2",
    )  # fmt: skip
    assert "for the cluster local:2" in said
    assert "in each process" in said
    assert "deviation  141 KiB of pixels more, 3 bands of float32" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scene.tif", "weights"]
    Image.new("L", (8, 8)).save(tmp_path / "picture.png")
    with pytest.raises(DatprlError, match="raster scene alone"):
        datprl("restore", tmp_path / "picture.png", tmp_path / "out.png", "--dry-run", "--weights", "tiny")


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (300 * 2**30, "300 GiB"), (2**45, "32.0 TiB")],
)
def test_sizes_have_a_unit_that_fits(count: int, words: str) -> None:
    assert size(count) == words
