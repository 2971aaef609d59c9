from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from datprl_toolkit.medical.testing import Modality, write_synthetic_series
from datprl_toolkit.restoring.testing import tiny_restorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from datprl_toolkit.restoring import Restorer

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            # MONAI warns of a decoder that nobody asked for whenever its loader is made.
            item.add_marker(pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader:UserWarning"))


@pytest.fixture(scope="session")
def tiny() -> Restorer:
    return tiny_restorer()


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Modality], Path]:
    """Return the folder of a synthetic series of a modality."""
    root = tmp_path_factory.mktemp("series")

    def write(modality: Modality) -> Path:
        if not (root / modality).exists():
            write_synthetic_series(root / modality, modality)
        return root / modality

    return write
