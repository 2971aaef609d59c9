"""Nodes: parameters that are checked, found by entry point, and the same result as the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from datprl_nodes import Restore, find_nodes
from PIL import Image
from pydantic import ValidationError

from datprl_toolkit.jobs import restore
from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.weights import save_weights

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("wrong", [{"strength": 2.0}, {"scale": 0}, {"strenght": 0.5}])
def test_a_wrong_or_misspelt_parameter_is_refused_when_the_node_is_made(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Restore(**wrong)  # type: ignore[arg-type]


def test_a_node_does_not_change_and_describes_its_parameters() -> None:
    node = Restore(strength=0.5)
    with pytest.raises(ValidationError):
        node.strength = 1.0
    properties = Restore.model_json_schema()["properties"]
    assert all(parameter["description"] for parameter in properties.values())


def test_installed_nodes_are_found() -> None:
    assert find_nodes()["restore"] is Restore


def test_the_node_gives_the_same_pixels_as_the_main_job(tmp_path: Path) -> None:
    restorer = tiny_restorer()
    save_weights(tmp_path / "tiny.safetensors", restorer.network, restorer.card)
    source = tmp_path / "in.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24), dtype=np.uint8)).save(source)
    node = Restore(weights=str(tmp_path / "tiny.safetensors"), device="cpu")
    node.run(source=source, destination=tmp_path / "node.png")
    restore(source, tmp_path / "job.png", restorer)
    assert (tmp_path / "node.png").read_bytes() == (tmp_path / "job.png").read_bytes()
