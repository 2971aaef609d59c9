"""A display for the windows, an engine for all tests, and small series to look at.

Where the program Xvfb is installed, windows are drawn on a virtual screen with a real OpenGL canvas; without it they
are drawn nowhere (offscreen), and the tests marked ``gl`` are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from napari_datprl.engine_process import EngineProcess
from napari_datprl.software_rendering import keep_programs
from napari_datprl.testing import settle

from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.weights import save_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.viewer import Viewer

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SCREEN = "1600x1000x24"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, or fail in CI, what needs a canvas where there is no screen to be had."""
    if shutil.which("Xvfb") or os.environ.get("DATPRL_REQUIRE_TOOLS"):
        return
    skip = pytest.mark.skip(reason="the program Xvfb is not installed (Debian package xvfb)")
    for item in items:
        if item.get_closest_marker("gl") is not None:
            item.add_marker(skip)


@pytest.fixture(scope="session", autouse=True)
def screen() -> Iterator[None]:
    """Start a screen that nobody sees, and keep napari's settings apart from the user's."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = f"{folder}/settings.yaml"
        program = shutil.which("Xvfb")
        if program is None:
            os.environ["QT_QPA_PLATFORM"] = "offscreen"
            yield
            return
        read, write = os.pipe()
        server = subprocess.Popen(
            [
                program,
                "-displayfd",
                str(write),
                "-screen",
                "0",
                SCREEN,
                "+extension",
                "GLX",
                "+render",
                "-nolisten",
                "tcp",
            ],
            pass_fds=[write],
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as told:
            os.environ["DISPLAY"] = f":{told.readline().strip()}"
        os.environ["QT_QPA_PLATFORM"] = "xcb"
        yield
        server.terminate()
        server.wait()


@pytest.fixture(scope="session")
def application(screen: None) -> object:
    """Give Qt its application only after the screen is there."""
    from napari.qt import get_qapp
    from npe2 import PluginManager

    PluginManager.instance().discover()
    return get_qapp()


@pytest.fixture
def model(application: object) -> ViewerModel:
    """A viewer without a window: enough for everything but what is seen."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture(scope="session")
def window(screen: None) -> Iterator[Viewer]:
    """One napari for all tests: it takes seconds to open."""
    import napari

    keep_programs()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1200, 800)
    yield viewer
    viewer.close()


@pytest.fixture
def viewer(window: Viewer) -> Iterator[Viewer]:
    """The window, empty again after each test."""
    yield window
    window.window.remove_dock_widget("all")
    window.layers.clear()
    settle()
    window.canvas.grid.enabled = False


@pytest.fixture(scope="session")
def engine() -> Iterator[EngineProcess]:
    """One engine for all tests: loading PyTorch takes longer than most of them."""
    process = EngineProcess()
    yield process
    process.close()


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of tiny random weights that claim every task."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    restorer = tiny_restorer()
    save_weights(path, restorer.network, restorer.card)
    return str(path)


@pytest.fixture
def ct_folder(tmp_path: Path) -> Path:
    write_synthetic_series(tmp_path / "ct", "CT", 5)
    return tmp_path / "ct"


@pytest.fixture
def pet_folder(tmp_path: Path) -> Path:
    write_synthetic_series(tmp_path / "pet", "PT", 5)
    return tmp_path / "pet"


@pytest.fixture
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data stand in ../shared, which is not here")
    return SHARED_DATA
