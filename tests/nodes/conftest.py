"""A package of nodes that somebody else wrote, installed for one test, and a picture to run them on."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest
from PIL import Image

from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.weights import FOLDER_VARIABLE, save_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACME = '''
from __future__ import annotations
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from pydantic import Field
from datprl_nodes import Job, Node
from datprl_toolkit.images.picture import Picture
from datprl_toolkit.metrics.report import Report


class Brighten(Node):
    """Add grey levels to a picture."""

    title: ClassVar[str] = "Brighten"
    amount: int = Field(default=10, ge=0, le=255, description="Grey levels.", json_schema_extra={"unit": "grey levels"})

    def run(self, *, picture: Picture, job: Job) -> Picture:
        if self.amount > 200:
            job.warn("W_BRIGHT: very bright")
        darkened = picture.pixels.clip(0, 255 - self.amount)
        return replace(picture, pixels=darkened + darkened.dtype.type(self.amount))


class Measure(Node):
    """Take the mean of a picture, unless a file called STOP lies in the present folder."""

    def run(self, *, picture: Picture) -> Report:
        if Path("STOP").exists():
            raise RuntimeError("somebody put a\\nSTOP there")
        return Report("mean", ("mean",), (("picture", (float(picture.pixels.mean()),)),))


class Wrong(Node):
    """Declares a Report and gives a Picture."""

    def run(self, *, picture: Picture) -> Report:
        return picture
'''
ENTRY_POINTS = """[datprl.nodes]
acme_brighten = acme_nodes:Brighten
acme_measure = acme_nodes:Measure
acme_wrong = acme_nodes:Wrong
acme_broken = acme_nodes:NotThere
"""


class Install(Protocol):
    """Installs a module with entry points, as pip would."""

    def __call__(self, module: str, code: str, entry_points: str) -> Path: ...


@pytest.fixture
def install(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install packages for one test."""
    installed = []

    def write(module: str, code: str, entry_points: str) -> Path:
        folder = tmp_path_factory.mktemp("site-packages")
        (folder / f"{module}.py").write_text(code, encoding="utf-8")
        metadata = folder / f"{module}-1.0.dist-info"
        metadata.mkdir()
        name = module.replace("_", "-")
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        (metadata / "entry_points.txt").write_text(entry_points, encoding="utf-8")
        monkeypatch.syspath_prepend(folder)
        installed.append(module)
        return folder

    yield write
    for module in installed:
        sys.modules.pop(module, None)
    importlib.invalidate_caches()


@pytest.fixture
def acme(install: Install) -> Path:
    """Install a package that offers nodes, some of them faulty; return where."""
    return install("acme_nodes", ACME, ENTRY_POINTS)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Write a small picture."""
    path = tmp_path / "in.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 100, (24, 32), dtype=np.uint8)).save(path)
    return path


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    restorer = tiny_restorer()
    save_weights(folder / "tiny.safetensors", restorer.network, restorer.card)
    return folder


@pytest.fixture
def tiny_weights(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make tiny weights known by name, here and in the processes that are started from here."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(weights_folder))
    return "tiny"
