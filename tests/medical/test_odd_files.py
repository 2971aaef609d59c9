"""The page docs/odd_files.md says what the readers do: some of its rows are measured again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from datprl_toolkit.medical.hostile_series import HOSTILE_SERIES
from tests.loading import load_recipe

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    pytest.importorskip("SimpleITK")
    return load_recipe("compare_readers")


@pytest.fixture(scope="module")
def page(recipe: ModuleType) -> str:
    text: str = recipe.PAGE.read_text(encoding="utf-8")
    return text


@pytest.mark.parametrize("name", ["shuffled", "missing", "tilted", "collision", "pet-slopes", "MR_truncated.dcm"])
def test_a_row_is_what_the_readers_do(name: str, recipe: ModuleType, page: str, tmp_path: Path) -> None:
    if recipe.versions() not in " ".join(page.split()):
        pytest.skip(f"the page was made with other versions than {recipe.versions()}")
    found = next(each for each in recipe.sources(tmp_path) if each[0] == name)
    assert recipe.row(*found, tmp_path) in page.splitlines()


def test_the_page_has_a_row_for_every_odd_series_and_all_of_ours_are_right_or_refused(
    recipe: ModuleType, page: str
) -> None:
    rows = {match[1]: match[2] for match in re.finditer(r"^\| `([^`]+)`: [^|]* \| ([^|]*) \|", page, re.M)}
    assert {kind.name for kind in HOSTILE_SERIES} | set(recipe.FILES) - {"SC_rgb.dcm"} <= set(rows)
    assert all(cell.startswith(("right: ", "refused: E_")) for cell in rows.values())


def test_the_sentence_that_counts_counts_the_table(recipe: ModuleType, page: str) -> None:
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert recipe.tally(rows) in " ".join(page.split())
