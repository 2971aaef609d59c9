"""The command that compares a result with its original."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from datprl_toolkit.cli.commands import application
from datprl_toolkit.errors import DatprlError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    values = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    for name, image in (("before.png", values), ("after.png", values // 2 + 60)):
        Image.fromarray(image).save(tmp_path / name)
    return str(tmp_path / "before.png"), str(tmp_path / "after.png")


def run(*arguments: str) -> tuple[int, str, BaseException | None]:
    result = CliRunner().invoke(application, ["report", *arguments], env={"COLUMNS": "300"})
    return result.exit_code, result.output, result.exception


def test_it_writes_the_page_and_says_what_holds(pair: tuple[str, str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    status, output, _ = run(*pair, "--out", str(page))
    assert status == 0, output
    assert "after.png, 50 x 40 pixels; 2 of 2 checks hold" in output
    assert "grey levels" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "{before}"), "E_OPTION"),
        (("--out", "page.txt"), "E_OPTION: a report is an HTML page"),
        (("--out", "{folder}/taken.html"), "E_EXISTS"),
        (("--out", "{folder}/new.html", "--device", "cpu"), "no meaning without --weights"),
        (("--out", "{folder}/new.html", "--weights", "enormous"), "E_WEIGHTS"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    pair: tuple[str, str], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "taken.html").write_text("mine")
    before = sorted(path.name for path in tmp_path.iterdir())
    filled = [each.format(before=pair[0], folder=tmp_path) for each in arguments]
    status, _, error = run(*pair, *filled)
    assert status != 0
    assert isinstance(error, DatprlError)
    assert message in str(error)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (tmp_path / "taken.html").read_text() == "mine"


def test_a_page_that_would_be_read_as_input_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(folder / "a.png")
    status, _, error = run(str(folder), str(tmp_path), "--out", str(folder / "page.html"))
    assert status != 0
    assert "inside a folder that is read" in str(error)
