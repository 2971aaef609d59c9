"""Whoever restores from the command line does not pay for MONAI and TorchIO."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from datprl_toolkit.medical.testing import Modality

HEAVY = "{'monai', 'torchio', 'ignite', 'highdicom'} & set(sys.modules)"


def loaded(code: str) -> str:
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(sorted({HEAVY}))"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()[-1]


def test_restoring_a_series_imports_neither(series: Callable[[Modality], Path], tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from datprl_toolkit.jobs import restore\n"
        f"restore(Path({str(series('CT'))!r}), Path({str(tmp_path / 'out')!r}))"
    )
    assert loaded(code) == "[]"
    assert (tmp_path / "out" / "0001.dcm").exists()


def test_the_room_itself_imports_neither() -> None:
    assert loaded("import datprl_toolkit.transforms") == "[]"
