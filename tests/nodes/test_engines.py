"""One node as a step of Snakemake and of a CWL runner, with the real programs where they are installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.remote_sensing import Scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.weights import FOLDER_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

ENGINES = Path(__file__).parent.parent.parent / "nodes" / "examples" / "engines"


@pytest.fixture
def engine(weights_folder: Path) -> Callable[..., str]:
    """Run a workflow engine with our program on its path; skip without the engine."""

    def run(*command: str | Path) -> str:
        if shutil.which(str(command[0])) is None:
            message = f"the program '{command[0]}' is not installed"
            if os.environ.get("DATPRL_REQUIRE_TOOLS"):
                pytest.fail(message)
            pytest.skip(message)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, FOLDER_VARIABLE: str(weights_folder)}
        result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    (tmp_path / "scenes").mkdir()
    for seed, name in enumerate(("one", "two")):
        write_raster(tmp_path / "scenes" / f"{name}.tif", photograph(3, 40, 50, seed=seed))
    return tmp_path / "scenes"


def expected(scene: Path, folder: Path) -> bytes:
    """Return the pixels that the function itself gives."""
    from datprl_toolkit.remote_sensing import restore_scene

    restore_scene(scene, folder / "expected.tif", tiny_restorer())
    return pixels(folder / "expected.tif")


def pixels(path: Path) -> bytes:
    from datprl_toolkit.remote_sensing.windows import whole

    scene = Scene.open(path)
    with scene.reader() as reader:
        return np.ascontiguousarray(reader.read((1, 2, 3), whole(scene.grid.shape)).values).tobytes()


def test_snakemake_runs_a_node_for_each_scene(engine: Callable[..., str], scenes: Path, tmp_path: Path) -> None:
    snakefile = ("--snakefile", ENGINES / "Snakefile", "--directory", tmp_path / "out")
    engine("snakemake", *snakefile, "--cores", "1", "--config", f"scenes={scenes}", "weights=tiny")
    assert {path.name for path in (tmp_path / "out").glob("[!.]*.*")} == {"one.tif", "one.png", "two.tif", "two.png"}
    assert pixels(tmp_path / "out" / "two.tif") == expected(scenes / "two.tif", tmp_path)


def test_a_cwl_runner_runs_a_node_as_a_tool(
    engine: Callable[..., str], scenes: Path, tmp_path: Path, weights_folder: Path
) -> None:
    tool = ("--outdir", tmp_path / "out", ENGINES / "restore_scene.cwl")
    chosen = ("--scene", scenes / "one.tif", "--weights", "tiny", "--weights_folder", weights_folder)
    made = json.loads(engine("cwltool", "--preserve-environment", "PATH", *tool, *chosen))
    assert made["restored"]["basename"] == "restored.tif"
    assert pixels(tmp_path / "out" / "restored.tif") == expected(scenes / "one.tif", tmp_path)
