"""The main job: what is it, which options mean something, and what must never happen."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from PIL import Image
from pydicom.data import get_testdata_file
from rasterio.transform import from_origin

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.files import disk_full
from datprl_toolkit.jobs import RestoreOptions, restore
from datprl_toolkit.jobs.identify import identify
from datprl_toolkit.remote_sensing import Scene
from datprl_toolkit.restoring.testing import tiny_restorer

if TYPE_CHECKING:
    from datprl_toolkit.restoring import Progress


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(path)
    return path


def scene(path: Path) -> Path:
    values = np.random.default_rng(0).integers(1, 256, (3, 40, 50), dtype=np.uint8)
    options = {"driver": "GTiff", "height": 40, "width": 50, "count": 3, "dtype": "uint8", "photometric": "RGB"}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=from_origin(0, 0, 10, 10), **options) as file:
        file.write(values)
    return path


def dicom() -> Path:
    found = get_testdata_file("CT_small.dcm", download=False)
    assert isinstance(found, str)
    return Path(found)


def test_every_kind_is_known_by_its_content(tmp_path: Path) -> None:
    assert identify(picture(tmp_path / "a.png").rename(tmp_path / "a.dat")) == "images"
    assert identify(scene(tmp_path / "b.tif").rename(tmp_path / "b.dat")) == "raster"
    assert identify(dicom()) == "dicom"
    picture(tmp_path / "folder" / "sub" / "c.png")
    assert identify(tmp_path / "folder") == "images"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: None, ErrorCode.MISSING),
        (lambda path: path.mkdir(), ErrorCode.EMPTY),
        (lambda path: path.touch(), ErrorCode.EMPTY),
        (lambda path: path.write_text("some text"), ErrorCode.UNKNOWN_FORMAT),
        (lambda path: path.write_bytes(os.urandom(4096)), ErrorCode.UNKNOWN_FORMAT),
    ],
    ids=["missing", "empty folder", "empty file", "text", "random bytes"],
)
@pytest.mark.parametrize("name", ["in", "in.tif", "in.dcm", "in.png"])
def test_what_cannot_be_restored_is_refused_with_its_code(tmp_path: Path, name: str, make: object, code: str) -> None:
    source = tmp_path / name
    make(source)  # type: ignore[operator]
    with pytest.raises(DatprlError) as error:
        restore(source, tmp_path / "out", tiny_restorer())
    assert error.value.code == code
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_what_may_not_be_read_is_said_to_be_so_and_no_fault_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scene(tmp_path / "scene.tif")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    for read in (identify, Scene.open):
        with pytest.raises(DatprlError, match=r"cannot be read: Permission denied .*scene\.tif") as raised:
            read(path)
        assert raised.value.code == "E_CORRUPT"


def test_a_folder_of_scenes_is_ambiguous(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif")
    scene(tmp_path / "b.tif")
    with pytest.raises(DatprlError, match="E_AMBIGUOUS"):
        restore(tmp_path, tmp_path.parent / "out", tiny_restorer())


def test_all_three_kinds_run_and_write_a_preview(tmp_path: Path) -> None:
    jobs = {
        "ct": (dicom(), tmp_path / "ct"),
        "scene": (scene(tmp_path / "in.tif"), tmp_path / "out.tif"),
        "photo": (picture(tmp_path / "in.png"), tmp_path / "out.png"),
    }
    for name, (source, target) in jobs.items():
        before = source.read_bytes()
        told: list[Progress] = []
        announced: list[str] = []
        options = RestoreOptions(preview=tmp_path / f"{name}_preview.png")
        outcome = restore(source, target, tiny_restorer(), options, told.append, announced.append)
        assert target.exists()
        assert outcome.output == target
        assert source.read_bytes() == before
        assert told
        assert "weights test, CPU" in announced[0]
        with Image.open(tmp_path / f"{name}_preview.png") as opened:
            image = np.asarray(opened.convert("L"))
        # Three panels with something in them, not an empty page.
        assert all(part.std() > 5 for part in np.array_split(image, 3, axis=1))


@pytest.mark.parametrize(
    "change", [{"bands": (1,)}, {"nodata": 0.0}, {"scaling": "uint8"}, {"other_bands": "drop"}, {"all_series": True}]
)
def test_an_option_without_meaning_for_the_input_is_refused_not_ignored(
    tmp_path: Path, change: dict[str, object]
) -> None:
    source = picture(tmp_path / "in.png")
    with pytest.raises(DatprlError, match=r"E_OPTION: --.* has no meaning for pictures"):
        restore(source, tmp_path / "out.png", tiny_restorer(), replace(RestoreOptions(), **change))  # type: ignore[arg-type]


def test_originals_are_never_in_danger(tmp_path: Path) -> None:
    source = picture(tmp_path / "in" / "a.png")
    options = RestoreOptions(overwrite=True)
    for target in (source, source.parent, tmp_path):
        with pytest.raises(DatprlError, match="never modified"):
            restore(source, target, tiny_restorer(), options)
    with pytest.raises(DatprlError, match="inside the input folder"):
        restore(source.parent, source.parent / "out", tiny_restorer(), options)
    assert source.exists()


def test_a_preview_replaces_neither_the_input_nor_the_output(tmp_path: Path) -> None:
    source = picture(tmp_path / "in" / "a.png")
    before = source.read_bytes()
    wrong = (
        (source, source, "never modified"),
        (source.parent, source, "inside the input folder"),
        (source, tmp_path / "out.png", "would replace the output"),
    )
    for given, preview, message in wrong:
        options = RestoreOptions(overwrite=True, preview=preview)
        with pytest.raises(DatprlError, match=message):
            restore(given, tmp_path / "out.png", tiny_restorer(), options)
    assert source.read_bytes() == before
    assert not (tmp_path / "out.png").exists()


def test_an_existing_output_is_refused_before_any_work(tmp_path: Path) -> None:
    source, target = picture(tmp_path / "in.png"), picture(tmp_path / "out.png")
    before = target.read_bytes()
    told: list[Progress] = []
    with pytest.raises(DatprlError, match="E_EXISTS"):
        restore(source, target, tiny_restorer(), RestoreOptions(), told.append)
    with pytest.raises(DatprlError, match="E_EXISTS"):
        restore(source, tmp_path / "new.png", tiny_restorer(), RestoreOptions(preview=target), told.append)
    assert target.read_bytes() == before
    assert told == []
    assert not (tmp_path / "new.png").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preview": "p.jpg"}, "E_OPTION: a preview is a PNG picture"),
        ({"preview": "file/p.png"}, "E_OUTPUT: "),
        ({"preview": "folder.png"}, "E_EXISTS: a folder is in the place"),
        ({"report": "file/sub/r.html"}, "E_OUTPUT: "),
        ({"report": "folder.html"}, "E_EXISTS: a folder is in the place"),
    ],
)
@pytest.mark.parametrize("name", ["in.png", "in.tif", "in.dcm"])
def test_a_preview_or_report_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, name: str, change: dict[str, str], message: str
) -> None:
    (tmp_path / "file").touch()
    for folder in ("folder.png", "folder.html"):
        (tmp_path / folder).mkdir()
    source = dicom()
    if name != "in.dcm":
        source = (picture if name == "in.png" else scene)(tmp_path / name)
    out = tmp_path / ("out" if name == "in.dcm" else f"out{source.suffix}")
    before = sorted(tmp_path.rglob("*"))
    options = replace(RestoreOptions(overwrite=True), **{key: tmp_path / path for key, path in change.items()})  # type: ignore[arg-type]
    with pytest.raises(DatprlError, match=message):
        restore(source, out, lambda: pytest.fail("no weights are needed to see it"), options)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_error_after_the_output_says_that_the_output_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise disk_full(path)

    monkeypatch.setattr(sys.modules[restore.__module__], "write_preview", full)
    source, out = picture(tmp_path / "in.png"), tmp_path / "out.png"
    with pytest.raises(DatprlError, match=r"E_DISK_FULL: .*the output was written: .*out\.png") as error:
        restore(source, out, tiny_restorer(), RestoreOptions(preview=tmp_path / "p.png"))
    assert "nothing was kept" not in str(error.value)
    assert out.exists()


@pytest.mark.parametrize("name", ["e.nrrd", "e.mha", "e.MHA.gz", "e.dcm", "e.tif", "e.png", "e.zip"])
def test_a_folder_of_dicom_gets_no_name_of_an_image_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatprlError, match=r"E_OPTION: a DICOM series is written as a folder.*\.nii\.gz for NIfTI"):
        restore(dicom(), tmp_path / name, lambda: pytest.fail("no weights are needed to see it"))
    options = RestoreOptions(uncertainty=tmp_path / name)
    with pytest.raises(DatprlError, match="E_OPTION: maps of uncertainty are written as a folder"):
        restore(dicom(), tmp_path / "out", lambda: pytest.fail("no weights are needed to see it"), options)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_files_of_others_is_kept_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "keep" / "other").mkdir(parents=True)
    shutil.copy(dicom(), tmp_path / "keep" / "other" / "1.dcm")
    picture(tmp_path / "in" / "a.png")
    for source in (dicom(), tmp_path / "in"):
        with pytest.raises(DatprlError, match=r"E_EXISTS: .*keep/other/1\.dcm"):
            restore(
                source,
                tmp_path / "keep",
                lambda: pytest.fail("no weights are needed to see it"),
                RestoreOptions(overwrite=True),
            )
    assert (tmp_path / "keep" / "other" / "1.dcm").exists()


def test_what_an_earlier_run_wrote_is_replaced_with_preview_and_report_in_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = RestoreOptions(
        overwrite=True, uncertainty=tmp_path / "maps", preview=out / "p.png", report=out / "r.html"
    )
    for _ in range(2):
        restore(dicom(), out, tiny_restorer(), options)
    restore(dicom(), out, tiny_restorer(), replace(options, preview=None, report=None))
    assert [path.suffix for path in out.iterdir()] == [".dcm"]
    picture(tmp_path / "in" / "sub" / "a.png")
    for _ in range(2):
        restore(tmp_path / "in", tmp_path / "pictures", tiny_restorer(), RestoreOptions(overwrite=True))
        restore(scene(tmp_path / "in.tif"), tmp_path / "out.zarr", tiny_restorer(), RestoreOptions(overwrite=True))


def test_a_finished_job_given_again_to_resume_replaces_its_own_pages_alone(tmp_path: Path) -> None:
    source, out = scene(tmp_path / "in.tif"), tmp_path / "out.tif"
    preview, report = tmp_path / "p.png", tmp_path / "r.html"
    options, restorer = RestoreOptions(resume=True, preview=preview, report=report), tiny_restorer()
    preview.write_bytes(b"mine")
    with pytest.raises(DatprlError, match="E_EXISTS"):
        restore(source, out, restorer, options)
    assert not out.exists()
    preview.unlink()
    restore(source, out, restorer, options)
    assert "complete already" in restore(source, out, restorer, options).summary
    for page in (preview, report):
        drawn = page.read_bytes()
        page.write_bytes(b"mine")
        with pytest.raises(DatprlError, match="E_EXISTS"):
            restore(source, out, restorer, options)
        assert page.read_bytes() == b"mine"
        page.write_bytes(drawn)


def test_a_job_cancelled_half_way_leaves_nothing(tmp_path: Path) -> None:
    def cancel(progress: Progress) -> None:
        if progress.step == "restoring":
            raise KeyboardInterrupt

    jobs = ((dicom(), "ct"), (scene(tmp_path / "in.tif"), "out.tif"), (scene(tmp_path / "b.tif"), "out.zarr"))
    before = sorted(path.name for path in tmp_path.iterdir())
    for source, name in jobs:
        with pytest.raises(KeyboardInterrupt):
            restore(source, tmp_path / name, tiny_restorer(), RestoreOptions(), cancel)
        assert sorted(path.name for path in tmp_path.iterdir()) == before
