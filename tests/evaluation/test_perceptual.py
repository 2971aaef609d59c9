"""Perceptual figures; a stand-in with the interface of pyiqa plays the models."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from datprl_toolkit.errors import DatprlError, InputError, OptionError, ResourceError, WeightsError
from datprl_toolkit.evaluation import ImageSet, evaluate, write_report
from datprl_toolkit.restoring.testing import identity_restorer

if TYPE_CHECKING:
    import torch


def of_image(image: torch.Tensor) -> torch.Tensor:
    assert image.shape[:2] == (1, 3)
    assert 0.0 <= image.min() <= image.max() <= 1.0
    return 10.0 * image.mean()


def of_folders(first: str, second: str, *, num_workers: int, verbose: bool) -> float:
    """Return the difference of the mean values of two folders of pictures."""
    assert (num_workers, verbose) == (0, False)
    means = [
        np.mean([np.asarray(Image.open(path)).mean() for path in Path(folder).iterdir()]) for folder in (first, second)
    ]
    return float(means[0] - means[1])


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_metric(name: str, device: str) -> Any:
        assert device == "cpu"
        if name == "maniqa":
            raise OSError("no route to the weights\nand more lines")
        if name == "musiq":
            return lambda image: 1 / 0
        return of_folders if name == "fid" else of_image

    module: Any = ModuleType("pyiqa")
    module.create_metric, module.__version__ = create_metric, "0.1"
    monkeypatch.setitem(sys.modules, "pyiqa", module)


@pytest.fixture
def sets(tmp_path: Path) -> list[ImageSet]:
    for name, value in (("restored", 51), ("truth", 50), ("input", 102), ("other", 60)):
        (tmp_path / name).mkdir()
        for image in ("a", "b"):
            Image.fromarray(np.full((16, 20, 3), value, np.uint8)).save(tmp_path / name / f"{image}.png")
    truth = tmp_path / "truth"
    return [
        ImageSet("first", tmp_path / "restored", truth, tmp_path / "input"),
        ImageSet("second", tmp_path / "other", truth),
    ]


def test_figures_of_images_and_of_the_set_stand_beside_psnr(sets: list[ImageSet], tmp_path: Path) -> None:
    evaluation = evaluate(sets, also=("niqe", "fid"))
    first, second = (score.summary for score in evaluation.sets)
    assert evaluation.settings["pyiqa"] == "0.1"
    assert list(first) == ["psnr", "ssim", "niqe", "fid"]
    assert first["niqe"].restored.mean == pytest.approx(2.0)
    assert first["niqe"].degraded is not None
    assert first["niqe"].degraded.mean == pytest.approx(4.0)
    assert "fid" not in evaluation.sets[0].images[0].restored
    # Each set against its own truth; the images of the set before it are forgotten.
    assert first["fid"].restored.mean == pytest.approx(1.0)
    assert first["fid"].change is not None
    assert first["fid"].change.mean == pytest.approx(1.0 - 52.0)
    assert second["fid"].restored.mean == pytest.approx(10.0)
    assert second["fid"].degraded is None
    write_report(tmp_path / "out", evaluation)
    assert ",fid," in (tmp_path / "out" / "sets.csv").read_text()


def test_the_command_prints_them(sets: list[ImageSet], capsys: pytest.CaptureFixture[str]) -> None:
    from datprl_toolkit.cli.evaluate import run

    options: dict[str, Any] = {"match": None, "weights": None, "device": "cpu", "scale": 1, "out": None}
    run(
        sets[0].restored, sets[0].truth, None, **options, per_image=True, seed=1, resamples=100, also=["fid", "niqe"],
        overwrite=False,
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert "FID" in printed
    assert "NIQE" in printed


def test_what_weights_restore_is_judged_too(sets: list[ImageSet]) -> None:
    (score,) = evaluate([sets[1]], restorer=identity_restorer(), also=("clipiqa", "fid")).sets
    assert score.summary["clipiqa"].change is not None
    assert score.summary["clipiqa"].change.mean == pytest.approx(0.0)
    assert score.summary["fid"].change is not None
    assert score.summary["fid"].change.mean == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("lpips", OptionError, "niqe, musiq, maniqa, clipiqa, fid"),
        ("maniqa", WeightsError, "no route to the weights. It downloads"),
        ("musiq", InputError, "division by zero"),
    ],
)
def test_what_cannot_be_computed_is_one_line(
    name: str, kind: type[DatprlError], message: str, sets: list[ImageSet]
) -> None:
    with pytest.raises(kind) as raised:
        evaluate(sets, also=[name])
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_without_pyiqa_the_way_to_install_it_is_told(sets: list[ImageSet], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(ResourceError, match=r"E_DEPENDENCY.*pyiqa.*datprl-toolkit\[perceptual\]"):
        evaluate(sets, also=["niqe"])
