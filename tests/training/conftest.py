"""Small prepared data with every task, made in a moment, and a configuration that trains on them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from datprl_toolkit.network import NetworkConfig, PromptPoolConfig
from datprl_toolkit.training import TASKS, PreparedData, TrainingConfig
from datprl_toolkit.training.prepared import Source, ValidationSet, load_prepared, save_manifest, save_source
from datprl_toolkit.training.prepared import save_validation as save_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POOL = PromptPoolConfig(size=5, top_k=2, dimension=16)
NETWORK = NetworkConfig(
    backbone="nafnet",
    width=8,
    encoder_blocks=(1,),
    middle_blocks=1,
    decoder_blocks=(1,),
    refinement_blocks=0,
    heads=(),
    task_pool=POOL,
    domain_pool=replace(POOL, top_k=3),
)
CONFIG = TrainingConfig(
    NETWORK,
    steps=8,
    batch_size=10,
    crop=16,
    learning_rate=1e-3,
    precision="float32",
    validate_every=100,
    checkpoint_every=100,
    log_every=4,
)


def sources() -> dict[str, Source]:
    """Every source that the nine tasks draw from, two images each."""
    generator = np.random.default_rng(0)

    def colour(height: int = 40, width: int = 48) -> Any:
        return [generator.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(2)]

    def grey(height: int = 40, width: int = 48) -> Any:
        return [generator.integers(0, 256, (height, width), dtype=np.uint8) for _ in range(2)]

    def words() -> Any:
        return [generator.integers(0, 65536, (32, 32), dtype=np.uint16) for _ in range(2)]

    def pairs(name: str, make: Any) -> Source:
        return Source(name, {"clean": make(), "degraded": make()})

    hu = [generator.integers(-160, 240, (32, 32)).astype(np.int16) for _ in range(2)]
    noise = [generator.normal(0, 20, (3, 2, 32, 32)).astype(np.float16) for _ in range(2)]
    suv = [generator.uniform(0, 12, (32, 32)).astype(np.float32) for _ in range(2)]
    counts = [generator.uniform(0, 12, (3, 2, 32, 32)).astype(np.float32) for _ in range(2)]
    kernels = [np.full((5, 5), 1 / 25, np.float32) for _ in range(2)]
    made = [
        *(
            pairs(name, colour)
            for name in ("photos", "rain", "remote_roads", "remote_scenes", "rice1", "rice2", "rice2_seasons")
        ),
        pairs("remote_tiles", lambda: colour(12, 12)),
        pairs("mri", words),
        pairs("shake_pairs", words),
        Source("rain_layers_real", {"layer": grey()}),
        Source("rain_layers_simulated", {"layer": grey()}),
        Source("shake_kernels", {"kernel": kernels}),
        Source("sky_fields", {"opacity": grey(), "depth": grey()}),
        Source("ct", {"clean": hu, "noise": noise}),
        Source("pet", {"clean": suv, "degraded": counts}),
    ]
    return {source.name: source for source in made}


def validation() -> dict[str, ValidationSet]:
    """Three pairs for each task: grey for the medical ones."""
    generator = np.random.default_rng(1)
    sets = {}
    for task in TASKS:
        shape = (21, 18) if task.split("_", maxsplit=1)[0] in ("mri", "ct", "pet") else (21, 18, 3)
        targets = tuple(generator.random(shape).astype(np.float32) for _ in range(3))
        inputs = tuple((0.9 * target).astype(np.float32) for target in targets)
        sets[task] = ValidationSet(task, ("a", "b", "c"), inputs, targets)
    return sets


def prepared(folder: Path) -> PreparedData:
    """Write all of it to a folder and read it back."""
    manifest: dict[str, Any] = {"sources": {}, "validation": {}}
    for name, source in sources().items():
        manifest["sources"][name] = save_source(folder, source)
    for task, pairs in validation().items():
        manifest["validation"][task] = save_pairs(folder, pairs)
    save_manifest(folder, manifest)
    return load_prepared(folder)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of prepared data."""
    path = tmp_path_factory.mktemp("prepared")
    prepared(path)
    return path


@pytest.fixture(scope="session")
def data(folder: Path) -> PreparedData:
    """Return the prepared data of that folder."""
    return load_prepared(folder)


@pytest.fixture
def config() -> TrainingConfig:
    """Return settings for a tiny network and eight steps."""
    return CONFIG


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: tiny networks are slower with several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
