"""One step at a time on each device, so that two networks do not share its memory."""

from __future__ import annotations

import getpass
import re
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INTERVAL = 0.2  # seconds between two looks at a device that is in use

_LOCKS: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


@contextmanager
def device_alone(device: str, told: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Wait until nobody else has the device, and have it until the block ends.

    The processor is shared by the steps of one process only; any other device by everything that this user runs on
    the machine. The operating system gives a device back when a process dies, so that a killed run blocks nobody.

    Parameters
    ----------
    device
        Name of a device of PyTorch: "cpu", "cuda:0".
    told
        Called again and again while waiting; an exception that it raises ends the wait.
    """
    lock = _LOCKS[device]
    while not lock.acquire(timeout=INTERVAL):
        told()
    try:
        if device == "cpu":
            yield
            return
        name = re.sub(r"[^a-z0-9]+", "-", f"{getpass.getuser()}-{device}".lower())
        with (Path(tempfile.gettempdir()) / f"datprl-device-{name}.lock").open("a") as file:
            while not _locked(file):
                told()
                time.sleep(INTERVAL)
            yield
    finally:
        lock.release()


def _locked(file: IO[str]) -> bool:
    """Try to lock a file against other processes; True where the system has no such locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
