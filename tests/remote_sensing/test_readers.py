"""The table of docs/readers.md is what the readers that are here do."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    return runpy.run_path(str(Path(__file__).with_name("readers.py")))


def test_every_reader_does_what_the_page_says(program: dict[str, Any], tmp_path: Path) -> None:
    rows = program["table"](tmp_path)
    for name in rows:
        if name.startswith(("rioxarray", "xarray", "zarr")):
            assert rows[name][1:] == ["all", "all", "all"]
    page = program["PAGE"].read_text(encoding="utf-8").splitlines()
    as_lines: Callable[..., list[str]] = program["as_lines"]
    assert any("| all | all | all | all |" in line for line in page)
    known = {line.split("|")[1].strip() for line in page if line.startswith("|")}
    for line in as_lines(rows)[2:]:
        if line.split("|")[1].strip() in known:
            assert line in page
