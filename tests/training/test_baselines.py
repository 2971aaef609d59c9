"""Networks of others through the same trainer."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from datprl_toolkit.errors import ResourceError
from datprl_toolkit.training import Trainer, trainer
from datprl_toolkit.training.baselines import BASELINES, GRID, make_baseline

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.training import PreparedData, TrainingConfig

# The published sizes would take long; every name has to be here.
NARROW: dict[str, dict[str, Any]] = {
    "restormer": {"dim": 8, "num_blocks": [1, 1, 1, 1], "num_refinement_blocks": 1},
    "nafnet": {"width": 8, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]},
    "swinir": {"img_size": 16, "embed_dim": 12, "depths": [1], "num_heads": [2]},
    "mprnet": {"n_feat": 8, "scale_unetfeats": 4, "scale_orsnetfeats": 4, "num_cab": 1},
    "scunet": {"config": [1] * 7, "input_resolution": 64},
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning:spandrel")
@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_restores_images_whose_sizes_fit_the_grid_and_learns(name: str) -> None:
    torch.manual_seed(0)
    network = make_baseline(name, **NARROW[name])
    image = torch.rand(2, 3, 4 * GRID, 3 * GRID)
    output, trace = network.trace(image)
    assert output.shape == image.shape
    assert (trace.task, trace.domain, trace.prompt) == (None, None, None)
    torch.autograd.backward(output.square().mean())
    assert all(each.grad is not None for each in network.parameters() if each.numel() > 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:spandrel")
def test_a_baseline_has_the_batches_and_the_reconstruction_loss_of_ours(
    config: TrainingConfig, data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "make_baseline", lambda name: make_baseline(name, **NARROW[name]))
    settings = replace(config, baseline="nafnet", balance_every=1)
    ours, other = (Trainer(each, data, tmp_path, report=lambda _: None) for each in (config, settings))
    assert other.train_step().keys() == {"total", "pixel", "fourier"}
    other.save()
    expected = other.train_step()
    other.resume()
    assert other.train_step() == expected
    ours.train_step()
    assert ours.batches.next(16).keys == replace_counts(other).keys
    assert set(other.validate(limit=1)) == set(config.tasks)


def replace_counts(run: Trainer) -> Any:
    """Return the second batch of a run again."""
    run.resume()
    return run.batches.next(16)


def test_without_the_package_the_way_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel.architectures.SwinIR", None)
    with pytest.raises(ResourceError, match=r"E_DEPENDENCY.*spandrel.*datprl-toolkit\[baselines\]"):
        make_baseline("swinir")
