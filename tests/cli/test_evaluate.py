"""``datprl evaluate`` as a person meets it."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from datprl_toolkit.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def datprl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the program and gives status, output and errors."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["datprl", *map(str, arguments)])
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            signal.signal(signal.SIGTERM, handler)
        printed = capsys.readouterr()
        code = ended.value.code
        return code if isinstance(code, int) else 0, printed.out, printed.err

    return run


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for folder in ("truth", "restored", "input"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b", "c"):
        truth = generator.integers(20, 230, (24, 20, 3), dtype=np.uint8)
        for folder, error in (("truth", 0), ("restored", 4), ("input", 16)):
            Image.fromarray((truth + error).astype(np.uint8)).save(tmp_path / folder / f"{name}.png")
    return tmp_path


def test_two_folders_give_a_table_and_three_files(datprl: Callable[..., tuple[int, str, str]], folders: Path) -> None:
    out = folders / "out"
    arguments = ("evaluate", folders / "restored", folders / "truth", "--input", folders / "input", "--out", out)
    status, printed, errors = datprl(*arguments, "--per-image")
    assert status == 0, errors
    # A difference of 4 grey levels is 10 log10(255^2 / 16) dB, one of 16 levels 12.04 dB less.
    assert "36.09" in printed
    assert "+12.04" in printed
    assert "smallest change in PSNR: +12.04 dB (a)" in printed
    assert sorted(path.name for path in out.iterdir()) == ["images.csv", "results.json", "sets.csv"]
    assert json.loads((out / "results.json").read_text())["sets"][0]["count"] == 3
    status, _, errors = datprl(*arguments)
    assert status == 1
    assert errors.startswith("E_EXISTS")


def test_a_file_of_sets_gives_a_table_for_each(datprl: Callable[..., tuple[int, str, str]], folders: Path) -> None:
    (folders / "sets.yaml").write_text(
        "sets:\n- {name: first, restored: restored, truth: truth}\n- {name: second, restored: input, truth: truth}\n"
    )
    status, printed, errors = datprl("evaluate", folders / "sets.yaml")
    assert status == 0, errors
    assert "first, 3 images" in printed
    assert "second, 3 images" in printed
    assert "24.05" in printed


def test_shipped_weights_restore_first(datprl: Callable[..., tuple[int, str, str]], folders: Path) -> None:
    status, printed, errors = datprl("evaluate", folders / "input", folders / "truth", "--weights", "small")
    assert status == 0, errors
    assert "restoring first; weights small" in errors
    assert "change" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["restored"], "E_OPTION: the truth is missing"),
        (["restored", "none"], "E_MISSING"),
        (["none.yaml"], "E_MISSING"),
        (["restored", "truth", "--scale", "2"], "only with weights"),
        (["restored", "truth", "--resamples", "3"], "100 resamples"),
        (["restored", "truth", "--weights", "none"], "E_WEIGHTS"),
        (["restored", "truth", "--out", ".", "--overwrite"], "never modified"),
    ],
)
def test_wrong_arguments_are_one_line(
    datprl: Callable[..., tuple[int, str, str]],
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folders)
    status, _, errors = datprl("evaluate", *arguments)
    assert status == 1
    assert message in errors
    assert len(errors.strip().splitlines()) == 1
