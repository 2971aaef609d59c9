"""Freed memory is kept from call to call, and given back in the end."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

GNU = platform.libc_ver()[0] == "glibc"
PROGRAM = """
import json, resource, sys
import numpy as np
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.restoring import memory, restorer as module

if sys.argv[1] == "new":
    module.keep_freed_memory = lambda: None
restorer = Restorer.from_pretrained("small", device="cpu")
image = np.zeros((1, 3, 256, 256), np.float32)


def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def held():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))


def faults_of_a_call():
    before = pages()
    restorer.restore_batch(image)
    return pages() - before


for _ in range(3):
    restorer.restore_batch(image)
faults, kept = [faults_of_a_call() for _ in range(4)], held()
memory.release_freed_memory()
print(json.dumps([faults, kept - held()]))
"""


def measured(way: str) -> tuple[list[int], int]:
    """Return the new pages that each of several calls takes, and the KiB that are given back in the end."""
    told = subprocess.run([sys.executable, "-c", PROGRAM, way], check=True, capture_output=True, text=True)
    faults, given_back = json.loads(told.stdout)
    return faults, given_back


@pytest.mark.skipif(not GNU, reason="only the C library of GNU is told what to keep")
def test_a_call_works_in_the_pages_of_the_last_and_gives_them_back_when_it_is_told() -> None:
    (kept, given_back), (new, _) = measured("kept"), measured("new")
    # Now and then a thread takes a huge page for itself, or the library keeps all by itself, whichever way it is told.
    assert min(kept) < max(new) / 4
    assert given_back > 4 * 1024
