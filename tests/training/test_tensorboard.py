"""The log of a run as TensorBoard events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.training import Trainer
from datprl_toolkit.training.tensorboard import TensorBoardLog, scalars, write_events

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.training import PreparedData, TrainingConfig


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read the events back with TensorBoard's own reader."""
    accumulator: Any = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    reader = accumulator.EventAccumulator(str(folder / "tensorboard"))
    reader.Reload()
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def test_every_finite_number_of_a_line_has_a_name_with_slashes() -> None:
    line = {"step": 7, "loss": {"total": 1.5, "pixel": float("nan")}, "speed": 3, "name": "x", "done": True}
    assert dict(scalars(line)) == {"loss/total": 1.5, "speed": 3.0}


def test_a_run_writes_the_events_of_its_log(config: TrainingConfig, data: PreparedData, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    trainer = Trainer(config, data, tmp_path / "run", report=lambda _: None)
    trainer.listeners.append(TensorBoardLog(tmp_path / "run"))
    assert trainer.run()
    written = events(tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [step for step, _ in written["loss/total"]] == [4, 8]
    assert written["loss/total"][0][1] == pytest.approx(lines[0]["loss"]["total"], rel=1e-6)
    assert written["validation/dehazing/psnr_output"][0][0] == 8


def test_the_events_of_a_finished_run_are_written_from_its_log(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1, "loss": {"total": 2.0}}\n{"step": 2, "loss": {"total": 1.0}}\n'
    )
    assert write_events(tmp_path) == 2
    assert events(tmp_path)["loss/total"] == [(1, 2.0), (2, 1.0)]


@pytest.mark.parametrize("content", [None, "{\n"])
def test_a_folder_without_a_log_is_one_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "metrics.jsonl").write_text(content)
    with pytest.raises(DatprlError) as raised:
        write_events(tmp_path)
    assert "\n" not in str(raised.value)
