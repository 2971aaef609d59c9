"""The pages on training and evaluation: a new user can follow them, from the first block to the last."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["training.md", "evaluate.md"])
def test_the_commands_of_a_page_run_in_their_order(page: str, tmp_path: Path) -> None:
    pytest.importorskip("wordllama")
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    script = "set -eu\n" + "\n".join(blocks(page, "sh"))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    result = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    assert result.returncode == 0, f"{result.stdout[-1500:]}\n{result.stderr[-1500:]}"
    assert "Traceback" not in result.stderr
    expected = {
        "training.md": ("training/run/mine.safetensors", "training/explained/selection.png"),
        "evaluate.md": ("evaluate/figures/images.csv", "evaluate/sets.yaml"),
    }[page]
    for name in expected:
        assert (tmp_path / "demo" / name).is_file()
    if page == "training.md":
        assert "10 training and 2 test images" in result.stdout
        assert "measured here" in result.stdout
        assert "10 features written" in result.stdout
        assert "10 text features" in result.stdout
