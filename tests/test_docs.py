"""The pages of the documentation: a user can follow each, from the first block to the last."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.forking_commands import write_clients

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
FOLDERS = ("recipes", "nodes", "benchmarks", "docs")
WITHOUT_BLOCKS = {"odd_files.md", "readers.md"}
LEAVES = {
    "batch.md": "demo/restored_tiles.zarr",
    "training.md": "demo/training/run/mine.safetensors",
    "evaluate.md": "demo/evaluate/figures/images.csv",
    "workflows.md": "demo/trial/scores.csv",
}
"""What some pages promise to leave behind."""

RUNNER = """
import subprocess, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")

for path in sorted(Path(sys.argv[1]).iterdir()):
    print("block", path.name, flush=True)
    if path.suffix == ".sh":
        subprocess.run(["bash", "-eu", str(path)], check=True)
    else:
        exec(compile(path.read_text(), path.name, "exec", dont_inherit=True), globals())
"""


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the blocks that can be run, with their language."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```(sh|python)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def make_demo_inputs(folder: Path) -> None:
    """Make, small and synthetic, what `make demo` lays down under these names."""
    from pydicom.data import get_testdata_file

    from datprl_toolkit.remote_sensing.testing import photograph, write_raster

    folder.mkdir()
    (folder / "ct").mkdir()
    shutil.copy(str(get_testdata_file("CT_small.dcm")), folder / "ct" / "slice.dcm")
    colours = ["blue", "green", "red"]
    write_raster(folder / "landsat.tif", photograph(3, 128, 160, dtype="uint16"), nodata=0, descriptions=colours)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the PATH, with the commands of the pages."""
    folder = tmp_path_factory.mktemp("commands")
    address = str(folder / "socket")
    write_clients(folder / "bin", address)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.forking_commands", address]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield folder / "bin"
        server.kill()


def test_only_pages_of_results_have_nothing_to_run() -> None:
    assert {page for page in PAGES if not blocks(page)} == WITHOUT_BLOCKS


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in PAGES if page not in WITHOUT_BLOCKS])
def test_the_blocks_of_a_page_run_in_their_order(page: str, commands: Path, tmp_path: Path) -> None:
    for name in FOLDERS:
        (tmp_path / name).symlink_to(ROOT / name)
    make_demo_inputs(tmp_path / "demo")
    (tmp_path / "blocks").mkdir()
    for number, (language, text) in enumerate(blocks(page)):
        suffix = "sh" if language == "sh" else "py"
        (tmp_path / "blocks" / f"{number:02}.{suffix}").write_text(text, encoding="utf-8")
    (tmp_path / "run.py").write_text(RUNNER, encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "OMP_NUM_THREADS": "1",
        "QT_QPA_PLATFORM": "offscreen",
        "MPLBACKEND": "Agg",
    }
    command = [sys.executable, "run.py", "blocks"]
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert result.returncode == 0, f"{result.stdout[-1500:]}\n{result.stderr[-1500:]}"
    assert "Traceback" not in result.stderr
    if page in LEAVES:
        assert (tmp_path / LEAVES[page]).exists()
