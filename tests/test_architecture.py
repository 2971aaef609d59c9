"""The house: imports between rooms go one way, and a light import stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "datprl_toolkit"

# A room may import from the rooms named beside it, and from nothing else of ours.
DOORS: dict[str, set[str]] = {
    "errors": set(),
    "files": {"errors"},
    "pairing": {"errors"},
    "network": set(),
    "weights": {"network", "errors", "files"},
    "intensity": {"errors"},
    "restoring": {"network", "weights", "intensity", "errors"},
    "images": {"restoring", "errors", "files"},
    "medical": {"restoring", "intensity", "weights", "errors", "files"},
    "remote_sensing": {"restoring", "intensity", "weights", "errors", "files"},
    "transforms": {"medical", "restoring", "intensity", "degradations", "network", "weights", "errors"},
    "reports": {"restoring", "errors", "files"},
    "degradations": {"errors"},
    "metrics": {"errors"},
    "evaluation": {"metrics", "images", "medical", "restoring", "intensity", "pairing", "errors", "files"},
    "explanation": {"network", "images", "medical", "restoring", "pairing", "errors", "files"},
    "datasets": {"images", "medical", "pairing", "errors"},
    "training": {"datasets", "network", "restoring", "weights", "degradations", "metrics", "errors", "files"},
    "jobs": {
        "images",
        "medical",
        "remote_sensing",
        "reports",
        "evaluation",
        "degradations",
        "metrics",
        "restoring",
        "intensity",
        "weights",
        "errors",
        "files",
    },
    "__main__": {"cli"},
    "cli": {"jobs", "evaluation", "explanation", "restoring", "weights", "network", "errors", "files"},
}
EVERYWHERE = {"__init__"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Return the rooms that a file imports, at its head or within its functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively, which hides where it goes"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = [name.split(".") for name in names if name.startswith("datprl_toolkit.")]
    return {parts[1] for parts in ours if len(parts) > 1} - {"__version__"}


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])
def test_imports_go_only_through_the_doors(path: Path) -> None:
    room = room_of(path)
    if room in EVERYWHERE:
        return
    assert room in DOORS, f"{room} is a room without a place in the house"
    assert imported_rooms(path) <= DOORS[room] | {room}


def test_no_room_can_reach_itself() -> None:
    def reachable(room: str, seen: frozenset[str]) -> set[str]:
        return {room}.union(*(reachable(next_room, seen | {room}) for next_room in DOORS[room] - seen))

    for room, doors in DOORS.items():
        for door in doors:
            assert room not in reachable(door, frozenset()), f"{room} and {door} import each other"


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])
def test_a_file_has_one_subject_and_can_be_read_at_once(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 450


def test_the_network_and_training_weights_need_torch_numpy_and_safetensors_alone() -> None:
    heavy = "monai torchio rasterio xarray dask zarr pydicom matplotlib typer rich pydantic scipy PIL yaml napari"
    check = (
        "import sys, datprl_toolkit, datprl_toolkit.network, datprl_toolkit.weights, datprl_toolkit.restoring;"
        f"print(sorted(set('{heavy}'.split()) & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_help_imports_nothing_heavy() -> None:
    heavy = "torch numpy monai torchio rasterio xarray dask zarr pydicom matplotlib"
    check = (
        "import sys; from datprl_toolkit.cli.commands import application;"
        f"print(sorted(set('{heavy}'.split()) & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
