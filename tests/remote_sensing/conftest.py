from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from datprl_toolkit.remote_sensing.testing import stub_restorer
from datprl_toolkit.restoring.testing import tiny_restorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from datprl_toolkit.restoring import Restorer

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def untouched() -> Restorer:
    return stub_restorer()


@pytest.fixture
def brighter() -> Restorer:
    return stub_restorer(gain=0.125)


@pytest.fixture(scope="session")
def tiny() -> Restorer:
    return tiny_restorer()


@pytest.fixture
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared data are not beside the repository")
    return SHARED_DATA


@pytest.fixture
def run_tool() -> Callable[..., str]:
    """Run a program of the system; skip without it, or fail where DATPRL_REQUIRE_TOOLS says that it must be there."""

    def run(*command: str) -> str:
        if shutil.which(command[0]) is None:
            message = f"the program '{command[0]}' is not installed"
            if os.environ.get("DATPRL_REQUIRE_TOOLS"):
                pytest.fail(message)
            pytest.skip(message)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    return run
