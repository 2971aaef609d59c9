"""A place for what nodes make in an application that keeps values in memory and asks for them later."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path


def new_folder() -> Path:
    """Return an empty folder; it goes when the process ends, since lazy values read what lies in it until then."""
    return Path(tempfile.mkdtemp(dir=_session()))


@cache
def _session() -> str:
    folder = tempfile.mkdtemp(prefix="datprl-nodes-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
