"""The command line as a person meets it: by its output and exit status."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from datprl_toolkit.cli.main import main
from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.weights import FOLDER_VARIABLE, save_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

REFERENCE = Path(__file__).parent.parent / "data" / "restormer_small.safetensors"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    restorer = tiny_restorer()
    save_weights(folder / "tiny.safetensors", restorer.network, restorer.card)
    return folder


@dataclass(frozen=True)
class Result:
    returncode: int
    stdout: str
    stderr: str


def run_in_process(arguments: Sequence[str], environment: dict[str, str]) -> Result:
    """Run the program as it is started, without the seconds that a new interpreter takes."""
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with (
            mock.patch.object(sys, "argv", ["datprl", *arguments]),
            mock.patch.dict(os.environ, environment),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            main()
    finally:
        signal.signal(signal.SIGTERM, handler)
    code = ended.value.code
    return Result(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())


def datprl(*arguments: str | Path, weights: Path | None = None) -> Result:
    environment = {"COLUMNS": "200"}
    if weights is not None:
        environment[FOLDER_VARIABLE] = str(weights)
    return run_in_process([str(argument) for argument in arguments], environment)


def picture(path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24), dtype=np.uint8)).save(path)
    return path


def is_one_line_without_traceback(text: str) -> bool:
    return len(text.strip().splitlines()) == 1 and "Traceback" not in text


def test_a_picture_is_restored_with_one_line_before_and_one_after(weights: Path, tmp_path: Path) -> None:
    source = picture(tmp_path / "in.png")
    result = datprl(
        "restore", source, tmp_path / "out.png", "--weights", "tiny", "--preview", tmp_path / "p.png", weights=weights
    )
    assert result.returncode == 0, result.stderr
    assert "pictures; weights test, CPU" in result.stderr
    assert "1 picture restored" in result.stderr
    assert (tmp_path / "out.png").exists()
    assert (tmp_path / "p.png").exists()
    again = datprl("restore", source, tmp_path / "out.png", "--weights", "tiny", weights=weights)
    assert again.returncode == 1
    assert again.stderr.startswith("E_EXISTS")
    assert "--overwrite" in again.stderr
    replaced = datprl("restore", source, tmp_path / "out.png", "--weights", "tiny", "--overwrite", weights=weights)
    assert replaced.returncode == 0, replaced.stderr


def test_the_mean_over_mirror_images_is_asked_for_and_told(weights: Path, tmp_path: Path) -> None:
    source, made = picture(tmp_path / "in.png"), {}
    for name, options in (("plain", ()), ("mean", ("--self-ensemble",))):
        target = tmp_path / f"{name}.png"
        result = datprl("restore", source, target, "--weights", "tiny", *options, weights=weights)
        assert result.returncode == 0, result.stderr
        assert ("self-ensemble" in result.stderr) == (name == "mean")
        made[name] = np.asarray(Image.open(target))
    assert not np.array_equal(made["plain"], made["mean"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nowhere", "out"), "E_MISSING"),
        (("in.png", "out.png", "--strength", "2"), "E_OPTION"),
        (("in.png", "out.png", "--bands", "red"), "E_OPTION"),
        (("in.png", "out.png", "--device", "abacus"), "E_OPTION"),
        (("in.png", "out.png", "--device", "cuda:77"), "E_DEVICE"),
        (("in.png", "out.png", "--weights", "enormous"), "E_WEIGHTS"),
        (("in.png", "out.png", "--weights", "in.png"), "E_WEIGHTS"),
        (("in.png", "out.png", "--no-such-option"), "E_OPTION"),
        (("in.png",), "E_OPTION"),
    ],
)
def test_every_mistake_is_one_line_with_its_code_and_a_failing_status(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "in.png")
    if "--weights" not in arguments:
        arguments = (*arguments, "--weights", "tiny")
    result = datprl("restore", *arguments, weights=weights)
    assert result.returncode != 0
    assert result.stderr.startswith(code), result.stderr
    assert is_one_line_without_traceback(result.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_help_names_the_commands() -> None:
    result = datprl("--help")
    assert result.returncode == 0
    assert "restore" in result.stdout
    assert "weights" in result.stdout


def test_the_version_is_the_packages() -> None:
    from datprl_toolkit import __version__

    assert datprl("--version").stdout.strip() == f"datprl-toolkit {__version__}"


def test_weights_are_listed_shown_and_verified(weights: Path) -> None:
    assert "tiny" in datprl("weights", "list", weights=weights).stdout
    info = datprl("weights", "info", "tiny", weights=weights).stdout
    assert "ct_denoising" in info
    assert "Not for diagnosis" in info
    verified = datprl("weights", "verify", "tiny", weights=weights)
    assert verified.returncode == 0
    assert "sha256" in verified.stdout


def test_the_shipped_weights_verify() -> None:
    result = datprl("weights", "verify", "small")
    assert result.returncode == 0, result.stderr


def test_a_published_checkpoint_is_converted_and_then_restores(tmp_path: Path) -> None:
    target = tmp_path / "converted.safetensors"
    options = ("--preset", "md-9t", "--task-top-k", "2", "--domain-top-k", "3")
    result = datprl("weights", "convert", REFERENCE, target, *options)
    assert result.returncode == 0, result.stderr
    source = picture(tmp_path / "in.png")
    assert datprl("restore", source, tmp_path / "out.png", "--weights", target).returncode == 0


def test_converting_something_else_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.pth").write_bytes(b"not a checkpoint")
    result = datprl("weights", "convert", tmp_path / "bad.pth", tmp_path / "out.safetensors")
    assert result.returncode == 1
    assert result.stderr.startswith("E_WEIGHTS")
    assert is_one_line_without_traceback(result.stderr)
    assert not (tmp_path / "out.safetensors").exists()


def test_the_installed_program_fails_with_one_line_and_a_status_in_its_own_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "datprl_toolkit", "restore", str(tmp_path / "nowhere"), str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("E_MISSING")
    assert is_one_line_without_traceback(result.stderr)
