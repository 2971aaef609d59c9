"""What a MONAI pipeline writes is a derived series as ``datprl restore`` writes it, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from monai.data import MetaTensor
from monai.data.image_writer import SUPPORTED_WRITERS
from monai.transforms import Compose, LoadImage, Orientation, SaveImage
from monai.transforms.io.array import SUPPORTED_READERS

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.jobs.report import make_report
from datprl_toolkit.medical import restore_dicom
from datprl_toolkit.medical.made_by import read_made_by
from datprl_toolkit.medical.testing import Modality, write_synthetic_series
from datprl_toolkit.transforms.monai import RestoreVolume, SeriesReader, SeriesWriter, register

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

    from datprl_toolkit.restoring import Restorer

Series = Callable[[Modality], Path]


@pytest.fixture
def registered() -> Iterator[None]:
    """Register both, and leave MONAI as it was."""
    readers, writers = dict(SUPPORTED_READERS), dict(SUPPORTED_WRITERS)
    register()
    register()
    yield
    for table, before in ((SUPPORTED_READERS, readers), (SUPPORTED_WRITERS, writers)):
        table.clear()
        table.update(before)


def load(folder: Path, *more: Any, **options: Any) -> MetaTensor:
    image = Compose([LoadImage(reader=SeriesReader(**options), ensure_channel_first=True), *more])(str(folder))
    assert isinstance(image, MetaTensor)
    return image


def write(image: MetaTensor, folder: Path, **options: Any) -> None:
    writer = SeriesWriter(**options)
    writer.set_data_array(image)
    writer.set_metadata(image.meta)
    writer.write(folder, verbose=False)


def stored(folder: Path) -> tuple[np.ndarray, list[FileDataset]]:
    files = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    return np.stack([each.pixel_array * float(each.get("RescaleSlope", 1)) for each in files]), files


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_the_series_is_that_of_the_command_line(
    modality: Modality, series: Series, tmp_path: Path, tiny: Restorer
) -> None:
    restore_dicom(series(modality), tmp_path / "expected", tiny)
    write(load(series(modality), RestoreVolume(tiny)), tmp_path / "written")
    expected, one = stored(tmp_path / "expected")
    values, two = stored(tmp_path / "written")
    steps = np.array([float(each.get("RescaleSlope", 1)) for each in one])[:, None, None]
    # The pipeline calculates in float32, which may turn a half the other way.
    assert (np.abs(values - expected) <= 1.01 * steps).all()
    assert np.mean(np.abs(values - expected) > 0.01 * steps) < 0.02
    assert [each.DerivationDescription for each in two] == [each.DerivationDescription for each in one]
    assert not {each.SOPInstanceUID for each in one} & {each.SOPInstanceUID for each in two}
    (part,) = make_report(series(modality), tmp_path / "written", restorer=tiny).parts
    assert not part.failed


def test_a_network_in_half_precision_is_named_as_on_the_command_line(
    series: Series, tmp_path: Path, tiny: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(tiny), "arithmetic", "bfloat16")
    restore_dicom(series("CT"), tmp_path / "expected", tiny)
    write(load(series("CT"), RestoreVolume(tiny)), tmp_path / "written")
    (_, one), (_, two) = stored(tmp_path / "expected"), stored(tmp_path / "written")
    assert ", arithmetic bfloat16." in one[0].DerivationDescription
    assert two[0].DerivationDescription == one[0].DerivationDescription


@pytest.mark.usefixtures("registered")
def test_registered_both_are_found_by_what_is_to_be_read_and_written(series: Series, tmp_path: Path) -> None:
    image = LoadImage(ensure_channel_first=True)(str(series("PT")))
    assert image.meta["unit"] == "Bq/ml"
    save = SaveImage(tmp_path, output_ext=".dcm", separate_folder=False, print_log=False)
    save.set_options({"method": "Nothing was done to it."})(image)
    (folder,) = tmp_path.iterdir()
    assert folder.name == "PT_trans"
    values, files = stored(folder)
    before = image.numpy()[0].transpose(2, 1, 0)
    np.testing.assert_allclose(values, before, atol=float(before.max()) / 32767)
    assert files[0].DerivationDescription.startswith("Nothing was done to it. Written by datprl-toolkit")
    assert read_made_by(files[0]) is None
    SaveImage(tmp_path / "nifti", output_ext=".nii.gz", print_log=False)(image)
    assert list((tmp_path / "nifti").rglob("*.nii.gz"))


def test_what_was_not_changed_is_the_source_bit_by_bit(series: Series, tmp_path: Path) -> None:
    image = load(series("CT"))
    image[0, 20:24, 20:24] += 10
    write(image, tmp_path / "out", method="Ten more in a square")
    before, _ = stored_of_source(series("CT"))
    after, _ = stored(tmp_path / "out")
    changed = before != after
    assert changed[:, 20:24, 20:24].any()
    changed[:, 20:24, 20:24] = False
    assert not changed.any()


def stored_of_source(folder: Path) -> tuple[np.ndarray, list[FileDataset]]:
    files = sorted(map(pydicom.dcmread, folder.glob("*.dcm")), key=lambda each: float(each.ImagePositionPatient[2]))
    return np.stack([each.pixel_array for each in files]), files


@pytest.mark.parametrize(
    ("more", "options", "code"),
    [
        ((), {}, ErrorCode.UNSUPPORTED),  # nothing says what was done
        ((Orientation("RAS", labels=None),), {"method": "turned"}, ErrorCode.MISMATCH),
    ],
)
def test_what_cannot_be_written_truly_is_refused(
    more: tuple[Any, ...], options: dict[str, Any], code: ErrorCode, series: Series, tmp_path: Path
) -> None:
    with pytest.raises(DatprlError) as caught:
        write(load(series("CT"), *more), tmp_path / "out", **options)
    assert caught.value.code is code
    assert list(tmp_path.iterdir()) == []


def test_neither_the_source_nor_an_output_is_replaced_unasked(series: Series, tmp_path: Path) -> None:
    image = load(series("MR"))
    with pytest.raises(DatprlError):
        write(image, series("MR"), method="as it was", overwrite=True)
    write(image, tmp_path / "out", method="as it was")
    with pytest.raises(DatprlError, match="E_EXISTS"):
        write(image, tmp_path / "out", method="as it was")
    write(image, tmp_path / "out", method="as it was", overwrite=True)


def test_tilted_and_uneven_slices_are_restored_and_written_where_they_lie(tmp_path: Path, tiny: Restorer) -> None:
    def move(dataset: FileDataset, index: int) -> None:
        x, y, z = (float(value) for value in dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y + 0.5 * index, z + (3.0 if index > 2 else 0.0)]

    write_synthetic_series(tmp_path / "in", "CT", change=move)
    restore_dicom(tmp_path / "in", tmp_path / "expected", tiny)
    write(load(tmp_path / "in", RestoreVolume(tiny), uneven=True), tmp_path / "out")
    expected, one = stored(tmp_path / "expected")
    values, two = stored(tmp_path / "out")
    assert np.abs(values - expected).max() <= 1
    assert [each.ImagePositionPatient for each in two] == [each.ImagePositionPatient for each in one]
