"""The threads of a job: one calls the network, the others read and write, and all end together."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from datprl_toolkit.remote_sensing import SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.testing import photograph, stub_restorer, write_raster

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from datprl_toolkit.restoring import Progress, Restorer

OPTIONS = SceneOptions(tile=64, halo=16)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scene of twelve shards, each of four tiles."""
    monkeypatch.setattr("datprl_toolkit.remote_sensing.plan.LARGEST_SHARD", 128)
    monkeypatch.setattr("datprl_toolkit.remote_sensing.context.SAMPLED_WHOLE", 2048)
    return write_raster(tmp_path / "scene.tif", photograph(3, 384, 512), photometric="RGB")


class Asked:
    """A restorer that keeps which threads call it and does something else at one of the calls."""

    def __init__(self, at: int = -1, error: BaseException | None = None) -> None:
        self._inner: Any = stub_restorer(0.1)
        self.threads: list[threading.Thread] = []
        self._at, self._error = at, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def restore_tiled(self, *arguments: Any, **options: Any) -> np.ndarray:
        self.threads.append(threading.current_thread())
        if len(self.threads) == self._at and self._error is not None:
            raise self._error
        answer: np.ndarray = self._inner.restore_tiled(*arguments, **options)
        return answer


def restore(source: Path, restorer: Asked, progress: Any = lambda progress: None) -> None:
    restore_scene(source, source.with_suffix(".zarr"), as_restorer(restorer), OPTIONS, progress, compared=False)


def as_restorer(asked: Any) -> Restorer:
    restorer: Restorer = asked
    return restorer


def test_the_network_is_called_by_the_thread_that_began(source: Path) -> None:
    asked = Asked()
    restore(source, asked)
    assert len(asked.threads) == 48
    assert set(asked.threads) == {threading.current_thread()}


@pytest.mark.parametrize("error", [ValueError("a number"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [1, 2, 7, 48])
def test_what_the_network_raises_ends_all_threads(source: Path, error: BaseException, at: int) -> None:
    before = set(threading.enumerate())
    with pytest.raises(type(error)):
        restore(source, Asked(at, error))
    assert set(threading.enumerate()) <= before
    assert not source.with_suffix(".zarr").exists()


@pytest.mark.parametrize("at", [1, 5, 40])
def test_what_another_thread_raises_ends_all_threads(source: Path, at: int) -> None:
    told = 0

    def cancel(progress: Progress) -> None:
        nonlocal told
        told += progress.step == "restoring"
        if told == at:
            raise RuntimeError("cancelled")

    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="cancelled"):
        restore(source, Asked(), cancel)
    assert set(threading.enumerate()) <= before
