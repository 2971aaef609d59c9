"""The report of a result: read back from the files, with a certificate that can fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.jobs import RestoreOptions, restore
from datprl_toolkit.jobs.report import make_report, write_report
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring.testing import identity_restorer, tiny_restorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from datprl_toolkit.medical.testing import Modality
    from datprl_toolkit.reports import Part

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def restored(tmp_path: Path, modality: Modality = "CT", **options: Any) -> tuple[Path, Path]:
    source, result = tmp_path / f"{modality} in", tmp_path / f"{modality} out"
    write_synthetic_series(source, modality)
    restore(source, result, tiny_restorer(), replace(RestoreOptions(), **options))
    return source, result


def failed(part: Part) -> set[str]:
    return {check.name for check in part.failed}


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_a_restored_series_passes_every_check_and_comes_out_the_same_again(tmp_path: Path, modality: Modality) -> None:
    source, result = restored(tmp_path, modality)
    report = make_report(source, result, restorer=tiny_restorer())
    (part,) = report.parts
    assert report.passed, part.failed
    names = {check.name for check in part.checks}
    assert {"Position of every slice", "Frame of reference", "Pixels outside the window untouched",
            "Restored again from the source", "Source of every slice named"} <= names  # fmt: skip
    assert {"SUV factor", "Times of decay correction"} <= names or modality != "PT"
    assert part.unit == {"CT": "HU", "MR": "arbitrary units", "PT": "SUV"}[modality]
    assert dict(report.facts)["Strength"] == "1"
    assert part.network is not None
    assert [pool.pool for pool in part.network.prompts] == ["domain", "task"]
    assert sum(share for _, share, _ in part.network.prompts[0].chosen) == pytest.approx(1.0)
    assert part.network.shared is not None
    assert part.measured.steps is not None
    assert len(part.measured.steps.levels) == 6
    assert part.measured.change.changed > 0


def test_the_page_holds_nothing_of_the_patient_nor_of_the_machine(tmp_path: Path) -> None:
    source, result = restored(tmp_path, "PT")
    page = tmp_path / "report.html"
    write_report(make_report(source, result, restorer=tiny_restorer()), page)
    text = page.read_text(encoding="utf-8")
    dataset = pydicom.dcmread(next(source.iterdir()))
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "SOPInstanceUID", "StudyDate"):
        assert str(dataset[keyword].value) not in text, keyword
    assert str(tmp_path) not in text
    assert source.name not in text


def test_nothing_changes_at_strength_0_and_with_an_identity(tmp_path: Path) -> None:
    source, result = restored(tmp_path, strength=0.0)
    report = make_report(source, result, restorer=identity_restorer())
    (part,) = report.parts
    assert report.passed
    assert part.measured.change.changed == 0
    assert part.network is None
    assert any(line.startswith("W_NOT_RETRACED") for line in part.warnings)


def tamper(folder: Path, change: Callable[[pydicom.FileDataset], None]) -> None:
    path = sorted(folder.iterdir())[2]
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)


def outside(dataset: pydicom.FileDataset) -> None:
    pixels = dataset.pixel_array.copy()
    pixels[np.argwhere(pixels > 400)[0][0], np.argwhere(pixels > 400)[0][1]] += 1
    dataset.PixelData = pixels.tobytes()


def padding(dataset: pydicom.FileDataset) -> None:
    pixels = dataset.pixel_array.copy()
    pixels[0, 0] += 7
    dataset.PixelData = pixels.tobytes()


def set_to(keyword: str, value: object) -> Callable[[pydicom.FileDataset], None]:
    return lambda dataset: setattr(dataset, keyword, value)


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (set_to("ImagePositionPatient", [-60.0, -50.0, -93.99]), "Position of every slice"),
        (set_to("ImageOrientationPatient", [1.0, 0.0, 0.0, 0.0, 0.99999, 0.004]), "Orientation of every slice"),
        (set_to("RescaleSlope", "1.01"), "Rescale of every slice"),
        (set_to("FrameOfReferenceUID", "1.2.3"), "Frame of reference"),
        (set_to("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL"]), "Labelled as derived"),
        (set_to("SourceImageSequence", []), "Source of every slice named"),
        (outside, "Pixels outside the window untouched"),
        (padding, "Padding untouched"),
    ],
    ids=["position", "orientation", "slope", "frame", "type", "source", "outside", "padding"],
)
def test_every_check_fails_where_it_must_and_says_the_number(
    tmp_path: Path, change: Callable[[pydicom.FileDataset], None], check: str
) -> None:
    source, result = restored(tmp_path)
    tamper(result, change)
    report = make_report(source, result)
    assert not report.passed
    # A slice of another kind is a series of its own.
    wrong = [each for part in report.parts for each in part.failed if each.name == check]
    assert wrong
    assert any(character.isdigit() for character in wrong[0].found)


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (set_to("PatientWeight", "76"), "SUV factor"),
        (set_to("SeriesTime", "101400"), "Times of decay correction"),
    ],
)
def test_the_quantity_of_a_pet_is_guarded(
    tmp_path: Path, change: Callable[[pydicom.FileDataset], None], check: str
) -> None:
    source, result = restored(tmp_path, "PT")
    for path in result.iterdir():
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path)
    assert check in failed(make_report(source, result).parts[0])


def test_a_missing_slice_and_other_weights_are_said(tmp_path: Path) -> None:
    source, result = restored(tmp_path)
    sorted(result.iterdir())[3].unlink()
    assert failed(make_report(source, result).parts[0]) == {"Number of slices"}
    other = tiny_restorer(seed=1)
    other.card = replace(other.card, sha256="f" * 64)
    again = make_report(source, result, restorer=other).parts[0]
    assert again.network is None
    assert "of another checksum" in again.warnings[-1]


def test_another_network_of_the_same_checksum_does_not_come_out_the_same(tmp_path: Path) -> None:
    source, result = restored(tmp_path)
    again = make_report(source, result, restorer=tiny_restorer(seed=5)).parts[0]
    assert failed(again) == {"Restored again from the source"}


def test_what_does_not_belong_together_is_refused_in_one_line(tmp_path: Path) -> None:
    source, result = restored(tmp_path)
    other, _ = restored(tmp_path, "PT")
    far = tmp_path / "far"
    write_synthetic_series(far, "CT", change=lambda d, i: setattr(d, "ImagePositionPatient", [-60, -50, 500 + 3 * i]))
    write_raster(tmp_path / "a.tif", photograph(3, 40, 50))
    write_raster(tmp_path / "b.tif", photograph(3, 40, 60))
    write_raster(tmp_path / "c.tif", photograph(2, 40, 50))
    for name, size in (("a.png", (20, 20)), ("b.png", (24, 20))):
        Image.fromarray(np.zeros(size, np.uint8)).save(tmp_path / name)
    wrong = [
        (source, other, "CT in HU before, PT in Bq/ml after"),
        (source, far, "6 of 6 slices lie where the original has none"),
        (source, source, "both are the same"),
        (source, tmp_path / "a.tif", "DICOM series before, raster scenes after"),
        (tmp_path / "a.tif", tmp_path / "b.tif", "50 x 40 pixels before, 60 x 40 after"),
        (tmp_path / "a.tif", tmp_path / "c.tif", "3 bands before, 2 after"),
        (tmp_path / "a.png", tmp_path / "b.png", "20 x 20 pixels before, 20 x 24 after"),
    ]
    for before, after, message in wrong:
        with pytest.raises(DatprlError, match="E_MISMATCH") as error:
            make_report(before, after)
        assert message in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(DatprlError, match="E_MISSING"):
        make_report(source, tmp_path / "nowhere")
    assert result.exists()


def test_a_result_of_another_program_is_paired_by_position_and_its_window_is_not_guessed(tmp_path: Path) -> None:
    source, result = tmp_path / "in", tmp_path / "out"
    write_synthetic_series(source, "CT")
    write_synthetic_series(result, "CT", series="two")
    (part,) = make_report(source, result).parts
    assert {"Source of every slice named", "Labelled as derived"} <= failed(part)
    unknown = next(check for check in part.checks if check.name == "Pixels outside the window untouched")
    assert unknown.holds is None


def test_the_option_writes_the_page_of_every_kind_and_leaves_the_inputs_alone(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "ct", "CT", 3)
    write_raster(tmp_path / "scene.tif", photograph(4, 90, 120))
    Image.fromarray(photograph(3, 70, 80).transpose(1, 2, 0)).save(tmp_path / "photo.png")
    jobs = (("ct", "out", 1), ("scene.tif", "out.tif", 1), ("scene.tif", "large.tif", 2), ("photo.png", "out.png", 2))
    for source, target, scale in jobs:
        page = tmp_path / f"{target}.html"
        options = RestoreOptions(report=page, scale=scale)
        restore(tmp_path / source, tmp_path / target, tiny_restorer(), options)
        text = page.read_text(encoding="utf-8")
        assert "All checks passed" in text, target
        assert str(tmp_path) not in text
    report = make_report(tmp_path / "scene.tif", tmp_path / "out.tif")
    bands = report.parts[0].measured.bands
    assert [band.restored for band in bands] == [True, True, True, False]
    assert bands[3].rms == 0
    assert bands[3].gain == pytest.approx(1.0)


def test_the_prompts_of_a_scene_are_told_where_all_its_tiles_share_them(tmp_path: Path) -> None:
    source = write_raster(tmp_path / "in.tif", photograph(3, 60, 570))
    for mode, sampled in (("scene", "scene"), ("field", "scene, the mean of 2 places")):
        restore(source, tmp_path / f"{mode}.tif", tiny_restorer(), RestoreOptions(context=mode))  # type: ignore[arg-type]
        (part,) = make_report(source, tmp_path / f"{mode}.tif", restorer=tiny_restorer()).parts
        assert part.network is not None
        assert part.network.sampled.endswith(f"windows of the {sampled}")
        assert sum(share for _, share, _ in part.network.prompts[0].chosen) == pytest.approx(1.0)
    restore(source, tmp_path / "own.tif", tiny_restorer(), RestoreOptions(context="tile"))
    (part,) = make_report(source, tmp_path / "own.tif", restorer=tiny_restorer()).parts
    assert part.network is None
    assert any("datprl prompts" in line for line in part.warnings)


def test_a_page_that_compares_some_of_many_pictures_says_so(tmp_path: Path) -> None:
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
        for number in range(14):
            picture = Image.fromarray(np.full((16, 16), number, np.uint8))
            picture.save(tmp_path / folder / f"{number:02d}.png")
    report = make_report(tmp_path / "in", tmp_path / "out")
    assert len(report.parts) == 12
    (line,) = report.warnings
    assert line.startswith("W_SAMPLED: the page compares the first 12 of 14 pictures")


def test_a_scene_is_shown_in_a_range_that_spans_it_before_and_after(tmp_path: Path) -> None:
    before = photograph(3, 96, 128)
    source = write_raster(tmp_path / "in.tif", before)
    after = write_raster(tmp_path / "out.tif", (before // 4).astype(before.dtype))
    part = make_report(source, after).parts[0]
    assert part.low == pytest.approx(np.percentile(before // 4, 1))
    assert part.high == pytest.approx(np.percentile(before, 99))


def test_a_scene_that_was_moved_or_touched_fails(tmp_path: Path) -> None:
    import rasterio
    from affine import Affine

    source, target = write_raster(tmp_path / "in.tif", photograph(4, 60, 70), nodata=0), tmp_path / "out.tif"
    restore(source, target, tiny_restorer())
    with rasterio.open(target) as opened:
        values, profile, tags = opened.read(), dict(opened.profile), opened.tags()
    values[3, 5, 5] += 1
    values[0, 9, 9] = 0
    profile |= {"driver": "GTiff", "transform": Affine(10, 0, 500_001, 0, -10, 5_000_000), "crs": "EPSG:32634"}
    for key in ("blockxsize", "blockysize", "tiled", "compress", "interleave"):
        profile.pop(key, None)
    moved = tmp_path / "moved.tif"
    with rasterio.open(moved, "w", **profile) as opened:
        opened.write(values)
        opened.update_tags(**tags)
    names = failed(make_report(source, moved).parts[0])
    assert names == {"Reference system", "Transform", "Pixels without data", "Bands not restored untouched"}


def test_a_report_replaces_neither_input_nor_output_and_is_refused_before_any_work(tmp_path: Path) -> None:
    source = tmp_path / "in"
    write_synthetic_series(source, "CT", 3)
    taken = tmp_path / "taken.html"
    taken.write_text("mine")
    wrong = (
        (source / "report.html", "inside the input folder"),
        (tmp_path / "report.png", "E_OPTION: a report is an HTML page"),
        (taken, "E_EXISTS"),
    )
    for page, message in wrong:
        with pytest.raises(DatprlError, match=message):
            restore(source, tmp_path / "out", tiny_restorer(), RestoreOptions(report=page))
    with pytest.raises(DatprlError, match="the report would replace the output"):
        options = RestoreOptions(report=tmp_path / "out.html", overwrite=True)
        restore(source, tmp_path / "out.html", tiny_restorer(), options)
    assert taken.read_text() == "mine"
    assert not (tmp_path / "out").exists()


@pytest.mark.shared
def test_a_real_pet_is_measured_in_suv_with_its_hot_regions(tmp_path: Path) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"the real data beside the repository are not there ({SHARED})")
    source = tmp_path / "in"
    source.mkdir()
    for path in sorted((SHARED / "pet" / "train" / "acrin042_pet_ac").iterdir())[60:72]:
        (source / path.name).symlink_to(path)
    restore(source, tmp_path / "out", identity_restorer())
    report = make_report(source, tmp_path / "out")
    (part,) = report.parts
    assert report.passed, part.failed
    assert part.unit == "SUV"
    for region in part.measured.hottest:
        assert region.before.maximum > 1
        assert region.after.maximum == pytest.approx(region.before.maximum, rel=1e-3)
        assert region.after.mean == pytest.approx(region.before.mean, rel=1e-3)
    assert part.measured.regions
