"""What is foretold of other readers is what they do: the readers themselves are run on the odd series."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from datprl_toolkit.medical.affine import LPS_TO_RAS, stack_affine
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.hostile_series import HOSTILE_SERIES
from datprl_toolkit.medical.inspection import inspect_dicom
from datprl_toolkit.medical.reading import scan

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.medical.volume import Volume

SimpleITK = pytest.importorskip("SimpleITK")
SERIES = {kind.name: kind.write for kind in HOSTILE_SERIES}


def read_with_simpleitk(folder: Path) -> Any:  # SimpleITK has no types
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def read_with_monai(folder: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the array, (slices, rows, columns), and the affine in LPS."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.data.image_reader import PydicomReader

        reader = PydicomReader(affine_lps_to_ras=False)
        array, metadata = reader.get_data(reader.read(str(folder)))
    return np.transpose(array, (2, 1, 0)), np.asarray(metadata["affine"])


def volume_of(folder: Path) -> Volume:
    return group_series(scan(folder).instances)[0].volume


def foretold(folder: Path, code: str) -> str:
    item = inspect_dicom(folder).items[0]
    texts = [finding.text for finding in item.other_readers if finding.code == code]
    assert len(texts) == 1, f"{code} is not foretold once"
    return texts[0]


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, text
    return float(found[1])


def test_the_values_that_wrap_round_do(tmp_path: Path) -> None:
    SERIES["pet-slopes"](tmp_path)
    text = foretold(tmp_path, "R_FIRST_SLICE_TYPE")
    limit = number(r"values above (\d+)", text)
    image = read_with_simpleitk(tmp_path)
    true = np.stack([each.read() for each in volume_of(tmp_path).slices])
    wrong = SimpleITK.GetArrayFromImage(image)
    assert "int16" in text
    assert image.GetPixelIDTypeAsString() == "16-bit signed integer"
    assert np.abs(wrong - true)[true > limit].min() > limit
    assert np.abs(wrong - true)[true <= limit].max() <= 1


@pytest.mark.parametrize("name", ["missing", "uneven"])
def test_the_one_distance_that_is_foretold_is_the_one_that_comes_out(name: str, tmp_path: Path) -> None:
    SERIES[name](tmp_path)
    step = number(r"slices, ([\d.]+) mm", foretold(tmp_path, "R_UNEVEN_SPACING"))
    assert read_with_simpleitk(tmp_path).GetSpacing()[2] == pytest.approx(step, abs=1e-3)
    assert np.linalg.norm(read_with_monai(tmp_path)[1][:3, 2]) == pytest.approx(step, abs=1e-3)


def test_simpleitk_drops_the_shear_and_monai_keeps_it(tmp_path: Path) -> None:
    SERIES["tilted"](tmp_path)
    beside = number(r"comes out ([\d.]+) mm", foretold(tmp_path, "R_SHEAR"))
    image, volume = read_with_simpleitk(tmp_path), volume_of(tmp_path)
    last = image.TransformIndexToPhysicalPoint((0, 0, len(volume.slices) - 1))
    away = np.linalg.norm(np.array(last) - volume.slices[-1].geometry.position)
    assert away == pytest.approx(beside, abs=0.1)
    true = stack_affine([each.geometry for each in volume.slices])
    assert np.allclose(read_with_monai(tmp_path)[1], true)


def test_monai_sorts_by_instance_number(tmp_path: Path) -> None:
    SERIES["shuffled"](tmp_path)
    text = foretold(tmp_path, "R_INSTANCE_NUMBER")
    array, affine = read_with_monai(tmp_path)
    assert np.linalg.norm(affine[:3, 2]) == pytest.approx(number(r"place, ([\d.]+) mm", text), abs=1e-3)
    true = np.stack([each.read() for each in volume_of(tmp_path).slices])
    moved = sum(not np.array_equal(one, other) for one, other in zip(array, true, strict=True))
    assert moved == number(r"Instance Number: (\d+) of", text)


def test_monai_refuses_slices_without_instance_number(tmp_path: Path) -> None:
    SERIES["no-numbers"](tmp_path)
    assert "refuses" in foretold(tmp_path, "R_INSTANCE_NUMBER")
    with pytest.raises(ValueError, match="does not have valid slices"):
        read_with_monai(tmp_path)


def test_every_file_of_a_collision_becomes_a_slice(tmp_path: Path) -> None:
    SERIES["copy"](tmp_path)
    foretold(tmp_path, "R_DUPLICATE")
    slices = len(volume_of(tmp_path).slices)
    image = read_with_simpleitk(tmp_path)
    assert image.GetSize()[2] == slices + 1
    assert image.GetSpacing()[2] != pytest.approx(3.0)
    assert len(read_with_monai(tmp_path)[0]) == slices + 1


def test_both_orientations_are_stacked_and_both_series_mixed(tmp_path: Path) -> None:
    SERIES["orientations"](tmp_path / "turned")
    foretold(tmp_path / "turned", "R_MIXED_ORIENTATION")
    assert read_with_simpleitk(tmp_path / "turned").GetSize()[2] == 6
    assert len(read_with_monai(tmp_path / "turned")[0]) == 6
    SERIES["two-series"](tmp_path / "mixed")
    foretold(tmp_path / "mixed", "R_MIXED_FOLDER")
    assert read_with_simpleitk(tmp_path / "mixed").GetSize()[2] in (4, 6)
    assert len(read_with_monai(tmp_path / "mixed")[0]) == 10


def test_simpleitk_turns_monochrome1_round(tmp_path: Path) -> None:
    SERIES["monochrome1"](tmp_path)
    foretold(tmp_path, "R_INVERTED")
    stored = np.stack([each.read_stored() for each in volume_of(tmp_path).slices])
    assert np.array_equal(SimpleITK.GetArrayFromImage(read_with_simpleitk(tmp_path)), 4095 - stored)
    assert np.array_equal(read_with_monai(tmp_path)[0], stored)


def test_frames_of_an_enhanced_image_come_in_the_order_of_the_file_under_one_rescale(tmp_path: Path) -> None:
    SERIES["enhanced"](tmp_path)
    foretold(tmp_path, "R_FRAME_RESCALE")
    moved = number(r"file: (\d+) of", foretold(tmp_path, "R_FRAME_ORDER"))
    volume = volume_of(tmp_path)
    values = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "enhanced.dcm")))
    frames = [image.frame for image in volume.slices]
    assert moved == sum(frame != place for place, frame in enumerate(frames))
    first = next(image for image in volume.slices if image.frame == 0)
    by_frame = {image.frame: image for image in volume.slices}
    for frame, read in enumerate(values):
        assert np.allclose(read, first.rescale.to_physical(by_frame[frame].read_stored()))


def test_monai_takes_an_enhanced_image_for_one_without_position(tmp_path: Path) -> None:
    SERIES["enhanced"](tmp_path)
    assert "without their rescale" in foretold(tmp_path, "R_ENHANCED")
    array, affine = read_with_monai(tmp_path / "enhanced.dcm")
    stored = {image.frame: image.read_stored() for image in volume_of(tmp_path).slices}
    assert np.allclose(np.abs(affine), np.eye(4)[:, [1, 0, 2, 3]])
    assert np.array_equal(array[:, 0].T, stored[0])  # (columns, frames, rows) turned by the helper above


def test_padding_comes_as_image(tmp_path: Path) -> None:
    SERIES["missing"](tmp_path)
    lowest = number(r"down to (-\d+) HU", foretold(tmp_path, "R_PADDING"))
    assert SimpleITK.GetArrayFromImage(read_with_simpleitk(tmp_path)).min() == lowest
    assert read_with_monai(tmp_path)[0].min() == lowest


def test_our_affine_is_simpleitks_for_an_even_series(tmp_path: Path) -> None:
    SERIES["shuffled"](tmp_path)
    image = read_with_simpleitk(tmp_path)
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    assert np.allclose(stack_affine([each.geometry for each in volume_of(tmp_path).slices]), affine)
    assert np.allclose(LPS_TO_RAS @ LPS_TO_RAS, np.eye(4))
