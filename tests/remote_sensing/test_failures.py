"""Nothing is half-written, nothing original is touched, and every error is one line with a code."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from datprl_toolkit.errors import DatprlError, ErrorCode, OptionError, OutputError
from datprl_toolkit.remote_sensing import SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datprl_toolkit.restoring import Progress, Restorer

SUFFIXES = (".tif", ".zarr")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return write_raster(tmp_path / "in" / "scene.tif", photograph(3, 600, 700), photometric="RGB", tiled=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def _assert_one_line(error: DatprlError) -> None:
    assert "\n" not in str(error)
    assert str(error).startswith("E_")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_a_file_that_ends_early_is_corrupt_and_leaves_nothing(
    source: Path, folder: Path, untouched: Restorer, share: float, suffix: str
) -> None:
    source.write_bytes(source.read_bytes()[: int(source.stat().st_size * share)])
    with pytest.raises(DatprlError) as caught:
        restore_scene(source, folder / f"out{suffix}", untouched)
    assert caught.value.code is ErrorCode.CORRUPT
    _assert_one_line(caught.value)
    assert list(folder.iterdir()) == []


@pytest.mark.shared
def test_the_corrupt_file_of_rasterio_is_corrupt(shared_data: Path, folder: Path, untouched: Restorer) -> None:
    with pytest.raises(DatprlError) as caught:
        restore_scene(shared_data / "geotiff_format" / "rasterio_corrupt.tif", folder / "out.tif", untouched)
    assert caught.value.code is ErrorCode.CORRUPT
    assert list(folder.iterdir()) == []


@pytest.mark.shared
@pytest.mark.parametrize("name", ["rio-tiler_cog_cmap.tif", "rio-cogeo_slc.tif"])
def test_palettes_and_complex_images_are_refused(
    shared_data: Path, folder: Path, untouched: Restorer, name: str
) -> None:
    with pytest.raises(DatprlError) as caught:
        restore_scene(shared_data / "geotiff_format" / name, folder / "out.tif", untouched)
    assert caught.value.code is ErrorCode.UNSUPPORTED
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("step", ["sampling", "computing context", "restoring", "writing"])
def test_a_cancelled_job_leaves_nothing(
    source: Path, folder: Path, untouched: Restorer, suffix: str, step: str
) -> None:
    class CancelledError(Exception):
        pass

    def cancel(progress: Progress) -> None:
        if progress.step == step and not (step == "writing" and progress.done):
            raise CancelledError

    with pytest.raises(CancelledError):
        restore_scene(source, folder / f"out{suffix}", untouched, SceneOptions(tile=256), cancel)
    if step == "writing":
        # All that was to be computed is there; it is kept, but not under the name of the output.
        assert [path.name for path in folder.iterdir()] == [f".datprl-partial-out{suffix}"]
    else:
        assert list(folder.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("shard")]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_error_of_one_shard_is_the_error_of_the_job(
    source: Path, folder: Path, untouched: Restorer, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datprl_toolkit.remote_sensing.plan.LARGEST_SHARD", 512)
    calls = iter(range(100))
    original = type(untouched).restore_tiled

    def fail_later(self: Restorer, image: Any, context: Any, **options: Any) -> Any:
        if next(calls) == 1:
            raise MemoryError("no memory")
        return original(self, image, context, **options)

    monkeypatch.setattr(type(untouched), "restore_tiled", fail_later)
    with pytest.raises(MemoryError, match="no memory"):
        restore_scene(source, folder / f"out{suffix}", untouched, SceneOptions(halo=0))
    assert not (folder / f"out{suffix}").exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_existing_output_is_replaced_only_on_request_and_as_a_whole(
    source: Path, folder: Path, untouched: Restorer, suffix: str
) -> None:
    output = folder / f"out{suffix}"
    restore_scene(source, output, untouched)
    with pytest.raises(OutputError) as caught:
        restore_scene(source, output, untouched)
    assert caught.value.code is ErrorCode.EXISTS
    restore_scene(source, output, untouched, SceneOptions(overwrite=True))
    assert [path.name for path in folder.iterdir()] == [output.name]


def test_nothing_beside_a_replaced_output_describes_the_new_one(
    source: Path, folder: Path, untouched: Restorer
) -> None:
    output = folder / "out.tif"
    restore_scene(source, output, untouched)
    beside = [folder / f"out.tif{ending}" for ending in (".aux.xml", ".msk", ".ovr")]
    for file in beside:
        file.write_text("<PAMDataset/>")
    restore_scene(source, output, untouched, SceneOptions(overwrite=True))
    assert [file.name for file in folder.iterdir()] == ["out.tif"]


def test_the_input_is_never_replaced_and_never_touched(source: Path, folder: Path, untouched: Restorer) -> None:
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    alias = folder / "alias.tif"
    alias.symlink_to(source)
    for destination in (source, alias):
        with pytest.raises(OutputError):
            restore_scene(source, destination, untouched, SceneOptions(overwrite=True))
    restore_scene(source, folder / "out.tif", untouched)
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before
    assert [path.name for path in source.parent.iterdir()] == ["scene.tif"]


@pytest.mark.parametrize("name", ["out.png", "out", "out.tif.gz"])
def test_an_output_of_another_format_is_refused(source: Path, folder: Path, untouched: Restorer, name: str) -> None:
    with pytest.raises(OptionError) as caught:
        restore_scene(source, folder / name, untouched)
    assert caught.value.code is ErrorCode.OPTION
    _assert_one_line(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"strength": 1.5},
        {"strength": float("nan")},
        {"bands": (1, 2)},
        {"bands": (1, 1, 2)},
        {"bands": ()},
        {"other_bands": "keep"},
        {"scale": 5},
        {"scale": 0},
        {"tile": 0},
        {"halo": -1},
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as caught:
        SceneOptions(**options)
    assert caught.value.code is ErrorCode.OPTION
    _assert_one_line(caught.value)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB, where the system lets us have one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.name == "posix" and os.geteuid() == 0
    mounted = (
        mounted
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False, capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_said_to_be_full_and_nothing_stays_on_it(
    tmp_path: Path, full_disk: Path, untouched: Restorer, suffix: str
) -> None:
    noise = np.random.default_rng(0).integers(1, 255, (3, 1200, 1300), dtype=np.uint8)
    source = write_raster(tmp_path / "noise.tif", noise, photometric="RGB")
    with pytest.raises(OutputError) as caught:
        restore_scene(source, full_disk / f"out{suffix}", untouched)
    assert caught.value.code is ErrorCode.DISK_FULL
    _assert_one_line(caught.value)
    assert list(full_disk.iterdir()) == []
