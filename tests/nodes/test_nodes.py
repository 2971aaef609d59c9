"""Nodes: parameters that are checked, ports by annotation, found by entry point, run from files to files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from datprl_nodes import Job, Node, broken_nodes, describe, find_node, find_nodes
from datprl_nodes.calling import run_node
from datprl_nodes.node import call_node, make_node
from datprl_nodes.ports import Image  # noqa: TC002 (read when a class is made)
from datprl_nodes.restoring import Restore, RestorePicture, RestoreVolume
from pydantic import ValidationError

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.images.picture import Picture, read_picture
from datprl_toolkit.jobs import restore
from datprl_toolkit.restoring.testing import tiny_restorer

if TYPE_CHECKING:
    from datprl_toolkit.metrics.report import Report

FOUND = find_nodes()


class Two(NamedTuple):
    first: Picture
    table: Report


class Several(Node):
    """A node with every kind of port."""

    def run(self, *, image: Image, other: Image, files: tuple[Path, ...], table: Report | None = None, job: Job) -> Two:
        raise NotImplementedError


@pytest.mark.parametrize("wrong", [{"strength": 2.0}, {"scale": 0}, {"strenght": 0.5}])
def test_a_wrong_or_misspelt_parameter_is_refused_when_the_node_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RestorePicture(**wrong)


def test_the_refusal_of_a_parameter_names_it_its_value_and_what_would_fit() -> None:
    with pytest.raises(DatprlError, match=r"no parameter 'strenght'. Perhaps 'strength' was meant"):
        make_node("restore_picture", RestorePicture, {"strenght": 0.5})
    with pytest.raises(DatprlError, match=r"'strength' .* cannot be 2: input should be less than or equal to 1"):
        make_node("restore_picture", RestorePicture, {"strength": 2})


def test_a_node_does_not_change() -> None:
    node = RestoreVolume(strength=0.5)
    with pytest.raises(ValidationError):
        node.strength = 1.0


@pytest.mark.parametrize("name", FOUND)
def test_every_node_says_what_it_is_what_it_takes_and_what_its_parameters_mean(name: str) -> None:
    described = describe(name, FOUND[name])
    assert described["title"]
    assert described["description"].endswith(".")
    assert described["category"] != "other"
    assert described["outputs"]
    for parameter in described["parameters"]["properties"].values():
        assert parameter["description"]
        assert parameter["title"]
    json.dumps(described)


def test_ports_are_read_from_the_annotations() -> None:
    ports = Several.inputs()
    assert ports["image"].types == ("Volume", "Scene", "Picture")
    assert ports["image"].variable == ports["other"].variable == "Image"
    assert ports["files"].many
    assert ports["table"].optional
    assert "job" not in ports
    assert list(Several.outputs()) == ["first", "table"]
    assert list(RestoreVolume.outputs()) == ["volume"]


def test_a_port_that_nothing_could_be_connected_to_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"port 'number' has the type int; ports carry Volume, Scene"):

        class Numbers(Node):
            def run(self, *, number: int) -> Path:
                raise NotImplementedError

    with pytest.raises(TypeError, match="must be keyword-only"):

        class Positional(Node):
            def run(self, source: Path) -> Path:
                raise NotImplementedError


def test_a_list_of_nodes_loads_no_heavy_package() -> None:
    heavy = "torch numpy monai rasterio xarray dask zarr pydicom matplotlib PIL"
    check = (
        "import sys; from datprl_nodes import describe, find_nodes;"
        "[describe(*item) for item in find_nodes().items()];"
        f"print(sorted(set('{heavy}'.split()) & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.usefixtures("acme")
def test_nodes_of_another_package_are_found_and_a_broken_one_is_told_apart() -> None:
    found = find_nodes()
    assert found["acme_brighten"].title == "Brighten"
    assert "acme_broken" not in found
    assert "NotThere" in broken_nodes()["acme_broken"]
    with pytest.raises(DatprlError, match=r"E_NODE: the node 'acme_broken' cannot be loaded"):
        find_node("acme_broken")
    with pytest.raises(DatprlError, match=r"no node 'acme_brigten'. Perhaps 'acme_brighten' was meant"):
        find_node("acme_brigten")


def test_a_result_of_another_type_than_declared_is_refused(acme: Path, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(DatprlError, match="E_NODE: the node gave a Picture where it declares Report"):
        call_node(find_node("acme_wrong")(), {"picture": read_picture(picture)}, Job(tmp_path))


@pytest.mark.parametrize("mean", [False, True])
def test_the_node_gives_the_same_pixels_as_the_main_job(
    tiny_weights: str, picture: Path, tmp_path: Path, mean: bool
) -> None:
    for node, port, name in (
        (Restore(weights="tiny", self_ensemble=mean), "source", "path"),
        (RestorePicture(weights="tiny", self_ensemble=mean), "picture", "picture"),
    ):
        run_node("restore", node, {port: [picture]}, {name: tmp_path / f"{port}.png"})
    restore(picture, tmp_path / "job.png", tiny_restorer(self_ensemble=mean))
    expected = read_picture(tmp_path / "job.png").pixels
    assert not np.array_equal(expected, read_picture(picture).pixels)
    for port in ("source", "picture"):
        np.testing.assert_array_equal(read_picture(tmp_path / f"{port}.png").pixels, expected)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({"pictur": "in.png"}, {"picture": "out.png"}, "has no input 'pictur'. Perhaps 'picture' was meant"),
        ({}, {"picture": "out.png"}, r"needs the input 'picture' \(Picture\)"),
        ({"picture": "in.png"}, {}, "needs the output 'picture'"),
        ({"picture": "in.png"}, {"picture": "out.tif"}, r"not written as 'out.tif'. Let the name end in .png"),
        ({"picture": "in.png"}, {"picture": "in.png"}, "E_EXISTS"),
        ({"picture": "nowhere.png"}, {"picture": "out.png"}, "E_MISSING"),
        ({"picture": "text.png"}, {"picture": "out.png"}, "E_UNKNOWN_FORMAT"),
    ],
)
def test_a_node_that_is_run_wrongly_says_so_in_one_line_and_leaves_nothing(
    acme: Path,
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
    inputs: dict[str, str],
    outputs: dict[str, str],
    message: str,
) -> None:
    monkeypatch.chdir(picture.parent)
    Path("text.png").write_text("no picture")
    sources = {port: [Path(path)] for port, path in inputs.items()}
    with pytest.raises(DatprlError, match=message) as caught:
        run_node("acme", find_node("acme_brighten")(), sources, {port: Path(path) for port, path in outputs.items()})
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(path.name for path in picture.parent.iterdir()) == ["in.png", "text.png"]


def test_a_wrong_ending_is_refused_before_the_node_runs(picture: Path, tmp_path: Path) -> None:
    class Long(Node):
        def run(self, *, picture: Picture) -> Picture:
            pytest.fail("it ran")

    with pytest.raises(DatprlError, match=r"a Picture is not written as 'out.tif'"):
        run_node("long", Long(), {"picture": [picture]}, {"picture": tmp_path / "out.tif"})


def test_what_another_package_raises_becomes_one_line_of_ours(
    acme: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(picture.parent)
    Path("STOP").touch()
    with pytest.raises(DatprlError, match="RuntimeError: somebody put a STOP there") as caught:
        run_node("m", find_node("acme_measure")(), {"picture": [picture]}, {"report": Path("r.json")})
    assert caught.value.code is ErrorCode.NODE
    assert not Path("r.json").exists()
