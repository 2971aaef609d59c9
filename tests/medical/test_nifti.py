"""NIfTI in and out: geometry as others see it, values never cut or rounded unsaid, and the same result as DICOM."""

from __future__ import annotations

import gzip
import subprocess
from typing import TYPE_CHECKING, Any, cast

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.medical import restore_dicom
from datprl_toolkit.medical.affine import LPS_TO_RAS
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.hostile_series import HOSTILE_SERIES
from datprl_toolkit.medical.nifti_format import has_nifti_content
from datprl_toolkit.medical.nifti_inspection import inspect_nifti
from datprl_toolkit.medical.nifti_reading import display_order, read_nifti
from datprl_toolkit.medical.nifti_restore import NiftiOptions, restore_dicom_as_nifti, restore_nifti
from datprl_toolkit.medical.nifti_writing import StoredType, choose_type
from datprl_toolkit.medical.options import DicomOptions
from datprl_toolkit.medical.profiles import CT_SOFT_TISSUE, volume_suv_factor
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.restoring.testing import identity_restorer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.restoring import Restorer

HU = NiftiOptions("hu")
MR = NiftiOptions("mr")
OBLIQUE = np.array([[0.9, 0.1, 0.3, -20.0], [-0.2, 1.1, 0.4, 10.0], [0.1, -0.3, 2.0, 5.0], [0, 0, 0, 1]])


class Darkener:
    """Stands in for a restorer whose answer is known: every value a fifth darker."""

    task: str | None = None
    self_ensemble = False
    arithmetic = "float32"

    def __init__(self) -> None:
        self.card = identity_restorer().card

    def given(self, task: str | None) -> Darkener:
        return self

    def context(self, images: npt.NDArray[np.float32]) -> object:
        assert images.ndim == 4
        return self

    def restore_batch(self, images: npt.NDArray[np.float32], context: object) -> npt.NDArray[np.float32]:
        assert context is self
        return images * np.float32(0.8)


@pytest.fixture
def darker() -> Restorer:
    return cast("Restorer", Darkener())


def phantom(shape: tuple[int, ...] = (24, 20, 6), dtype: str = "int16") -> npt.NDArray[Any]:
    """Return values like those of a CT: air, soft tissue, and bone above the window."""
    values = np.random.default_rng(0).normal(40, 60, shape)
    values[:5], values[-4:] = -1000, 700
    return values.astype(dtype)


def write(
    path: Path, values: npt.NDArray[Any], affine: npt.NDArray[np.float64] | None = None, change: Any = None
) -> Path:
    make: Any = nibabel.Nifti1Image
    image = make(values, np.diag([1.0, 1, 2, 1]) if affine is None else affine)
    if change is not None:
        change(image)
    nibabel.save(image, path)
    return path


def stored_of(path: Path) -> npt.NDArray[Any]:
    image: Any = nibabel.load(path)
    return np.asarray(image.dataobj.get_unscaled())


def values_of(path: Path) -> npt.NDArray[Any]:
    image: Any = nibabel.load(path)
    return np.asarray(image.dataobj)


def header_of(path: Path) -> bytes:
    """Return the 348 bytes of the header as they stand in the file."""
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content)[:348]


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_header_affine_codes_and_type_stay_as_they_are(name: str, tmp_path: Path, darker: Restorer) -> None:
    def describe(image: Any) -> None:
        image.header.set_xyzt_units("mm", "sec")
        image.header["descrip"], image.header["cal_max"] = b"scanner text", 240
        image.header["intent_name"], image.header["slice_code"] = b"CT", 1
        image.set_qform(np.diag([2.0, 1, 1, 1]), 2)
        image.set_sform(OBLIQUE, 4)
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, b"kept"))

    source = write(tmp_path / "in.nii.gz", phantom(), change=describe)
    outcome = restore_nifti(source, tmp_path / name, darker, HU)
    before, after = bytearray(header_of(source)), bytearray(header_of(tmp_path / name))
    for header in (before, after):
        header[108:112] = b"\0\0\0\0"  # vox_offset, since a comment was added
    assert before == after
    image: Any = nibabel.load(tmp_path / name)
    assert [bytes(each.get_content()).rstrip(b"\0")[:8] for each in image.header.extensions] == [b"kept", b"Restored"]
    assert "rounded to the file's steps of 1 HU" in outcome.summary
    assert (stored_of(source) != stored_of(tmp_path / name)).any()


def test_what_the_network_does_not_see_is_identical_to_the_bit(tmp_path: Path, darker: Restorer) -> None:
    source = write(tmp_path / "in.nii", phantom())
    restore_nifti(source, tmp_path / "out.nii", darker, HU)
    before, after = stored_of(source), stored_of(tmp_path / "out.nii")
    outside = (before <= -160) | (before >= 240)
    assert np.array_equal(before[outside], after[outside])
    assert (before[~outside] != after[~outside]).mean() > 0.5
    restore_nifti(source, tmp_path / "same.nii", darker, NiftiOptions("hu", strength=0))
    assert np.array_equal(stored_of(tmp_path / "same.nii"), before)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_no_value_is_cut_off_and_rounding_is_at_most_half_a_step(dtype: str, tmp_path: Path, darker: Restorer) -> None:
    values = phantom().clip(0, None).astype(dtype) if dtype.startswith("u") else phantom(dtype=dtype)
    source = write(tmp_path / "in.nii", values)
    outcome = restore_nifti(source, tmp_path / "out.nii", darker, HU)
    reference = write(tmp_path / "exact.nii", values.astype(np.float64))
    restore_nifti(reference, tmp_path / "reference.nii", darker, HU)
    exact, written = values_of(tmp_path / "reference.nii"), values_of(tmp_path / "out.nii")
    stored = stored_of(tmp_path / "out.nii").dtype
    if dtype.startswith("u"):
        assert stored == np.float32  # the window begins at -160, which the source cannot hold
        assert "cannot hold the whole window" in outcome.summary
        assert exact.min() < 0
    else:
        assert stored == np.dtype(dtype)
    tolerance = 0.5 if stored.kind == "i" else 1e-4
    assert np.abs(written - exact).max() <= tolerance


def test_coarse_steps_are_not_kept(tmp_path: Path, darker: Restorer) -> None:
    source = write(tmp_path / "in.nii", phantom().clip(0, 15))
    outcome = restore_nifti(source, tmp_path / "out.nii", darker, NiftiOptions("suv"))
    assert "stored as float32, since int16 has steps of 1 SUV" in outcome.summary
    written = values_of(tmp_path / "out.nii")
    assert (written != np.rint(written)).any()
    untouched = values_of(source) == 0
    assert (written[untouched] == 0).all()


def test_a_scaled_file_keeps_its_slope_and_intercept(tmp_path: Path, darker: Restorer) -> None:
    def scale(image: Any) -> None:
        image.header.set_slope_inter(0.25, -1024)

    values = phantom(dtype="float64")
    source = write(tmp_path / "in.nii", np.rint((values + 1024) / 0.25).astype(np.uint16), change=scale)
    assert np.abs(read_nifti(source).to_physical(stored_of(source)) - values).max() <= 0.125
    outcome = restore_nifti(source, tmp_path / "out.nii", darker, HU)
    image: Any = nibabel.load(tmp_path / "out.nii")
    assert (image.dataobj.slope, image.dataobj.inter) == (0.25, -1024)
    assert stored_of(tmp_path / "out.nii").dtype == np.uint16
    assert "steps of 0.25 HU" in outcome.summary


@given(
    low=st.floats(-2000, 0), width=st.floats(1, 3000), slope=st.floats(0.001, 10), intercept=st.floats(-2000, 2000),
    dtype=st.sampled_from(["uint8", "int8", "int16", "uint16", "int32", "float32"]),
)  # fmt: skip
@settings(max_examples=60)
def test_the_chosen_type_holds_every_value_of_the_window(
    low: float, width: float, slope: float, intercept: float, dtype: str
) -> None:
    from dataclasses import replace

    profile = replace(CT_SOFT_TISSUE, low=low, high=low + width, taper_low=0.0, taper_high=0.0)
    chosen, _ = choose_type(StoredType(np.dtype(dtype), slope, intercept), profile)
    restored = np.linspace(low, low + width, 50)
    stored = np.zeros(50, dtype)
    encoded = chosen.encode(stored, np.full(50, np.nan), restored)
    tolerance = chosen.step / 2 + 1e-6 * (abs(low) + width + abs(intercept) + 1)
    assert np.abs(chosen.to_physical(encoded) - restored).max() <= tolerance


def test_values_that_are_not_finite_stay(tmp_path: Path, darker: Restorer) -> None:
    values = phantom(dtype="float32")
    values[10, :, 0], values[11, :, 1] = np.nan, np.inf
    source = write(tmp_path / "in.nii", values)
    restore_nifti(source, tmp_path / "out.nii", darker, HU)
    written = stored_of(tmp_path / "out.nii")
    assert np.array_equal(np.isnan(written), np.isnan(values))
    assert np.array_equal(np.isinf(written), np.isinf(values))


def test_the_quantity_must_be_said(tmp_path: Path, darker: Restorer) -> None:
    source = write(tmp_path / "in.nii", phantom())
    with pytest.raises(DatprlError, match=r"E_QUANTITY: NIfTI does not say .* --quantity hu") as error:
        restore_nifti(source, tmp_path / "out.nii", darker, NiftiOptions())
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.nii"]


def test_values_that_hardly_are_what_is_said_are_doubted(tmp_path: Path, darker: Restorer) -> None:
    source = write(tmp_path / "in.nii", phantom().clip(0, 255).astype(np.uint8))
    codes = [line.split(":")[0] for line in restore_nifti(source, tmp_path / "a.nii", darker, HU).warnings]
    assert "W_QUANTITY" in codes
    suv = write(tmp_path / "suv.nii", 1e4 * np.abs(phantom(dtype="float32")))
    found = restore_nifti(suv, tmp_path / "b.nii", darker, NiftiOptions("suv")).warnings
    assert [line.split(":")[0] for line in found] == ["W_QUANTITY"]


def all_orders() -> list[npt.NDArray[np.float64]]:
    """Return the 48 affines that lay the axes of a file along those of the patient."""
    from itertools import permutations, product

    found = []
    for axes in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            affine = np.eye(4)
            affine[:3, :3] = 0
            for place, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
                affine[axis, place] = sign * (1.0, 1.25, 3.0)[place]
            found.append(affine)
    return found


def test_whichever_way_a_file_is_laid_out_slices_are_shown_as_dicom_shows_them() -> None:
    for affine in all_orders():
        order = display_order(affine)
        turned = LPS_TO_RAS @ order.affine_of(affine, (24, 20, 6))
        row, column = (turned[:3, axis] / np.linalg.norm(turned[:3, axis]) for axis in (0, 1))
        normal = np.cross(row, column)
        axis = int(np.argmax(np.abs(normal)))
        # PS3.3: sagittal, coronal, axial as scanners export them.
        assert [row.tolist(), column.tolist()] == [
            [[0, 1, 0], [0, 0, -1]], [[1, 0, 0], [0, 0, -1]], [[1, 0, 0], [0, 1, 0]]
        ][axis]  # fmt: skip
        assert normal @ turned[:3, 2] > 0


def test_the_result_does_not_depend_on_how_the_file_is_laid_out(tmp_path: Path, tiny: Restorer) -> None:
    values = phantom((24, 16, 4), "float64")
    plain = write(tmp_path / "plain.nii", values, np.diag([-1.0, -1, 2, 1]))
    restore_nifti(plain, tmp_path / "plain_out.nii", tiny, HU)
    flipped = write(tmp_path / "flipped.nii", values[:, ::-1], np.diag([-1.0, 1, 2, 1]))
    restore_nifti(flipped, tmp_path / "flipped_out.nii", tiny, HU)
    one, other = values_of(tmp_path / "plain_out.nii"), values_of(tmp_path / "flipped_out.nii")
    assert (one != values).any()
    assert np.abs(one - other[:, ::-1]).max() < 1e-3


def test_the_affine_is_the_one_that_simpleitk_reads(tmp_path: Path) -> None:
    simpleitk = pytest.importorskip("SimpleITK")
    upright = np.eye(4)
    angle = np.radians(20)
    upright[:3, :3] = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]) * [
        0.9,
        0.8,
        2.5,
    ]
    upright[:3, 3] = (-11, 7, 3)
    source = write(tmp_path / "in.nii", phantom(), upright)
    volume, image = read_nifti(source), simpleitk.ReadImage(str(source))
    for index in ((0, 0, 0), (5, 7, 2), (23, 19, 5)):
        ours = LPS_TO_RAS @ volume.affine @ [*index, 1]
        assert np.allclose(ours[:3], image.TransformIndexToPhysicalPoint(index), atol=1e-4)
    # And through the turned axes every voxel keeps its place.
    turned = volume.affine_lps @ [3, 4, 1, 1]
    place = np.rint(np.linalg.inv(LPS_TO_RAS @ volume.affine) @ turned).astype(int)[:3]
    assert volume.read_stored(1)[4, 3] == stored_of(source)[tuple(place)]


def test_units_of_metres_become_millimetres(tmp_path: Path) -> None:
    source = write(tmp_path / "in.nii", phantom(), np.diag([0.001, 0.001, 0.002, 1]), _in_metres)
    assert np.allclose(np.diag(read_nifti(source).affine), [1, 1, 2, 1])


def _in_metres(image: Any) -> None:
    image.header.set_xyzt_units("meter")


def test_four_dimensions_share_one_window(tmp_path: Path, darker: Restorer) -> None:
    values = np.abs(phantom((24, 20, 3, 4))) + np.arange(4, dtype=np.int16) * 10
    source = write(tmp_path / "in.nii.gz", values)
    outcome = restore_nifti(source, tmp_path / "out.nii.gz", darker, MR)
    assert stored_of(tmp_path / "out.nii.gz").shape == (24, 20, 3, 4)
    assert outcome.summary.startswith("12 slices")
    assert any(line.startswith("W_TIMES") for line in outcome.warnings)


def _no_forms(image: Any) -> None:
    image.set_qform(None, 0)
    image.set_sform(None, 0)


def _two_forms(image: Any) -> None:
    image.set_qform(np.diag([1.0, 1, 2, 1]), 1)
    image.set_sform(np.diag([-1.0, 1, 2, 1]), 1)


@pytest.mark.parametrize(("change", "code"), [(_no_forms, "W_NO_ORIENTATION"), (_two_forms, "W_TWO_AFFINES")])
def test_doubtful_orientation_is_told(change: Any, code: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.nii", phantom(), change=change)
    assert code in {finding.code for finding in inspect_nifti(source).items[0].problems}


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-500]), "E_TRUNCATED"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "E_"),
        (lambda path: write(path, phantom((4, 4, 4), "complex64")), "E_UNSUPPORTED"),
        (lambda path: write(path, np.zeros((4, 4, 4, 2, 3), np.int16)), "E_UNSUPPORTED"),
        (lambda path: path.rename(path.with_suffix(".dat")).rename(path), "E_QUANTITY"),
    ],
    ids=["cut", "cut in the header", "complex", "five dimensions", "no quantity"],
)
def test_what_cannot_be_restored_is_one_line_and_leaves_nothing(
    spoil: Callable[[Path], object], code: str, tmp_path: Path, darker: Restorer
) -> None:
    source = write(tmp_path / "in.nii", phantom())
    spoil(source)
    options = NiftiOptions() if code == "E_QUANTITY" else HU
    with pytest.raises(DatprlError) as error:
        restore_nifti(source, tmp_path / "out.nii", darker, options)
    assert str(error.value).startswith(code)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.nii"]


def test_content_tells_a_nifti_and_compressed_runs_are_equal(tmp_path: Path, darker: Restorer) -> None:
    source = write(tmp_path / "in.nii.gz", phantom())
    assert has_nifti_content(source)
    (tmp_path / "text.gz").write_bytes(gzip.compress(b"words"))
    assert not has_nifti_content(tmp_path / "text.gz")
    for name in ("a.nii.gz", "b.nii.gz"):
        restore_nifti(source, tmp_path / name, darker, HU)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def converted(tool: Callable[[str], str], source: Path, folder: Path) -> Path:
    """Return what dcm2niix makes of a series."""
    folder.mkdir()
    command = [tool("dcm2niix"), "-b", "n", "-z", "n", "-f", "out", "-o", str(folder), str(source)]
    subprocess.run(command, capture_output=True, check=True)
    return folder / "out.nii"


def dicom_values(folder: Path) -> npt.NDArray[np.float64]:
    return np.stack([image.read() for image in group_series(scan(folder).instances)[0].volume.slices])


@pytest.mark.parametrize(("modality", "quantity"), [("CT", "hu"), ("PT", "bqml"), ("MR", "mr")])
def test_a_series_and_its_nifti_by_dcm2niix_give_the_same_voxels(
    modality: Any, quantity: Any, tool: Callable[[str], str], tmp_path: Path, tiny: Restorer
) -> None:
    def without_dose(dataset: Any, index: int) -> None:
        if modality == "PT":  # NIfTI has none either, so that both take the percentile window
            del dataset.PatientWeight

    write_synthetic_series(tmp_path / "in", modality, 6, change=without_dose)
    nifti = converted(tool, tmp_path / "in", tmp_path / "nifti")
    restore_dicom(tmp_path / "in", tmp_path / "dicom_out", tiny)
    restore_nifti(nifti, tmp_path / "out.nii", tiny, NiftiOptions(quantity))
    volume = read_nifti(tmp_path / "out.nii")
    ours = np.stack([volume.to_physical(volume.read_stored(index)) for index in range(6)])
    theirs, source = dicom_values(tmp_path / "dicom_out"), dicom_values(tmp_path / "in")
    padding = source == -2000 if modality == "CT" else np.zeros(source.shape, bool)
    assert (theirs != source).any()
    # PET is rounded to a slope for each slice in DICOM, and read as float32 from NIfTI.
    tolerance = 1.0 if modality == "PT" else 0.0
    differing = np.abs(ours - theirs)[~padding] > tolerance + 1e-6 * np.abs(theirs).max()
    assert differing.mean() < (2e-3 if modality != "PT" else 1e-9)
    assert np.abs(ours - theirs)[~padding].max() <= (1.5 if modality != "PT" else 2.0)


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_dicom_written_as_nifti_lies_where_dcm2niix_puts_it(
    modality: Any, tool: Callable[[str], str], tmp_path: Path, identity: Restorer
) -> None:
    write_synthetic_series(tmp_path / "in", modality, 6)
    nifti: Any = nibabel.load(converted(tool, tmp_path / "in", tmp_path / "nifti"))
    restore_dicom_as_nifti(tmp_path / "in", tmp_path / "out.nii.gz", identity, DicomOptions())
    ours: Any = nibabel.load(tmp_path / "out.nii.gz")
    assert np.allclose(ours.affine, nifti.affine, atol=1e-4)
    assert np.allclose(ours.get_qform(), nifti.get_qform(), atol=1e-4)
    difference = np.abs(np.asarray(ours.dataobj) - np.asarray(nifti.dataobj))
    assert difference.max() <= 1e-6 * np.abs(np.asarray(nifti.dataobj)).max()


def test_a_tilted_series_keeps_its_shear_in_nifti(tmp_path: Path, identity: Restorer) -> None:
    kinds = {kind.name: kind.write for kind in HOSTILE_SERIES}
    kinds["tilted"](tmp_path / "in")
    restore_dicom_as_nifti(tmp_path / "in", tmp_path / "out.nii", identity, DicomOptions())
    image: Any = nibabel.load(tmp_path / "out.nii")
    assert int(image.header["qform_code"]) == 0
    volume = group_series(scan(tmp_path / "in").instances)[0].volume
    for index, each in enumerate(volume.slices):
        place = LPS_TO_RAS @ image.affine @ [0, image.shape[1] - 1, index, 1]
        assert np.allclose(place[:3], each.geometry.position, atol=1e-4)


def test_what_nifti_has_no_place_for_is_refused(tmp_path: Path, identity: Restorer) -> None:
    kinds = {kind.name: kind.write for kind in HOSTILE_SERIES}
    for name in ("missing", "uneven"):
        kinds[name](tmp_path / name)
        with pytest.raises(DatprlError, match="E_GEOMETRY"):
            restore_dicom_as_nifti(tmp_path / name, tmp_path / "out.nii", identity, DicomOptions())
    kinds["shuffled"](tmp_path / "even")
    with pytest.raises(DatprlError, match="E_OPTION"):
        restore_dicom_as_nifti(tmp_path / "even", tmp_path / "out.nii", identity, DicomOptions(all_series=True))
    assert not (tmp_path / "out.nii").exists()


def test_a_pet_series_is_written_in_the_kind_of_suv_that_is_asked_for(tmp_path: Path, identity: Restorer) -> None:
    def describe(dataset: Any, index: int) -> None:
        dataset.PatientSex = "F"

    write_synthetic_series(tmp_path / "in", "PT", change=describe)
    for name, suv in (("activity", None), ("bw", "BW"), ("lean", "LBMJANMA"), ("surface", "BSA")):
        options = DicomOptions(suv=suv)  # type: ignore[arg-type]
        restore_dicom_as_nifti(tmp_path / "in", tmp_path / f"{name}.nii", identity, options)
    activity, body = (values_of(tmp_path / f"{name}.nii").astype(float) for name in ("activity", "bw"))
    (series,) = group_series(scan(tmp_path / "in").instances)
    np.testing.assert_allclose(body, activity * volume_suv_factor(series.volume, series.earliest), rtol=1e-6)
    for name, ratio in (("lean", 9270 / (8780 + 244 * 75 / 1.75**2)), ("surface", 0.253752)):
        np.testing.assert_allclose(values_of(tmp_path / f"{name}.nii"), body * ratio, rtol=1e-5)


def test_suv_is_refused_for_what_is_no_pet_and_where_the_header_lacks_it(tmp_path: Path, identity: Restorer) -> None:
    write_synthetic_series(tmp_path / "CT", "CT", 2)
    write_synthetic_series(tmp_path / "PT", "PT", 2)  # of the sex "O", for which there is no lean body mass
    for modality, suv, code in (("CT", "BW", "E_OPTION"), ("PT", "LBMJANMA", "E_QUANTITY")):
        with pytest.raises(DatprlError, match=code):
            restore_dicom_as_nifti(tmp_path / modality, tmp_path / "out.nii", identity, DicomOptions(suv=suv))  # type: ignore[arg-type]
    assert not (tmp_path / "out.nii").exists()


def test_nothing_of_the_patient_reaches_the_nifti(tmp_path: Path, identity: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 3)
    restore_dicom_as_nifti(tmp_path / "in", tmp_path / "out.nii", identity, DicomOptions())
    content = (tmp_path / "out.nii").read_bytes().lower()
    for secret in (b"phantom", b"synthetic", b"1970", b"2020", str(tmp_path).encode()):
        assert secret not in content


@pytest.mark.shared
def test_real_ct_as_nifti_agrees_with_dcm2niix_and_simpleitk(
    shared_data: Path, tool: Callable[[str], str], tmp_path: Path, identity: Restorer
) -> None:
    simpleitk = pytest.importorskip("SimpleITK")
    source = tmp_path / "in"
    source.mkdir()
    found = group_series(scan(shared_data / "ct" / "train" / "acrin042_ct").instances)[0].volume
    for image in found.slices[:12]:  # decompressed, since Debian's dcm2niix does not read JPEG-LS
        dataset = pydicom.dcmread(image.path)
        dataset.decompress(generate_instance_uid=False)
        dataset.save_as(source / image.path.name)
    restore_dicom_as_nifti(source, tmp_path / "out.nii", identity, DicomOptions(strength=0))
    ours: Any = nibabel.load(tmp_path / "out.nii")
    other: Any = nibabel.load(converted(tool, source, tmp_path / "nifti"))
    assert np.allclose(ours.affine, other.affine, atol=1e-3)
    assert np.array_equal(np.asarray(ours.dataobj), np.asarray(other.dataobj))
    reader = simpleitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(source)))
    image = reader.Execute()
    last = LPS_TO_RAS @ ours.affine @ [0, ours.shape[1] - 1, ours.shape[2] - 1, 1]
    assert np.allclose(last[:3], image.TransformIndexToPhysicalPoint((0, 0, ours.shape[2] - 1)), atol=1e-3)
    rows_down = np.asarray(ours.dataobj)[:, ::-1].transpose(2, 1, 0)
    assert np.array_equal(rows_down, simpleitk.GetArrayFromImage(image))
