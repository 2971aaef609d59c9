"""The same scene on a cluster: the same bits, also when a worker is lost on the way."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.batch import restore_batch
from datprl_toolkit.remote_sensing.batch_sources import find_scenes
from datprl_toolkit.remote_sensing.cluster import connected
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.remote_sensing.windows import whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distributed import Client

    from datprl_toolkit.restoring import Progress, Restorer

# Closing processes and sockets is the business of Dask, which warns of some of it.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Two processes with a nanny each, which starts a worker again that was lost."""
    from datprl_toolkit.restoring.testing import identity_restorer

    with connected("local:2", identity_restorer()) as started:
        yield started.client


def checksum(path: Path) -> str:
    scene = Scene.open(path)
    with scene.reader() as reader:
        pixels = reader.read([band.number for band in scene.bands], whole(scene.grid.shape))
    return hashlib.sha256(np.ascontiguousarray(pixels.values).tobytes()).hexdigest()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    values = photograph(3, 250, 500, "uint16")
    values[:, :40, :50] = 0
    return write_raster(tmp_path / "scene.tif", values, nodata=0, photometric="RGB", tiled=True)


def test_a_cluster_gives_the_bits_of_threads_even_if_a_worker_is_killed(
    tmp_path: Path, source: Path, tiny: Restorer, cluster: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datprl_toolkit.remote_sensing.plan.LARGEST_SHARD", 128)
    straight = restore_scene(source, tmp_path / "straight.zarr", tiny, SceneOptions(tile=64, halo=16)).output
    address = cluster.scheduler.address  # type: ignore[union-attr]
    remote = SceneOptions(tile=64, halo=16, cluster=address)
    undisturbed = restore_scene(source, tmp_path / "undisturbed.tif", tiny, remote).output
    assert checksum(undisturbed) == checksum(straight)
    processes = list(cluster.run(os.getpid).values())
    killed = threading.Event()

    def kill_one(told: Progress) -> None:
        if told.step == "restoring" and not killed.is_set():
            killed.set()
            os.kill(processes[0], signal.SIGKILL)

    output = restore_scene(source, tmp_path / "out.zarr", tiny, remote, kill_one).output
    assert killed.is_set()
    assert checksum(output) == checksum(straight)


def test_nobody_at_the_address_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datprl_toolkit.remote_sensing.cluster._ANSWER_SECONDS", 1)
    from datprl_toolkit.restoring.testing import identity_restorer

    with pytest.raises(DatprlError) as caught, connected("tcp://127.0.0.1:9", identity_restorer()):
        pass
    assert caught.value.code is ErrorCode.OPTION
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["local", "local:0", "host:8786", "tcp:/x"])
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(DatprlError) as caught:
        SceneOptions(cluster=address)
    assert caught.value.code is ErrorCode.OPTION


def test_an_error_on_a_worker_is_the_error_of_the_job(tmp_path: Path, tiny: Restorer, cluster: Client) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(1, 700, 700), tiled=True, compress="DEFLATE")
    content = source.read_bytes()
    address = cluster.scheduler.address  # type: ignore[union-attr]

    def damage(told: Progress) -> None:
        if told.step == "computing context":
            source.write_bytes(content[: len(content) // 2])

    options = SceneOptions(tile=64, halo=16, cluster=address)
    with pytest.raises(DatprlError) as caught:
        restore_scene(source, tmp_path / "out.zarr", tiny, options, damage)
    assert caught.value.code is ErrorCode.CORRUPT
    assert not (tmp_path / "out.zarr").exists()


def test_a_batch_with_a_shared_context_is_the_same_on_a_cluster(
    tmp_path: Path, source: Path, tiny: Restorer, cluster: Client
) -> None:
    other = write_raster(tmp_path / "other.tif", photograph(3, 100, 90, "uint16", seed=1), photometric="RGB")
    address = cluster.scheduler.address  # type: ignore[union-attr]
    options = SceneOptions(tile=64, halo=16, scaling="minmax:0,10000")
    found: list[list[str]] = []
    for name, place in (("here", None), ("there", address)):
        chosen = replace(options, cluster=place)
        outcome = restore_batch(
            find_scenes([source, other]), tmp_path / name, tiny, chosen, form="zarr", shared_context=True
        )
        assert outcome.done == ("scene", "other")
        found.append([checksum(tmp_path / name / f"{scene}.zarr") for scene in outcome.done])
    assert found[0] == found[1]
