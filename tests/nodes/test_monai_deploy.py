"""The contract of MONAI Deploy's operators: ``setup`` declares ports, ``compute`` receives and emits.

The SDK needs CUDA's libraries to be imported, so that a stand-in with the parts of its interface that operators use
takes its place; where the real one can be imported, an application runs in it too.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from datprl_nodes import find_nodes
from datprl_nodes.adapters import monai_deploy

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.images.picture import read_picture
from datprl_toolkit.metrics.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANY_SIZE = -1
NONE = "none"


class Socket:
    """What ``spec.input`` and ``spec.output`` return."""

    def __init__(self, size: int = 1) -> None:
        self.size, self.conditions = size, list[str]()

    def condition(self, kind: str) -> Socket:
        self.conditions.append(kind)
        return self


class Spec:
    """``OperatorSpec``."""

    def __init__(self) -> None:
        self.inputs: dict[str, Socket] = {}
        self.outputs: dict[str, Socket] = {}

    def input(self, name: str, *, size: int = 1) -> Socket:
        return self.inputs.setdefault(name, Socket(size))

    def output(self, name: str) -> Socket:
        return self.outputs.setdefault(name, Socket())


class Operator:
    """``holoscan.core.Operator``, which calls ``setup`` when it is made and takes no keyword that it does not know."""

    def __init__(self, fragment: object, *conditions: object, name: str = "") -> None:
        self.name = name
        self.spec = Spec()
        self.setup(self.spec)

    def setup(self, spec: Spec) -> None:
        raise NotImplementedError


def run(operator: Any, received: dict[str, Any]) -> dict[str, Any]:
    """Run an operator once, as the SDK does, on what came for each of its inputs."""
    emitted: dict[str, Any] = {}
    taken = SimpleNamespace(receive=received.get)
    operator.compute(taken, SimpleNamespace(emit=lambda value, name: emitted.update({name: value})), None)
    return emitted


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the stand-in where the SDK would be."""
    core: Any = ModuleType("monai.deploy.core")
    core.Operator, core.IOSpec = Operator, SimpleNamespace(ANY_SIZE=ANY_SIZE)
    core.ConditionType = SimpleNamespace(NONE=NONE)
    package: Any = ModuleType("monai.deploy")
    package.core = core
    monkeypatch.setitem(sys.modules, "monai", ModuleType("monai"))
    monkeypatch.setitem(sys.modules, "monai.deploy", package)
    monkeypatch.setitem(sys.modules, "monai.deploy.core", core)
    monai_deploy.operator.cache_clear()
    yield
    monai_deploy.operator.cache_clear()


@pytest.mark.usefixtures("sdk")
def test_every_node_is_an_operator_with_the_ports_of_the_node() -> None:
    for name, kind in find_nodes().items():
        needed = {"bands": [1]} if name == "select_bands" else {}
        made = monai_deploy.operator(name)(None, parameters=needed, name=f"my_{name}")
        assert made.name == f"my_{name}"
        assert set(made.spec.inputs) == set(kind.inputs())
        assert set(made.spec.outputs) == set(kind.outputs())
        for port in kind.inputs().values():
            socket = made.spec.inputs[port.name]
            assert (socket.size == ANY_SIZE) == port.many
            assert (NONE in socket.conditions) == port.optional


@pytest.mark.usefixtures("sdk", "acme")
def test_values_flow_from_a_file_through_nodes_to_a_file(picture: Path, tmp_path: Path) -> None:
    brighten = monai_deploy.operator("acme_brighten")
    first = brighten(None, parameters={"amount": 5}, inputs={"picture": picture}, name="first")
    assert not first.spec.inputs
    second = brighten(None, outputs={"picture": tmp_path / "out.png"}, name="second")
    brighter = run(first, {})
    run(second, brighter)
    np.testing.assert_array_equal(read_picture(tmp_path / "out.png").pixels, read_picture(picture).pixels + 15)
    join = monai_deploy.operator("join_reports")(None, parameters={"name": "both"}, name="join")
    report = Report("r", ("x",), (("a", (1.0,)),))
    assert len(run(join, {"reports": (report, report)})["report"].rows) == 2


@pytest.mark.usefixtures("sdk")
def test_what_does_not_fit_is_refused_when_the_application_is_composed() -> None:
    thumbnail = monai_deploy.operator("thumbnail")
    with pytest.raises(DatprlError, match=r"no parameter 'sise'. Perhaps 'size' was meant"):
        thumbnail(None, parameters={"sise": 3})
    with pytest.raises(DatprlError, match=r"no input 'imag'. Perhaps 'image' was meant"):
        thumbnail(None, inputs={"imag": "in.png"})
    with pytest.raises(DatprlError, match="no output 'pictur'"):
        thumbnail(None, outputs={"pictur": "out.png"})


def test_without_the_sdk_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "monai", ModuleType("monai"))
    monkeypatch.setitem(sys.modules, "monai.deploy", None)
    monai_deploy.operator.cache_clear()
    with pytest.raises(DatprlError, match="MONAI Deploy SDK cannot be imported") as caught:
        monai_deploy.operator("restore")
    assert caught.value.code is ErrorCode.DEPENDENCY


APPLICATION = """
import sys
from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application
from datprl_nodes.adapters.monai_deploy import operator

picture, out = sys.argv[1:]


class Small(Application):
    def compose(self):
        read = operator("read_picture")(self, CountCondition(self, 1), inputs={"source": picture}, name="read")
        rain = operator("rain")(self, parameters={"seed": 3}, outputs={"image": f"{out}/rain.png"}, name="rain")
        scores = [operator("score")(self, parameters={"label": label}, name=label) for label in ("one", "two")]
        join = operator("join_reports")(self, outputs={"report": f"{out}/scores.json"}, name="join")
        self.add_flow(read, rain, {("picture", "image")})
        for score in scores:
            self.add_flow(rain, score, {("image", "image")})
            self.add_flow(read, score, {("picture", "reference")})
            self.add_flow(score, join, {("report", "reports")})


Small().run()
"""


def test_an_application_runs_in_the_real_sdk(picture: Path, tmp_path: Path) -> None:
    try:
        version("monai-deploy-app-sdk")
    except PackageNotFoundError:
        pytest.skip("the MONAI Deploy SDK is not installed")
    command = [sys.executable, "-c", APPLICATION, str(picture), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if "libcudart" in result.stderr:
        pytest.skip("the MONAI Deploy SDK is installed, but not CUDA's runtime, without which it cannot be imported")
    assert result.returncode == 0, result.stderr
    assert not np.array_equal(read_picture(tmp_path / "rain.png").pixels, read_picture(picture).pixels)
    table = Report.from_json((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert [label for label, _ in table.rows] == ["one: picture", "two: picture"]
    assert table.rows[0][1] == table.rows[1][1]
