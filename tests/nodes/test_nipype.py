"""Nodes as Nipype interfaces, in Nipype's own workflow."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from datprl_nodes.adapters.nipype import interface

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.images.picture import read_picture
from datprl_toolkit.metrics.report import Report

if TYPE_CHECKING:
    from pathlib import Path

os.environ["NO_ET"] = "1"  # Nipype asks the network for a newer version of itself
pe = pytest.importorskip("nipype.pipeline.engine", reason="Nipype is not installed", exc_type=ImportError)


@pytest.mark.usefixtures("acme")
def test_a_nipype_workflow_of_our_nodes_and_of_somebody_elses(picture: Path, tmp_path: Path) -> None:
    brighten = pe.Node(interface("acme_brighten")(amount=5, out_picture="brighter.png"), name="brighten")
    brighten.inputs.picture = str(picture)
    score = pe.Node(interface("score")(reference=str(picture)), name="score")
    workflow = pe.Workflow("small", base_dir=str(tmp_path / "work"))
    workflow.config["execution"] = {"crashdump_dir": str(tmp_path)}
    workflow.connect(brighten, "picture", score, "image")
    workflow.run()
    brighter = tmp_path / "work" / "small" / "brighten" / "brighter.png"
    np.testing.assert_array_equal(read_picture(brighter).pixels, read_picture(picture).pixels + 5)
    made = tmp_path / "work" / "small" / "score" / "report.json"
    assert Report.from_json(made.read_text()).mean("PSNR [dB]") == pytest.approx(20 * np.log10(255 / 5))


@pytest.mark.usefixtures("acme")
def test_what_is_wrong_is_said_as_everywhere(picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = interface("acme_brighten")(amount=-1, picture=str(picture))
    with pytest.raises(DatprlError, match="'amount' of the node 'acme_brighten' cannot be -1"):
        wrong.run()
    with pytest.raises(ValueError, match="requires a value for input 'picture'"):
        interface("acme_brighten")().run()
