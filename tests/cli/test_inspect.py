"""The command ``datprl inspect``: readable in a pipe and on a terminal, JSON for programs, one line where it fails."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import sys
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from rich.console import Console

from datprl_toolkit.cli.inspect import show
from datprl_toolkit.cli.main import main
from datprl_toolkit.jobs.inspect import inspect
from datprl_toolkit.medical.hostile_series import HOSTILE_SERIES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def tilted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series") / "in"
    next(kind for kind in HOSTILE_SERIES if kind.name == "tilted").write(folder)
    return folder


def datprl(*arguments: str | Path) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with (
            mock.patch.object(sys, "argv", ["datprl", *map(str, arguments)]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            main()
    finally:
        signal.signal(signal.SIGTERM, handler)
    code = ended.value.code
    return code if isinstance(code, int) else 0, out.getvalue(), err.getvalue()


def test_in_a_pipe_every_finding_is_one_line_beside_its_code(tilted: Path) -> None:
    status, out, err = datprl("inspect", tilted)
    assert (status, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "sheared by 14.93 degrees" in lines["W_TILT"]
    assert "nothing is resampled" in lines["W_TILT"]
    assert "SimpleITK" in lines["R_SHEAR"]
    assert lines["window"].endswith("identical")
    assert "1 found, 1 can be restored" in out


def test_json_says_the_same_and_nothing_else(tilted: Path) -> None:
    status, out, err = datprl("inspect", tilted, "--json")
    assert (status, err) == (0, "")
    item = json.loads(out)["items"][0]
    assert [finding["code"] for finding in item["problems"]] == ["W_TILT"]
    assert item["treatment"]["profile"]["low"] == -160.0


def test_on_a_narrow_terminal_nothing_is_cut_off(tilted: Path) -> None:
    screen = io.StringIO()
    show(inspect(tilted), Console(file=screen, force_terminal=True, width=60, color_system=None))
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= 60 or all("slices of" in line for line in lines if len(line) > 60)
    joined = " ".join(" ".join(lines).split())
    assert "sheared by 14.93 degrees against their normal (gantry tilt)" in joined
    assert "…" not in joined


def test_what_is_nothing_usable_is_one_line_and_a_failing_status(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("words")
    for arguments in (("inspect", tmp_path / "in"), ("inspect", tmp_path / "nowhere", "--json")):
        status, out, err = datprl(*arguments)
        assert status == 1
        assert out == ""
        assert len(err.strip().splitlines()) == 1
        assert err.startswith("E_")
