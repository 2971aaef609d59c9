"""Sets from YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.evaluation import ImageSet, read_sets

if TYPE_CHECKING:
    from pathlib import Path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sets.yaml"
    path.write_text(
        "sets:\n"
        "  - {name: rain, restored: out/rain, truth: data/norain, input: data/rain, match: '(\\d+)'}\n"
        "  - {name: blur, restored: out/blur, truth: data/sharp}\n"
    )
    assert read_sets(path) == [
        ImageSet("rain", tmp_path / "out/rain", tmp_path / "data/norain", tmp_path / "data/rain", r"(\d+)"),
        ImageSet("blur", tmp_path / "out/blur", tmp_path / "data/sharp"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "not YAML"),
        ("sets: []", "list of sets"),
        ("a: 1", "list of sets"),
        ("sets: [5]", "set 1"),
        ("sets: [{name: a, restored: b}]", "missing: truth"),
        ("sets: [{name: a, restored: b, truth: c, truht: d}]", "unknown: truht"),
        ("sets: [{name: 1, restored: b, truth: c}]", "not text: name"),
        ("sets: [{name: a, restored: b, truth: c}, {name: a, restored: b, truth: c}]", "same name"),
        ("!!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_a_file_that_is_no_list_of_sets_is_refused_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "sets.yaml"
    path.write_text(content)
    with pytest.raises(DatprlError) as raised:
        read_sets(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatprlError, match="E_MISSING"):
        read_sets(tmp_path / "none.yaml")
