"""What everything but the network costs, against a plain loop: as the benchmark measures it, on a smaller scene."""

from __future__ import annotations

import runpy
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from datprl_toolkit.remote_sensing.testing import photograph

if TYPE_CHECKING:
    from collections.abc import Callable

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_scene.py"
LIMIT = 1.2
ATTEMPTS = 5
PIECES = Namespace(tile=512, halo=32)


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    return runpy.run_path(str(BENCHMARK))


def test_without_a_network_a_scene_takes_the_time_of_a_loop_and_a_fifth_more_at_most(
    benchmark: dict[str, Any], tmp_path: Path
) -> None:
    """The least of several times is taken, of those in which a processor was busy: other programs only add to them."""
    source = tmp_path / "scene.tif"
    benchmark["write"](source, np.tile(photograph(3, 1024, 1024), (1, 2, 2)))
    ways: dict[str, Callable[..., Any]] = {name: benchmark[name] for name in ("one_after_the_other", "without_network")}
    least = dict.fromkeys(ways, float("inf"))
    for attempt in range(ATTEMPTS):
        for name, way in ways.items():
            took = way(source, tmp_path / f"{name}{attempt}.zarr", PIECES)
            least[name] = min(least[name], took.processor)
        if attempt and least["without_network"] <= LIMIT * least["one_after_the_other"]:
            break
    assert least["without_network"] <= LIMIT * least["one_after_the_other"]
