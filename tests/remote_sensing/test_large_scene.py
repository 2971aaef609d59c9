"""A scene of 900 megapixels of which hardly any is data: what is left is reading, noting, and going on."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("sparse_scene.py")
SHARDS = 15 * 15


def checksums(store: Path) -> dict[str, str]:
    files = (path for path in store.rglob("*") if path.is_file())
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.timeout(900)  # it takes twenty seconds of a processor, which may have much else to do
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells and forgets the peak")
def test_memory_does_not_grow_with_the_scene_and_a_run_killed_three_times_gives_the_same_files(tmp_path: Path) -> None:
    counts = sorted(random.sample(range(1, SHARDS - 10), 3))
    command = [sys.executable, str(PROGRAM), str(tmp_path), *map(str, counts)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    *killed, (resumed,), (small, _), (large, summary) = map(json.loads, told)
    assert [signal for signal, _ in killed] == [9, 9, 9]
    finished = [count for _, count in killed]
    assert all(wanted <= found < SHARDS for wanted, found in zip(counts, finished, strict=True))
    assert f"{finished[-1]} of {SHARDS} shards were finished earlier" in resumed
    assert checksums(tmp_path / "killed.zarr") == checksums(tmp_path / "30000.zarr")
    assert "30000 x 30000 pixels restored" in summary
    # How the threads' heaps lie beside each other makes some per cent; the scenes differ by far more than that.
    assert large <= 1.2 * small
    assert large <= 1536  # MiB
