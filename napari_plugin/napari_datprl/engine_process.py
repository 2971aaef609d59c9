"""The window's end of the engine: one process, started when it is first needed and kept warm."""

from __future__ import annotations

import atexit
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from napari_datprl.messages import (
    LAST_REPLIES,
    Cancel,
    Cancelled,
    Failed,
    Reply,
    Request,
    RunNode,
    RunWorkflow,
    WriteScene,
    WriteSeries,
)

if TYPE_CHECKING:
    from datprl_toolkit.errors import DatprlError

PATIENCE = 2.0  # seconds that the engine has to stop by itself before it is ended
LONG_PATIENCE = 120.0  # where it writes files: it is given the time to take away what is half-written
WRITING = (RunNode, RunWorkflow, WriteScene, WriteSeries)


class EngineProcess:
    """Sends requests to the engine and yields its replies; one request at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._working = threading.Lock()
        self._writing = threading.Lock()
        self._cancelled = threading.Event()
        self._patience = PATIENCE

    @property
    def is_working(self) -> bool:
        """Whether a request is being answered."""
        return self._working.locked()

    def ask(self, request: Request) -> Iterator[Reply]:
        """Yield what the engine says to a request, up to and including its last word.

        The last reply is always ``Finished``, ``Cancelled`` or ``Failed``, whatever becomes of the process.
        Blocks while the engine works: call it from a thread that is not the window's.
        """
        with self._working:
            self._cancelled.clear()
            self._patience = LONG_PATIENCE if isinstance(request, WRITING) else PATIENCE
            try:
                replies = self._send(request)
                while True:
                    reply: Reply = pickle.load(replies)
                    yield reply
                    if isinstance(reply, LAST_REPLIES):
                        return
            except (EOFError, OSError, pickle.UnpicklingError):
                self.close()
                yield Cancelled() if self._cancelled.is_set() else Failed(_ended())

    def cancel(self) -> None:
        """Stop the work in hand; an engine that does not stop soon is ended, and the next request starts another."""
        process = self._process
        if process is None or not self.is_working:
            return
        self._cancelled.set()
        timer = threading.Timer(self._patience, self._end_if_still_working, args=(process,))
        timer.daemon = True
        timer.start()
        try:
            with self._writing:
                self._write(process, Cancel())
        except OSError:
            return

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                _close_quietly(stream)

    def _send(self, request: Request) -> BinaryIO:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "napari_datprl.engine"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            atexit.register(self.close)
        process = self._process
        with self._writing:
            self._write(process, request)
        assert process.stdout is not None
        return process.stdout  # type: ignore[return-value]

    def _write(self, process: subprocess.Popen[bytes], request: Request) -> None:
        assert process.stdin is not None
        pickle.dump(request, process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()

    def _end_if_still_working(self, process: subprocess.Popen[bytes]) -> None:
        if self._cancelled.is_set() and self.is_working and process is self._process:
            process.kill()


def _close_quietly(stream: object) -> None:
    try:
        stream.close()  # type: ignore[attr-defined]
    except OSError:
        return


def _ended() -> DatprlError:
    """Return the error for an engine that went away: systems end processes without a word when memory runs out."""
    from datprl_toolkit.errors import ErrorCode, ResourceError

    return ResourceError(
        ErrorCode.MEMORY,
        "the process that restores was ended by the system, most likely because memory ran out",
        remedy="Close other programs, or use smaller weights",
    )


ENGINE = EngineProcess()
"""The engine that all widgets of this napari share: a second network would need memory of its own."""
