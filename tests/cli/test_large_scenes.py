"""The options for large scenes, as a person types them: exit statuses, and one line for what goes wrong."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING

import pytest

from datprl_toolkit.cli.commands import application
from datprl_toolkit.cli.terminal import Terminal
from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.weights import FOLDER_VARIABLE, save_weights

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    restorer = tiny_restorer()
    save_weights(folder / "tiny.safetensors", restorer.network, restorer.card)
    return folder


@pytest.fixture(autouse=True)
def place(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FOLDER_VARIABLE, str(weights))
    monkeypatch.setattr("datprl_toolkit.remote_sensing.plan.LARGEST_SHARD", 128)
    monkeypatch.setattr("datprl_toolkit.remote_sensing.unreadable._WAIT", 0.0)


def datprl(*arguments: str) -> tuple[int, list[str]]:
    """Run a command in this process, and return its exit status and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = application(list(arguments), standalone_mode=False)
    return int(status or 0), said.getvalue().splitlines()


def restore(*arguments: str) -> tuple[int, list[str]]:
    return datprl("restore", *arguments, "--weights", "tiny", "--tile", "64", "--halo", "8")


def test_an_output_is_verified_until_it_is_damaged(tmp_path: Path) -> None:
    write_raster(tmp_path / "scene.tif", photograph(1, 200, 300))
    assert restore("scene.tif", "out.zarr", "--stac")[0] == 0
    assert json.loads((tmp_path / "out.json").read_text())["id"] == "out"
    status, lines = datprl("verify", "out.zarr")
    assert (status, lines[-1]) == (0, "6 of 6 pieces are as they were written")
    (tmp_path / "out.zarr" / "restored" / "c" / "0" / "1" / "1").unlink()
    status, lines = datprl("verify", "out.zarr")
    assert status == 1
    assert lines[-2:] == [
        "damaged: restored, rows 128 to 199, columns 128 to 255: is not as it was written",
        "1 of 6 pieces are damaged",
    ]
    with pytest.raises(DatprlError) as caught:
        datprl("verify", "scene.tif")
    assert caught.value.code is ErrorCode.UNSUPPORTED


def test_an_unreadable_block_is_status_3_and_a_line_that_names_it(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", photograph(1, 200, 300), nodata=0, blockysize=8)
    path.write_bytes(path.read_bytes()[:-1000])
    status, lines = restore("scene.tif", "out.tif", "--on-error", "nodata")
    assert status == 3
    assert any(line.startswith("W_UNREADABLE: a block of the input") and "rows 192 to 199" in line for line in lines)
    with pytest.raises(DatprlError) as caught:
        restore("scene.tif", "refused.tif")
    assert caught.value.code is ErrorCode.CORRUPT


@pytest.mark.parametrize("value", ["skip", "passthrough"])
def test_a_treatment_that_has_no_meaning_for_the_input_is_refused(tmp_path: Path, value: str) -> None:
    from PIL import Image

    write_raster(tmp_path / "scene.tif", photograph(1, 20, 30))
    Image.fromarray(photograph(1, 20, 30)[0]).save(tmp_path / "picture.png")
    name = "scene.tif" if value == "skip" else "picture.png"
    with pytest.raises(DatprlError, match=f"--on-error {value} has no meaning") as caught:
        restore(name, f"out{name[-4:]}", "--on-error", value)
    assert caught.value.code is ErrorCode.OPTION
    with pytest.raises(DatprlError, match="--resume has no meaning"):
        restore("picture.png", "out.png", "--resume")


def test_an_interruption_says_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    with pytest.raises(typer.Exit) as caught, Terminal():
        interruption = KeyboardInterrupt()
        interruption.add_note("3 of 9 shards are kept: add --resume to go on")
        raise interruption
    assert caught.value.exit_code == 130
    assert capsys.readouterr().err == "Cancelled; 3 of 9 shards are kept: add --resume to go on.\n"
