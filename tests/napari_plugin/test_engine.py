"""The engine: another process that restores what the command line restores, stops when asked, and fails in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from napari_datprl.choices import Choices, Profile, nearest_first, prepare
from napari_datprl.engine import NICENESS
from napari_datprl.engine_process import EngineProcess
from napari_datprl.messages import (
    Cancelled,
    Failed,
    Finished,
    ListWeights,
    Loaded,
    Network,
    SliceAnswered,
)
from napari_datprl.requests import write_request
from napari_datprl.testing import fill, opened

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.medical import DicomOptions, restore_dicom
from datprl_toolkit.restoring import Restorer


def stored_pixels(folder: Path) -> list[np.ndarray]:
    return [pydicom.dcmread(path).pixel_array for path in sorted(folder.glob("*.dcm"))]


def values(folder: Path) -> np.ndarray:
    return np.asarray(opened(folder).data)


@pytest.mark.parametrize("modality", ["ct_folder", "pet_folder"])
@pytest.mark.parametrize("strength", [1.0, 0.3])
def test_the_layer_and_its_series_equal_those_of_the_command_line(
    modality: str,
    strength: float,
    request: pytest.FixtureRequest,
    engine: EngineProcess,
    tiny_weights: str,
    tmp_path: Path,
) -> None:
    folder: Path = request.getfixturevalue(modality)
    choices = Choices(Network(tiny_weights, "cpu"), strength=strength)
    restoration, asked = prepare(opened(folder), choices, 2)
    assert isinstance(fill(restoration, asked, engine), Finished)
    written = fill(restoration, write_request(restoration, tmp_path / "viewer"), engine)
    assert isinstance(written, Finished), written

    restorer = Restorer.from_pretrained(tiny_weights, device="cpu")
    restore_dicom(folder, tmp_path / "line", restorer, DicomOptions(strength=strength))
    for ours, theirs in zip(stored_pixels(tmp_path / "viewer"), stored_pixels(tmp_path / "line"), strict=True):
        # Another batch size adds up in another order: a tie may round the other way.
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1
    assert np.array_equal(np.asarray(restoration.stack), values(tmp_path / "viewer"))
    assert not np.array_equal(np.asarray(restoration.stack), values(folder))


def test_the_header_of_the_written_series_is_that_of_the_command_line(
    ct_folder: Path, engine: EngineProcess, tiny_weights: str, tmp_path: Path
) -> None:
    restoration, asked = prepare(opened(ct_folder), Choices(Network(tiny_weights, "cpu")), 0)
    fill(restoration, asked, engine)
    fill(restoration, write_request(restoration, tmp_path / "viewer"), engine)
    restore_dicom(ct_folder, tmp_path / "line", Restorer.from_pretrained(tiny_weights, device="cpu"))
    ours, theirs = (pydicom.dcmread(tmp_path / name / "0003.dcm") for name in ("viewer", "line"))
    made_when = ("InstanceCreationDate", "InstanceCreationTime", "ContributingEquipmentSequence", "PixelData")
    for keyword in made_when:
        del ours[keyword], theirs[keyword]
    assert ours == theirs


def test_the_written_series_says_in_what_arithmetic_the_network_answered(
    ct_folder: Path, engine: EngineProcess, tiny_weights: str, tmp_path: Path
) -> None:
    restoration, asked = prepare(opened(ct_folder), Choices(Network(tiny_weights, "cpu")), 0)
    fill(restoration, asked, engine)
    assert restoration.arithmetic == "float32"
    headers = {}
    for arithmetic in ("float32", "float16"):
        restoration.arithmetic = arithmetic  # as an engine on a GPU says
        fill(restoration, write_request(restoration, tmp_path / arithmetic), engine)
        headers[arithmetic] = pydicom.dcmread(tmp_path / arithmetic / "0003.dcm")
    assert "arithmetic" not in headers["float32"].DerivationDescription
    assert ", arithmetic float16." in headers["float16"].DerivationDescription
    assert headers["float16"].SOPInstanceUID != headers["float32"].SOPInstanceUID


@pytest.mark.parametrize("modality", ["ct_folder", "pet_folder"])
def test_a_name_of_nifti_gives_the_same_values_in_the_same_place(
    modality: str, request: pytest.FixtureRequest, engine: EngineProcess, tiny_weights: str, tmp_path: Path
) -> None:
    import nibabel

    layer = opened(request.getfixturevalue(modality))
    restoration, asked = prepare(layer, Choices(Network(tiny_weights, "cpu")), 0)
    fill(restoration, asked, engine)
    reply = fill(restoration, write_request(restoration, tmp_path / "out.nii.gz"), engine)
    assert isinstance(reply, Finished), reply
    image: Any = nibabel.load(tmp_path / "out.nii.gz")
    shown = np.asarray(restoration.stack)
    to_voxel = np.linalg.inv(image.affine) @ np.diag([-1.0, -1.0, 1.0, 1.0]) @ layer.metadata["patient_affine"]
    for index in ((1, 5, 7), (4, 20, 30), (2, 33, 11)):
        voxel = np.rint(to_voxel @ [*index, 1])[:3].astype(int)
        assert np.asarray(image.dataobj)[tuple(voxel)] == pytest.approx(shown[index], rel=1e-6)
    again = fill(restoration, write_request(restoration, tmp_path / "out.nii.gz"), engine)
    assert isinstance(again, Failed)
    assert again.error.code is ErrorCode.EXISTS


def test_strength_zero_is_the_original_and_needs_no_network(
    ct_folder: Path, engine: EngineProcess, tiny_weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = opened(ct_folder)
    restoration, asked = prepare(layer, Choices(Network(tiny_weights, "cpu")), 0)
    fill(restoration, asked, engine)
    monkeypatch.delattr(EngineProcess, "ask")
    restoration.set_strength(0.0)
    assert np.array_equal(np.asarray(restoration.stack), np.asarray(layer.data))
    restoration.set_strength(0.5)
    assert not np.array_equal(np.asarray(restoration.stack), np.asarray(layer.data))


def test_the_slice_that_is_looked_at_comes_first(ct_folder: Path, engine: EngineProcess, tiny_weights: str) -> None:
    _, asked = prepare(opened(ct_folder), Choices(Network(tiny_weights, "cpu")), 3)
    answered = [reply.index for reply in engine.ask(asked) if isinstance(reply, SliceAnswered)]
    assert answered == [3, 2, 4, 1, 0]
    assert nearest_first(3, 99) == (2, 1, 0)


def test_what_was_not_restored_yet_is_shown_as_nothing(ct_folder: Path) -> None:
    restoration, _ = prepare(opened(ct_folder), Choices(), 0)
    assert np.isnan(np.asarray(restoration.stack)).all()
    with pytest.raises(DatprlError, match="E_OPTION"):
        write_request(restoration, Path("out"))


def test_cancel_ends_the_work_and_the_engine_serves_on(
    ct_folder: Path, engine: EngineProcess, tiny_weights: str
) -> None:
    restoration, asked = prepare(opened(ct_folder), Choices(Network(tiny_weights, "cpu")), 0)
    replies = []
    for reply in engine.ask(asked):
        replies.append(reply)
        if isinstance(reply, Loaded):
            process = engine._process
            engine.cancel()
    assert isinstance(replies[-1], Cancelled)
    assert not any(isinstance(reply, SliceAnswered) and reply.index == 4 for reply in replies)
    assert isinstance(fill(restoration, asked, engine), Finished)
    assert engine._process is process


def test_an_engine_that_goes_away_is_told_as_memory_that_ran_out(ct_folder: Path, tiny_weights: str) -> None:
    engine = EngineProcess()
    _, asked = prepare(opened(ct_folder), Choices(Network(tiny_weights, "cpu")), 0)
    replies = []
    for reply in engine.ask(asked):
        replies.append(reply)
        if len(replies) == 1:
            assert engine._process is not None
            engine._process.kill()
    assert isinstance(replies[-1], Failed)
    assert replies[-1].error.code is ErrorCode.MEMORY
    assert engine._process is None


@pytest.mark.parametrize(
    ("weights", "code"), [("nowhere", ErrorCode.WEIGHTS), (__file__, ErrorCode.WEIGHTS)], ids=["unknown", "damaged"]
)
def test_what_goes_wrong_is_one_line_with_a_code(
    ct_folder: Path, engine: EngineProcess, weights: str, code: ErrorCode
) -> None:
    restoration, asked = prepare(opened(ct_folder), Choices(Network(weights)), 0)
    reply = fill(restoration, asked, engine)
    assert isinstance(reply, Failed)
    assert reply.error.code is code
    assert "\n" not in str(reply.error)


def test_a_picture_and_a_stack_of_any_origin_are_restored_in_their_own_values(
    engine: EngineProcess, tiny_weights: str
) -> None:
    from napari.layers import Image

    generator = np.random.default_rng(0)
    picture = Image(generator.integers(0, 256, (24, 32, 3), dtype=np.uint8), rgb=True)
    stack = Image(generator.normal(100.0, 10.0, (2, 3, 24, 24)).astype(np.float32), contrast_limits=(60, 140))
    network = Network(tiny_weights, "cpu")
    for layer, profile in ((picture, Profile.TYPE), (stack, Profile.SHOWN)):
        restoration, asked = prepare(layer, Choices(network, profile), 0)
        reply = fill(restoration, asked, engine)
        assert isinstance(reply, Finished), reply
        restored = np.asarray(restoration.stack)
        assert restored.shape == layer.data.shape
        assert restored.dtype == layer.data.dtype
        change = np.abs(restored.astype(float) - layer.data)
        assert 0 < change.max() < 0.9 * np.ptp(layer.data)
        assert np.array_equal(restoration.stack[1], restored[1])
    expected = Restorer.from_pretrained(tiny_weights, device="cpu").restore(picture.data)
    restoration, asked = prepare(picture, Choices(network, Profile.TYPE), 0)
    fill(restoration, asked, engine)
    assert np.array_equal(np.asarray(restoration.stack), expected)


def test_another_window_is_the_one_that_the_network_sees(
    ct_folder: Path, engine: EngineProcess, tiny_weights: str
) -> None:
    layer = opened(ct_folder)
    layer.contrast_limits = (-1300.0, 150.0)
    restoration, asked = prepare(layer, Choices(Network(tiny_weights, "cpu"), Profile.SHOWN), 0)
    fill(restoration, asked, engine)
    assert isinstance(restoration.profile, IntensityProfile)
    assert (restoration.profile.low, restoration.profile.high) == (-1300.0, 150.0)
    changed = np.asarray(restoration.stack) != np.asarray(layer.data)
    assert changed[np.asarray(layer.data) < -900].any()


def test_the_names_of_weights_are_known(engine: EngineProcess) -> None:
    *_, last = engine.ask(ListWeights())
    assert isinstance(last, Finished)
    assert "ct_denoising" in last.result["small"]


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="this system has no niceness")
def test_the_engine_takes_the_processor_after_the_window(engine: EngineProcess) -> None:
    *_, last = engine.ask(ListWeights())
    assert isinstance(last, Finished)
    assert engine._process is not None
    assert os.getpriority(os.PRIO_PROCESS, engine._process.pid) == os.getpriority(os.PRIO_PROCESS, 0) + NICENESS


def test_the_process_of_the_window_never_loads_the_network(ct_folder: Path, tiny_weights: str) -> None:
    check = (
        "import sys; from pathlib import Path; from napari_datprl.testing import opened, fill;"
        "from napari_datprl.choices import Choices, prepare; from napari_datprl.messages import Network;"
        "from napari_datprl.engine_process import EngineProcess;"
        "layer = opened(Path(sys.argv[1])); engine = EngineProcess();"
        "made, asked = prepare(layer, Choices(Network(sys.argv[2], 'cpu')), 0);"
        "print(type(fill(made, asked, engine)).__name__, made.planes[0].shape);"
        "print({'torch', 'monai', 'torchio', 'safetensors'} & set(sys.modules)); engine.close()"
    )
    result = subprocess.run(
        [sys.executable, "-c", check, str(ct_folder), tiny_weights], capture_output=True, text=True, check=True
    )
    assert result.stdout.split("\n")[:2] == ["Finished (40, 48)", "set()"]
