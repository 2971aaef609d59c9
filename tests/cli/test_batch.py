from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from datprl_toolkit.cli.batch import Board, duration
from datprl_toolkit.cli.commands import application
from datprl_toolkit.remote_sensing.batch_manifest import BatchRecord
from datprl_toolkit.remote_sensing.batch_sources import BatchScene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring import Progress
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


def datprl(*arguments: str) -> tuple[int, list[str]]:
    """Run the command in this process, and return its exit status and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = application(["restore-batch", *arguments, "--weights", "tiny"], standalone_mode=False)
    return int(status or 0), said.getvalue().splitlines()


def test_a_dry_run_of_a_batch_counts_what_is_left_and_writes_nothing(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FOLDER_VARIABLE, str(weights))
    (tmp_path / "tiles").mkdir()
    for name in "abc":
        write_raster(tmp_path / "tiles" / f"{name}.tif", photograph(3, 24, 32))
    assert datprl("tiles/a.tif", "out")[0] == 0
    before = sorted(tmp_path.rglob("*"))
    (tmp_path / "tiles" / "b.tif").write_bytes((tmp_path / "tiles" / "b.tif").read_bytes()[:900])
    assert datprl("tiles", "out", "--dry-run")[0] == 0
    said = capsys.readouterr().out
    assert "3 found, 1 done before, 1 to do, 1 failing" in said
    assert "failing    b: E_CORRUPT" in said
    assert "1 in 1 shards, as many tasks" in said
    assert "2.2 KiB of pixels before compression" in said
    assert sorted(tmp_path.rglob("*")) == before


def test_a_batch_in_a_pipe_is_one_line_for_each_scene_and_goes_on_when_given_again(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FOLDER_VARIABLE, str(weights))
    (tmp_path / "tiles").mkdir()
    for name in "ab":
        write_raster(tmp_path / "tiles" / f"{name}.tif", photograph(3, 24, 32))
    good = (tmp_path / "tiles" / "b.tif").read_bytes()
    (tmp_path / "tiles" / "b.tif").write_bytes(good[:900])
    status, lines = datprl("tiles", "out")
    assert status == 3
    assert lines[0].startswith("2 scenes; weights test")
    assert lines[1].startswith("[1/2] done    a: 32 x 24 pixels restored")
    assert lines[2].startswith("[2/2] failed  b: E_CORRUPT")
    assert "1 scene restored" in lines[-1]
    assert "1 failed" in lines[-1]

    (tmp_path / "tiles" / "b.tif").write_bytes(good)
    status, lines = datprl("tiles", "out")
    assert status == 0, lines
    assert lines[1] == "1 done before and skipped, 1 to do"
    records = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert [(record["name"], record["status"]) for record in records] == [("a", "done"), ("b", "done")]


def test_the_options_of_scenes_are_those_of_a_single_one(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FOLDER_VARIABLE, str(weights))
    source = write_raster(
        tmp_path / "a.tif", photograph(3, 300, 300), tiled=True, blockxsize=128, blockysize=128, compress="DEFLATE"
    )
    content = source.read_bytes()
    source.write_bytes(content[: len(content) * 3 // 4])
    chosen = ["--form", "zarr", "--zarr-profile", "legacy", "--context", "tile", "--on-error", "nodata"]
    status, lines = datprl("a.tif", "out", *chosen, "--tile", "128")
    assert status == 3, lines
    assert lines[1].startswith("[1/1] partial a: 300 x 300")
    assert (tmp_path / "out" / "a.zarr" / ".zgroup").exists()
    assert datprl("a.tif", "out", *chosen, "--tile", "128", "--cluster", "tcp://nobody:1")[0] == 3  # nothing to do


def test_an_interrupted_batch_says_what_is_kept_and_leaves_no_half_output(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "tiles").mkdir()
    write_raster(tmp_path / "tiles" / "a.tif", photograph(3, 24, 32))
    write_raster(tmp_path / "tiles" / "b.tif", photograph(3, 1500, 1500))
    command = [sys.executable, "-m", "datprl_toolkit", "restore-batch", "tiles", "out", "--tile", "64"]
    environment = os.environ | {FOLDER_VARIABLE: str(weights)}
    with subprocess.Popen(
        [*command, "--weights", "tiny"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("[1/2]"):
                break
        running.terminate()  # as a scheduler does; a job in the background ignores what Ctrl-C sends
        assert "Cancelled; 1 finished scene kept. The same command goes on from there." in running.stderr.read()
    assert running.returncode == 130
    assert (tmp_path / "out" / "a.tif").exists()
    assert not (tmp_path / "out" / "b.tif").exists()


def board_with_a_scene_under_way() -> tuple[Board, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, color_system=None)
    now = iter(range(0, 1000, 10))
    board = Board(console, clock=lambda: float(next(now)))
    scenes = [BatchScene(f"tile_{place}", f"tile_{place}.tif") for place in range(4)]
    board.planned(scenes, scenes[:1])
    board.started(scenes[1])
    common: dict[str, Any] = {"source": "x", "output": "x", "fingerprint": "", "finished": ""}
    board.finished(scenes[1], BatchRecord("tile_1", status="done", seconds=3.0, summary="restored", **common), None)
    board.started(scenes[2])
    record = BatchRecord("tile_2", status="failed", seconds=0.1, code="E_CORRUPT", message="E_CORRUPT: cut", **common)
    board.finished(scenes[2], record, None)
    board.started(scenes[3])
    board.progress(scenes[3], Progress("restoring", 3, 12, "tiles"))
    return board, file


def test_the_board_shows_what_is_done_what_failed_and_what_is_under_way() -> None:
    board, _ = board_with_a_scene_under_way()
    board.close()
    file = io.StringIO()
    Console(file=file, width=110, color_system=None).print(board)
    drawn = file.getvalue()
    assert "done    tile_1: restored, 3.0 s" in drawn
    assert "failed  tile_2: E_CORRUPT: cut" in drawn
    assert "3 of 4 scenes  2 done  1 failed" in drawn
    assert "left" in drawn
    assert "tile_3  restoring, 3 of 12 tiles" in drawn


@pytest.mark.parametrize(("seconds", "words"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (90, "2 min"), (7500, "2 h 05 min")])
def test_times_are_as_exact_as_they_need_to_be(seconds: float, words: str) -> None:
    assert duration(seconds) == words
