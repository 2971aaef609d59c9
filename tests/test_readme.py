"""The README: its Python runs, its commands exist, its figures are those of the card."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from datprl_toolkit.cli.commands import application
from datprl_toolkit.weights import find_weights, read_card

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.splitlines()[0])
def test_the_python_of_the_readme_runs(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {})


def test_every_option_in_the_commands_of_the_readme_exists() -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("datprl ")]
    assert commands
    for line in commands:
        words = line.split()
        names = [words[1], *([words[2]] if words[1] in {"weights", "workflow", "node"} else [])]
        known = CliRunner().invoke(application, [*names, "--help"], env={"COLUMNS": "200"}).output
        for option in re.findall(r"--[a-z-]+", line):
            assert option in known, f"{line}: there is no {option}"


def test_every_file_that_the_readme_names_exists() -> None:
    for name in re.findall(r"(?:recipes|nodes|benchmarks|docs|tests|datprl_toolkit)/[\w/]+\.\w+", TEXT):
        assert (ROOT / name).exists(), name


def test_the_figures_of_the_readme_are_those_of_the_card() -> None:
    card = read_card(find_weights("small"))
    rows = {match[0]: match[1:] for match in re.findall(r"^\| (\w+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \|", TEXT, re.M)}
    assert set(rows) == {task.name for task in card.tasks}
    for task in card.tasks:
        assert task.psnr_input is not None
        assert task.psnr_output is not None
        expected = (str(task.images), f"{task.psnr_input:.2f}", f"{task.psnr_output:.2f}")
        assert rows[task.name] == expected


def test_the_shipped_weights_improve_every_task_on_the_mean_and_are_small() -> None:
    path = find_weights("small")
    assert path.stat().st_size <= 16_000_000
    for task in read_card(path).tasks:
        assert task.psnr_input is not None
        assert task.psnr_output is not None
        assert task.psnr_output > task.psnr_input, task.name
