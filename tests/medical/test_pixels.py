from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import UID

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.medical import header, pixels
from datprl_toolkit.medical.pixels import StoredArray, decode, read_pixel_format
from datprl_toolkit.medical.testing import CT_PADDING, synthetic_slice, write_synthetic_series

# What pydicom bundles of one and the same image in several transfer syntaxes.
SAME_IMAGE = (
    "MR_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_expb.dcm",
    "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_padded.dcm",
)


def bundled(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


def read(path: Path) -> StoredArray:
    described = read_pixel_format(header.read_dataset(path, pixels=False), path)
    return decode(header.read_dataset(path, pixels=True), path, described)


@pytest.mark.parametrize("name", SAME_IMAGE)
def test_every_transfer_syntax_decodes_to_the_same_stored_values(name: str) -> None:
    np.testing.assert_array_equal(read(bundled(name)), read(bundled("MR_small.dcm")))


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm"])
@pytest.mark.parametrize("share", [0.9, 0.7, 0.5])
def test_a_file_that_ends_early_is_named_and_never_filled_up(name: str, share: float, tmp_path: Path) -> None:
    content = bundled(name).read_bytes()
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DatprlError) as caught:
        read(cut)
    assert caught.value.code is ErrorCode.TRUNCATED
    assert "cut.dcm" in str(caught.value)


def test_a_header_without_pixels_is_told_from_a_cut_file(tmp_path: Path) -> None:
    dataset = synthetic_slice("CT", 0)
    del dataset.PixelData
    path = tmp_path / "header.dcm"
    dataset.save_as(path, enforce_file_format=True)
    with pytest.raises(DatprlError, match="before its pixel data") as caught:
        read(path)
    assert caught.value.code is ErrorCode.TRUNCATED


def test_a_missing_decoder_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "get_decoder", lambda _: SimpleNamespace(is_available=False))
    with pytest.raises(DatprlError) as caught:
        read(bundled("MR_small_jpeg_ls_lossless.dcm"))
    assert caught.value.code is ErrorCode.CODEC
    assert "pip install" in str(caught.value)


def test_a_transfer_syntax_that_nobody_decodes_is_refused(tmp_path: Path) -> None:
    (path,) = write_synthetic_series(tmp_path, slices=1)
    dataset = header.read_dataset(path, pixels=True)
    dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.100")  # MPEG-2 video
    with pytest.raises(DatprlError) as caught:
        decode(dataset, path, read_pixel_format(dataset, path))
    assert caught.value.code is ErrorCode.UNSUPPORTED


@pytest.mark.parametrize(("vr", "written"), [("SS", CT_PADDING), ("US", 65536 + CT_PADDING)])
def test_padding_is_found_in_either_signedness_of_its_encoding(vr: str, written: int) -> None:
    dataset = synthetic_slice("CT", 0)
    dataset.add_new("PixelPaddingValue", vr, written)
    pixel_format = read_pixel_format(dataset, Path("a"))
    assert pixel_format.padding == (CT_PADDING, CT_PADDING)


def test_a_range_of_padding_masks_all_its_values() -> None:
    dataset = synthetic_slice("CT", 0)
    dataset.add_new("PixelPaddingRangeLimit", "SS", -1990)
    pixel_format = read_pixel_format(dataset, Path("a"))
    stored = np.array([-2001, -2000, -1995, -1990, -1989], dtype=np.int16)
    assert pixel_format.padding_mask(stored).tolist() == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("keyword", "value", "code"),
    [
        ("Rows", None, ErrorCode.CORRUPT),
        ("Rows", 0, ErrorCode.CORRUPT),
        ("BitsStored", 17, ErrorCode.CORRUPT),
        ("BitsAllocated", 12, ErrorCode.CORRUPT),
        ("PixelRepresentation", 7, ErrorCode.CORRUPT),
        ("HighBit", 12, ErrorCode.UNSUPPORTED),
        ("PhotometricInterpretation", "RGB", ErrorCode.UNSUPPORTED),
        ("PhotometricInterpretation", None, ErrorCode.CORRUPT),
    ],
)
def test_contradictory_pixel_attributes_are_refused(keyword: str, value: object, code: ErrorCode) -> None:
    dataset = synthetic_slice("CT", 0)
    setattr(dataset, keyword, value)
    with pytest.raises(DatprlError) as caught:
        read_pixel_format(dataset, Path("a"))
    assert caught.value.code is code


def test_pixels_that_do_not_fill_the_image_are_truncated(tmp_path: Path) -> None:
    (path,) = write_synthetic_series(tmp_path, slices=1, change=lambda d, _: setattr(d, "Rows", 400))
    with pytest.raises(DatprlError) as caught:
        read(path)
    assert caught.value.code is ErrorCode.TRUNCATED
