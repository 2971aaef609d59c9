"""Who is told what happens in a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datprl_toolkit.remote_sensing.batch_manifest import BatchRecord
    from datprl_toolkit.remote_sensing.batch_sources import BatchScene
    from datprl_toolkit.restoring import Outcome, Progress


class BatchWatcher(Protocol):
    """Is told what happens in a batch; an exception that it raises cancels the batch."""

    def planned(self, scenes: Sequence[BatchScene], skipped: Sequence[BatchScene]) -> None:
        """Take note of all scenes, and of those among them that an earlier run finished."""

    def started(self, scene: BatchScene) -> None:
        """Take note that a scene is begun."""

    def progress(self, scene: BatchScene, progress: Progress) -> None:
        """Take note of how far a scene is."""

    def finished(self, scene: BatchScene, record: BatchRecord, outcome: Outcome | None) -> None:
        """Take note of what became of a scene; there is no outcome if it failed."""


class SilentWatcher:
    """Tells nobody."""

    def planned(self, scenes: Sequence[BatchScene], skipped: Sequence[BatchScene]) -> None:
        """Do nothing."""

    def started(self, scene: BatchScene) -> None:
        """Do nothing."""

    def progress(self, scene: BatchScene, progress: Progress) -> None:
        """Do nothing."""

    def finished(self, scene: BatchScene, record: BatchRecord, outcome: Outcome | None) -> None:
        """Do nothing."""


class Teller:
    """Passes progress on, and remembers whether the watcher cancelled the batch."""

    def __init__(self, watcher: BatchWatcher, scene: BatchScene) -> None:
        self.cancelled = False
        self._watcher = watcher
        self._scene = scene

    def __call__(self, progress: Progress) -> None:
        """Pass progress on; what the watcher raises goes through."""
        try:
            self._watcher.progress(self._scene, progress)
        except BaseException:
            self.cancelled = True
            raise
