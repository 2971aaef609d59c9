from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import pytest

from datprl_toolkit.restoring.testing import identity_restorer, tiny_restorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from datprl_toolkit.restoring import Restorer

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def identity() -> Restorer:
    return identity_restorer()


@pytest.fixture(scope="session")
def tiny() -> Restorer:
    return tiny_restorer()


class Dimmer:
    """Stands in for a restorer where only speed matters: changes every value a little, at once."""

    task: str | None = None
    self_ensemble = False
    arithmetic = "float32"

    def __init__(self) -> None:
        self.card = identity_restorer().card

    def given(self, task: str | None) -> Dimmer:
        return self

    def context(self, images: npt.NDArray[np.float32]) -> object:
        assert images.ndim == 4
        return self

    def restore_batch(self, images: npt.NDArray[np.float32], context: object) -> npt.NDArray[np.float32]:
        dimmed: npt.NDArray[np.float32] = np.clip(images * 0.9 + 0.05, 0, 1).astype(np.float32)
        return dimmed


@pytest.fixture(scope="session")
def dimmer() -> Restorer:
    return cast("Restorer", Dimmer())


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Find a program; skip without it, or fail where DATPRL_REQUIRE_TOOLS says that it must be there."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is not None:
            return path
        message = f"the program {name} is not installed (Debian packages dicom3tools, dcmtk, dcm2niix)"
        if os.environ.get("DATPRL_REQUIRE_TOOLS"):
            pytest.fail(message)
        pytest.skip(message)

    return find


@pytest.fixture(scope="session")
def dciodvfy_errors(tool: Callable[[str], str]) -> Callable[[Path], frozenset[str]]:
    """Return what dciodvfy calls an error in a file."""
    program = tool("dciodvfy")

    def errors(path: Path) -> frozenset[str]:
        result = subprocess.run([program, str(path)], capture_output=True, text=True, errors="replace", check=False)
        return frozenset(line for line in result.stderr.splitlines() if line.startswith("Error"))

    return errors


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data beside the repository are not there ({SHARED_DATA})")
    return SHARED_DATA
