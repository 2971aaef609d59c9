"""A run that ended early goes on: nothing finished is computed again, and the result is the same to the bit."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.journal import FinishedShard, Journal
from datprl_toolkit.remote_sensing.staging import stage_folder
from datprl_toolkit.remote_sensing.testing import photograph, stub_restorer, write_raster
from datprl_toolkit.remote_sensing.windows import whole
from datprl_toolkit.remote_sensing.writing import Piece, Written
from datprl_toolkit.restoring.frozen_context import load_context, save_context
from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.restoring import Progress, Restorer

SUFFIXES = (".tif", ".zarr")
SHARDS = 6
OPTIONS = SceneOptions(tile=64, halo=16)
RESUMED = SceneOptions(tile=64, halo=16, resume=True)
CHILD = """
import sys
from pathlib import Path
from datprl_toolkit.remote_sensing import SceneOptions, plan, restore_scene
from datprl_toolkit.restoring.testing import tiny_restorer
plan.LARGEST_SHARD = 128
restore_scene(Path(sys.argv[1]), Path(sys.argv[2]), tiny_restorer(), SceneOptions(tile=64, halo=16))
"""


class StoppedError(Exception):
    pass


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datprl_toolkit.remote_sensing.plan.LARGEST_SHARD", 128)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    values = photograph(3, 250, 380, "uint16")
    values[:, :40, :50] = 0
    return write_raster(tmp_path / "scene.tif", values, nodata=0, photometric="RGB", tiled=True)


def checksum(path: Path) -> str:
    """Return the SHA-256 of all pixels."""
    scene = Scene.open(path)
    with scene.reader() as reader:
        pixels = reader.read([band.number for band in scene.bands], whole(scene.grid.shape))
    return hashlib.sha256(np.ascontiguousarray(pixels.values).tobytes()).hexdigest()


class Counting:
    """A restorer that counts the pixels it is asked for."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer, self.pixels, self._lock = restorer, 0, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._restorer, name)

    def restore_tiled(self, *arguments: Any, **options: Any) -> Any:
        core = self._restorer.restore_tiled(*arguments, **options)
        with self._lock:
            self.pixels += core.shape[-1] * core.shape[-2]
        return core


def interrupt(source: Path, output: Path, restorer: Restorer, finished: int) -> Journal:
    """Run until at least some shards are finished, then fail."""

    def progress(told: Progress) -> None:
        if told.step == "restoring" and len(Journal(stage_folder(output)).finished) >= finished:
            raise StoppedError

    with pytest.raises(StoppedError) as caught:
        restore_scene(source, output, restorer, OPTIONS, progress)
    assert "add --resume" in " ".join(caught.value.__notes__)
    assert not output.exists()
    journal = Journal(stage_folder(output))
    assert finished <= len(journal.finished) < SHARDS
    return journal


def missing_pixels(journal: Journal, shape: tuple[int, int]) -> int:
    done = sum(window.height * window.width for window in journal.finished)
    return shape[0] * shape[1] - done


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_run_killed_at_any_moment_goes_on_to_the_same_bits(
    tmp_path: Path, source: Path, tiny: Restorer, suffix: str
) -> None:
    straight = restore_scene(source, tmp_path / f"straight{suffix}", tiny, OPTIONS).output
    output = tmp_path / f"out{suffix}"
    target = random.randint(1, SHARDS - 2)
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(source), str(output)])
    while child.poll() is None and len(Journal(stage_folder(output)).finished) < target:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not output.exists()
    journal = Journal(stage_folder(output))
    assert len(journal.finished) >= target
    counting = Counting(tiny)
    outcome = restore_scene(source, output, counting, RESUMED)  # type: ignore[arg-type]
    assert f"{len(journal.finished)} of {SHARDS} shards were finished earlier" in outcome.summary
    assert counting.pixels == missing_pixels(journal, (250, 380))
    assert checksum(output) == checksum(straight)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["scene.tif", straight.name, output.name])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_store_that_is_full_is_filled_up_later(
    tmp_path: Path, source: Path, untouched: Restorer, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third shard finds no space; the disk itself is not touched."""
    name = "zarr_writing.ZarrWriter" if suffix == ".zarr" else "cog.CogWriter"
    module = f"datprl_toolkit.remote_sensing.{name}.write"
    writer = __import__(f"datprl_toolkit.remote_sensing.{name.split('.')[0]}", fromlist=["x"])
    original = getattr(writer, name.split(".")[1]).write
    calls = iter(range(100))

    def full(self: Any, window: Window, values: Any, mask: Any) -> Any:
        if next(calls) >= 2:
            raise OSError(28, os.strerror(28))
        return original(self, window, values, mask)

    output = tmp_path / f"out{suffix}"
    with monkeypatch.context() as patch:
        patch.setattr(module, full)
        with pytest.raises(DatprlError) as caught:
            restore_scene(source, output, untouched, OPTIONS)
    assert caught.value.code is ErrorCode.DISK_FULL
    assert "2 of 6 shards are kept: add --resume" in str(caught.value)
    assert "nothing was kept" not in str(caught.value)
    assert not output.exists()
    restore_scene(source, output, untouched, RESUMED)
    assert checksum(output) == checksum(source)


def test_a_real_disk_that_is_full_is_resumed_when_it_has_grown(
    tmp_path: Path, untouched: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("a small disk cannot be mounted here")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        noise = np.random.default_rng(0).integers(1, 255, (3, 1024, 1536), dtype=np.uint8)
        monkeypatch.setattr("datprl_toolkit.remote_sensing.plan.LARGEST_SHARD", 512)
        source = write_raster(tmp_path / "noise.tif", noise, photometric="RGB")
        with pytest.raises(DatprlError) as caught:
            restore_scene(source, disk / "out.zarr", untouched, OPTIONS)
        assert caught.value.code is ErrorCode.DISK_FULL
        assert "add --resume" in str(caught.value)
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        counting = Counting(untouched)
        restore_scene(source, disk / "out.zarr", counting, RESUMED)  # type: ignore[arg-type]
        assert counting.pixels < noise[0].size
        assert checksum(disk / "out.zarr") == checksum(source)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_another_job_is_not_resumed_and_what_differs_is_said(tmp_path: Path, source: Path, untouched: Restorer) -> None:
    output = tmp_path / "out.zarr"
    finished = interrupt(source, output, untouched, 2).finished
    others: list[tuple[SceneOptions, Restorer, str]] = [
        (SceneOptions(tile=64, halo=32, resume=True), untouched, "halo was 16 and is 32"),
        (SceneOptions(tile=64, halo=16, strength=0.5, resume=True), untouched, "strength was 1.0 and is 0.5"),
        (RESUMED, tiny_restorer(), "weights was stub 000000000000 and is test 000000000000"),
        (SceneOptions(tile=64, halo=16, zarr_profile="qgis", resume=True), untouched, "was default and is qgis"),
    ]
    for options, restorer, difference in others:
        with pytest.raises(DatprlError) as caught:
            restore_scene(source, output, restorer, options)
        assert caught.value.code is ErrorCode.OPTION
        assert difference in str(caught.value)
        assert "\n" not in str(caught.value)
        assert str(tmp_path) not in caught.value.what
    os.utime(source)
    with pytest.raises(DatprlError, match="input was scene"):
        restore_scene(source, output, untouched, RESUMED)
    assert Journal(stage_folder(output)).finished == finished


def test_an_unfinished_output_is_neither_replaced_nor_continued_unasked(
    tmp_path: Path, source: Path, untouched: Restorer
) -> None:
    output = tmp_path / "out.zarr"
    interrupt(source, output, untouched, 2)
    with pytest.raises(DatprlError, match="--resume to go on, or --overwrite") as caught:
        restore_scene(source, output, untouched, OPTIONS)
    assert caught.value.code is ErrorCode.EXISTS
    counting = Counting(untouched)
    restore_scene(source, output, counting, SceneOptions(tile=64, halo=16, overwrite=True))  # type: ignore[arg-type]
    assert counting.pixels == 250 * 380
    assert not stage_folder(output).exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_resuming_a_complete_output_does_nothing_and_is_no_error(
    tmp_path: Path, source: Path, brighter: Restorer, suffix: str
) -> None:
    output = restore_scene(source, tmp_path / f"out{suffix}", brighter, RESUMED).output
    before = checksum(output), output.stat().st_mtime_ns
    counting = Counting(brighter)
    outcome = restore_scene(source, output, counting, RESUMED)  # type: ignore[arg-type]
    assert counting.pixels == 0
    assert "complete already" in outcome.summary
    assert (checksum(output), output.stat().st_mtime_ns) == before
    with pytest.raises(DatprlError) as caught:
        restore_scene(source, output, stub_restorer(0.25), SceneOptions(tile=64, resume=True))
    assert caught.value.code is ErrorCode.EXISTS


def test_two_runs_do_not_make_the_same_output_at_once(tmp_path: Path, source: Path, untouched: Restorer) -> None:
    output = tmp_path / "out.zarr"
    refused: list[DatprlError] = []

    def progress(told: Progress) -> None:
        if told.step == "restoring" and not refused:
            with pytest.raises(DatprlError) as caught:
                restore_scene(source, output, stub_restorer(), SceneOptions(resume=True))
            refused.append(caught.value)

    restore_scene(source, output, untouched, OPTIONS, progress)
    assert refused[0].code is ErrorCode.EXISTS
    assert "another run" in str(refused[0])


def test_shards_whose_files_were_lost_or_cut_short_are_computed_again(
    tmp_path: Path, source: Path, untouched: Restorer
) -> None:
    output = tmp_path / "out.zarr"
    journal = interrupt(source, output, untouched, 3)
    folder = stage_folder(output)
    files = [next(iter(shard.written.stored)) for shard in list(journal.finished.values())[:2]]
    (folder / output.name / files[0]).unlink()
    (folder / output.name / files[1]).write_bytes(b"short")
    with (folder / "journal.jsonl").open("a") as file:
        file.write('{"window": [0, 5')  # the disk was full while this line was written
    counting = Counting(untouched)
    outcome = restore_scene(source, output, counting, RESUMED)  # type: ignore[arg-type]
    assert f"{len(journal.finished) - 2} of 6 shards" in outcome.summary
    assert checksum(output) == checksum(source)


def test_the_context_survives_a_file_bit_by_bit(tmp_path: Path, tiny: Restorer) -> None:
    import torch

    images = np.random.default_rng(0).random((2, 3, 64, 64), dtype=np.float32)
    context = tiny.context(images)
    save_context(context, tmp_path / "context.safetensors")
    loaded = load_context(tmp_path / "context.safetensors")
    assert loaded is not None
    assert context.prompt is not None
    assert loaded.prompt is not None
    assert torch.equal(context.prompt, loaded.prompt)
    for before, after in zip(context.statistics, loaded.statistics, strict=True):
        assert torch.equal(before, after)
    assert context.task is not None
    assert loaded.task is not None
    assert torch.equal(context.task.selected, loaded.task.selected)
    save_context(None, tmp_path / "none.safetensors")
    assert load_context(tmp_path / "none.safetensors") is None


def test_a_journal_is_read_as_it_was_written_and_skips_a_torn_line(tmp_path: Path) -> None:
    window = Window(0, 512, 512, 1024)
    shard = FinishedShard(window, Written((Piece("restored", window, "ab"),), {"restored/c/0/0/1": 7}), (window,))
    journal = Journal(tmp_path)
    journal.begin({"halo": "16"}, "nodata")
    journal.record(shard)
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write(json.dumps({"window": [0, 1, 2, 3]})[:-3])
    again = Journal(tmp_path)
    assert (again.fingerprint, again.on_error, again.finished) == ({"halo": "16"}, "nodata", {window: shard})
    shutil.rmtree(tmp_path)
    assert Journal(tmp_path).finished == {}
