"""The contract of ComfyUI's custom nodes, which call plain Python; the engine itself is not needed for it."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from datprl_nodes import find_nodes

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.images.picture import read_picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN"}


@pytest.fixture
def comfyui() -> Iterator[Any]:
    """Import the adapter anew, as ComfyUI does when it starts."""
    sys.modules.pop("datprl_nodes.adapters.comfyui", None)
    yield importlib.import_module("datprl_nodes.adapters.comfyui")
    sys.modules.pop("datprl_nodes.adapters.comfyui", None)


def test_every_node_keeps_the_contract_and_none_uses_the_image_that_holds_0_to_1(comfyui: Any) -> None:
    assert set(comfyui.NODE_CLASS_MAPPINGS) == set(comfyui.NODE_DISPLAY_NAME_MAPPINGS)
    assert {f"datprl_{name}" for name in find_nodes()} < set(comfyui.NODE_CLASS_MAPPINGS)
    for kind in comfyui.NODE_CLASS_MAPPINGS.values():
        inputs = kind.INPUT_TYPES()
        assert set(inputs) <= {"required", "optional", "hidden"}
        for entries in inputs.values():
            for field, options in entries.values():
                sockets = field.split(",") if isinstance(field, str) else []
                assert isinstance(field, list) or field in WIDGETS or all(s.startswith("DATPRL_") for s in sockets)
                if isinstance(field, list):
                    assert options["default"] in field
                if field in ("INT", "FLOAT"):
                    assert options["min"] <= options["default"] <= options["max"]
        assert isinstance(kind.RETURN_TYPES, tuple)
        assert all(s.startswith("DATPRL_") for output in kind.RETURN_TYPES for s in output.split(","))
        assert callable(getattr(kind(), kind.FUNCTION))
        assert kind.CATEGORY.startswith("DATPRL/")


def test_parameters_have_their_ranges_and_units(comfyui: Any) -> None:
    fields = comfyui.NODE_CLASS_MAPPINGS["datprl_restore_scene"].INPUT_TYPES()["optional"]
    assert fields["strength"][0] == "FLOAT"
    assert (fields["strength"][1]["min"], fields["strength"][1]["max"]) == (0.0, 1.0)
    assert fields["tile"][1]["tooltip"].endswith("[pixels]")
    assert fields["format"][0] == ["tif", "zarr"]
    assert fields["bands"][0] == "STRING"


@pytest.mark.usefixtures("acme")
def test_a_graph_runs_as_comfyui_runs_it_with_a_node_of_another_package(
    comfyui: Any, picture: Path, tmp_path: Path
) -> None:
    def call(name: str, /, **given: Any) -> Any:
        kind = comfyui.NODE_CLASS_MAPPINGS[name]
        return getattr(kind(), kind.FUNCTION)(**given)

    opened = dict(
        zip(comfyui.OpenFile.RETURN_NAMES, call("datprl_open_file", path=str(picture), type="Picture"), strict=True)
    )
    assert opened["scene"] is None
    (brighter,) = call("datprl_acme_brighten", picture=opened["picture"], amount=5)
    (report,) = call("datprl_score", image=brighter, reference=opened["picture"], label="")
    (joined,) = call("datprl_join_reports", reports_1=report, reports_2=report, name="two")
    assert len(joined.rows) == 2
    (window,) = call("datprl_thumbnail", image=brighter, size=16)
    assert max(window.pixels.shape) == 16
    saved = call("datprl_save_file", value=brighter, path=str(tmp_path / "out.png"))
    assert saved["ui"]["text"]
    np.testing.assert_array_equal(read_picture(tmp_path / "out.png").pixels, read_picture(picture).pixels + 5)
    with pytest.raises(DatprlError, match="E_EXISTS"):
        call("datprl_save_file", value=brighter, path=str(tmp_path / "out.png"))


def test_text_that_stands_for_a_list_or_nothing_is_understood(comfyui: Any, tmp_path: Path) -> None:
    from datprl_toolkit.remote_sensing import Scene
    from datprl_toolkit.remote_sensing.testing import photograph, write_raster

    scene = Scene.open(write_raster(tmp_path / "a.tif", photograph(3, 20, 30)))
    (chosen,) = comfyui.NODE_CLASS_MAPPINGS["datprl_select_bands"]().execute(scene=scene, bands="[3, 1]")
    assert len(chosen.bands) == 2
    (again,) = comfyui.NODE_CLASS_MAPPINGS["datprl_read_scene"]().execute(source=scene.path, nodata="")
    assert again.nodata is None


def test_a_file_that_changed_is_noticed(comfyui: Any, picture: Path) -> None:
    import os

    before = comfyui.OpenFile.IS_CHANGED(str(picture), "Picture")
    os.utime(picture, (1, 1))
    assert comfyui.OpenFile.IS_CHANGED(str(picture), "Picture") != before
