"""The process that holds the network: it reads requests from its standard input and answers on its standard output.

Started by :mod:`napari_datprl.engine_process`; PyTorch is imported here and never in the process of the window.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from napari_datprl.messages import (
    Advanced,
    Cancel,
    Cancelled,
    Failed,
    Finished,
    ListWeights,
    MapUncertainty,
    Network,
    ReadPrompts,
    Reply,
    Request,
    RestoreArray,
    RestoreTiles,
    RestoreVolume,
    RunNode,
    RunWorkflow,
    WriteScene,
    WriteSeries,
)

if TYPE_CHECKING:
    from torch import nn

    from datprl_toolkit.errors import DatprlError
    from datprl_toolkit.restoring import Progress, Restorer


NICENESS = 10  # above the window's, which keeps answering its user while the engine takes all that is left


class StoppedOnRequest(KeyboardInterrupt):
    """The user pressed Cancel; to whatever is running it is what Ctrl+C is on the command line."""


class Engine:
    """Does one request after another and keeps the network that was used last.

    Parameters
    ----------
    send
        Called with every reply.
    """

    def __init__(self, send: Callable[[Reply], None]) -> None:
        self.send = send
        self.stopped = threading.Event()
        self._network: Network | None = None
        self._restorer: Restorer | None = None

    def handle(self, request: Request) -> None:
        """Do what is asked; whatever goes wrong is one reply of one line."""
        try:
            result = self._run(request)
        except StoppedOnRequest:
            self.send(Cancelled())
        except BaseException as error:  # whatever it is, the engine stays alive for the next request
            self.send(Failed(_explained(error)))
        else:
            self.send(Finished(result))

    def _run(self, request: Request) -> object:
        from napari_datprl import engine_work as work

        does: dict[type, Callable[[Engine, Any], object]] = {
            RestoreVolume: work.restore_volume,
            RestoreArray: work.restore_array,
            RestoreTiles: work.restore_tiles,
            MapUncertainty: work.map_uncertainty,
            WriteSeries: work.write_series,
            WriteScene: work.write_scene,
            ReadPrompts: work.read_prompts,
            RunNode: work.run_node,
            RunWorkflow: work.run_workflow,
            ListWeights: work.list_weights,
        }
        return does[type(request)](self, request)

    def restorer(self, network: Network) -> Restorer:
        """Return the network that is asked for, loaded once."""
        if self._restorer is None or self._network != network:
            self.send(Advanced("loading the network", 0, 1, "networks"))
            from datprl_toolkit.restoring import Restorer

            # Two networks at once may not fit into the memory of a device.
            self._restorer = None
            self._restorer = Restorer.from_pretrained(
                network.weights,
                device=network.device,
                task=network.task or None,
                self_ensemble=network.self_ensemble,
            )
            self._network = network
        self.check()
        return self._restorer

    def progress(self, progress: Progress) -> None:
        """Pass progress on; the callback that every job of the toolkit takes."""
        self.check()
        self.send(Advanced(progress.step, progress.done, progress.total, progress.unit))

    def check(self) -> None:
        """Raise if the work is to be stopped."""
        if self.stopped.is_set():
            raise StoppedOnRequest

    @contextmanager
    def interruptible(self, network: nn.Module) -> Iterator[None]:
        """Stop between any two layers of the network, so that Cancel does not wait for a large slice or tile."""
        handles = [
            module.register_forward_pre_hook(lambda *_: self.check())
            for module in network.modules()
            if next(module.children(), None) is not None
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _explained(error: BaseException) -> DatprlError:
    """Return an error of ours as it is, and any other as one line with a code."""
    from datprl_toolkit.errors import DEBUG_VARIABLE, ErrorCode, explained

    said = explained(error)
    if said.code == ErrorCode.INTERNAL and os.environ.get(DEBUG_VARIABLE):
        import traceback

        traceback.print_exception(error)
    return said


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until the other end is closed."""
    waiting: queue.Queue[Request | None] = queue.Queue()

    def send(reply: Reply) -> None:
        pickle.dump(reply, replies, protocol=pickle.HIGHEST_PROTOCOL)
        replies.flush()

    engine = Engine(send)
    reader = threading.Thread(target=_receive, args=(requests, waiting, engine.stopped), daemon=True)
    reader.start()
    # Whoever closes the window does not wait for the work in hand: its last word finds nobody.
    with suppress(BrokenPipeError):
        while (request := waiting.get()) is not None:
            engine.handle(request)


def _receive(requests: BinaryIO, waiting: queue.Queue[Request | None], stopped: threading.Event) -> None:
    """Pass requests on; a cancellation overtakes whatever is being done."""
    while True:
        try:
            request = pickle.load(requests)
        except EOFError:
            # The window is gone: nobody waits for the work in hand.
            stopped.set()
            waiting.put(None)
            return
        if isinstance(request, Cancel):
            stopped.set()
        else:
            # Here and not where it is done: a cancellation that comes right behind it must not be lost.
            stopped.clear()
            waiting.put(request)


def _give_way() -> None:
    """Take the processor after the window, which answers its user first where both want it."""
    # Windows knows no niceness; there the window's own thread is preferred by the system while it is in front.
    if hasattr(os, "nice"):
        os.nice(NICENESS)


def main() -> None:
    """Serve on the standard streams; whatever a library prints goes to the error stream instead."""
    _give_way()
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, replies)
    with suppress(BrokenPipeError):
        replies.close()


if __name__ == "__main__":
    main()
