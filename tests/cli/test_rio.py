from __future__ import annotations

import importlib
import tomllib
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner

from datprl_toolkit import __version__
from datprl_toolkit.cli.commands import application
from datprl_toolkit.cli.rio import rio_datprl
from datprl_toolkit.errors import DatprlError
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.weights import FOLDER_VARIABLE, save_weights

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_rasterio_finds_the_plug_in_where_the_project_says_it_is() -> None:
    plugins = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["entry-points"]["rasterio.rio_plugins"]
    module, name = plugins["datprl"].split(":")
    assert getattr(importlib.import_module(module), name) is rio_datprl


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [(["--version"], 0, __version__), (["--help"], 0, "restore"), (["restore", "no.tif", "x.tif"], 1, "E_MISSING")],
    ids=["version", "help", "error"],
)
def test_rio_runs_the_commands_of_the_program(arguments: list[str], status: int, said: str) -> None:
    with mock.patch("signal.signal"), mock.patch("sys.argv", ["rio"]):
        result = CliRunner().invoke(rio_datprl, arguments)
    assert result.exit_code == status
    assert said in result.output


def test_prompts_are_mapped_to_geojson_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = tiny_restorer()
    (tmp_path / "weights").mkdir()
    save_weights(tmp_path / "weights" / "tiny.safetensors", restorer.network, restorer.card)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "weights"))
    source = str(write_raster(tmp_path / "scene.tif", photograph(3, 40, 40)))
    application(["prompts", source, str(tmp_path / "p.geojson"), "--weights", "tiny"], standalone_mode=False)
    assert (tmp_path / "p.geojson").exists()
    with pytest.raises(DatprlError, match="is GeoJSON"):
        application(["prompts", source, str(tmp_path / "p.shp"), "--weights", "tiny"], standalone_mode=False)
