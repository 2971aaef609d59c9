"""Stored pixel values of one image or frame, decoded whole or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydicom.pixels import get_decoder, pixel_array

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError, ResourceError
from datprl_toolkit.medical import header

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset, FileDataset
    from pydicom.uid import UID

StoredArray = npt.NDArray[np.integer[Any]]
CODEC_PACKAGES = "pip install 'pylibjpeg[all]' pyjpegls python-gdcm"
LARGEST_SIDE = 1 << 15


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How pixels are stored (PS3.3 section C.7.6.3).

    Parameters
    ----------
    rows, columns
        Size of the image.
    bits_allocated, bits_stored
        Bits of the cell and of the value in it, which starts at bit 0.
    signed
        Whether values are two's complement.
    inverted
        Whether small values are shown bright (MONOCHROME1).
    padding
        Smallest and largest stored value that means "no image here", or None.
    """

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    inverted: bool
    padding: tuple[int, int] | None

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest value that can be stored."""
        if self.signed:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the cells, little endian."""
        return np.dtype(f"<{'i' if self.signed else 'u'}{self.bits_allocated // 8}")

    def padding_mask(self, stored: StoredArray) -> npt.NDArray[np.bool_]:
        """Return where `stored` holds padding rather than image."""
        if self.padding is None:
            return np.zeros(stored.shape, dtype=np.bool_)
        low, high = self.padding
        mask: npt.NDArray[np.bool_] = (stored >= low) & (stored <= high)
        return mask


def read_pixel_format(dataset: Dataset, where: Path) -> PixelFormat:
    """Read how the pixels of a greyscale image are stored.

    Raises
    ------
    InputError
        ``E_CORRUPT`` if sizes or bits are absent or contradictory; ``E_UNSUPPORTED`` if the image is in colour or
        its values do not start at bit 0.
    """
    photometric = header.text(dataset, "PhotometricInterpretation")
    if not photometric:
        raise InputError(ErrorCode.CORRUPT, "the header describes no image", where=where)
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(ErrorCode.UNSUPPORTED, f"the image is not greyscale but '{photometric}'", where=where)
    rows, columns = header.integer(dataset, "Rows"), header.integer(dataset, "Columns")
    if rows is None or columns is None or not (0 < rows <= LARGEST_SIDE and 0 < columns <= LARGEST_SIDE):
        raise InputError(ErrorCode.CORRUPT, "Rows or Columns is absent or absurd", where=where)
    allocated, stored = header.integer(dataset, "BitsAllocated"), header.integer(dataset, "BitsStored")
    signed = header.integer(dataset, "PixelRepresentation")
    if allocated not in (8, 16, 32) or stored is None or not 0 < stored <= allocated or signed not in (0, 1):
        raise InputError(
            ErrorCode.CORRUPT, "the bits of a pixel (0028,0100 to 0028,0103) are absent or contradictory", where=where
        )
    if header.integer(dataset, "HighBit") not in (None, stored - 1):
        raise InputError(ErrorCode.UNSUPPORTED, "pixel values do not start at bit 0 (High Bit)", where=where)
    return PixelFormat(
        rows=rows,
        columns=columns,
        bits_allocated=allocated,
        bits_stored=stored,
        signed=signed == 1,
        inverted=photometric == "MONOCHROME1",
        padding=_read_padding(dataset, signed=signed == 1, bits=allocated),
    )


def _read_padding(dataset: Dataset, *, signed: bool, bits: int) -> tuple[int, int] | None:
    """Read Pixel Padding Value (0028,0120) and Range Limit (0028,0121), in either signedness of their encoding."""
    first = header.integer(dataset, "PixelPaddingValue")
    if first is None:
        return None
    last = header.integer(dataset, "PixelPaddingRangeLimit")
    ends = [_as_stored(end, signed=signed, bits=bits) for end in (first, first if last is None else last)]
    return min(ends), max(ends)


def _as_stored(number: int, *, signed: bool, bits: int) -> int:
    """Read a 16-bit word that was written as unsigned although pixels are signed, or the other way about."""
    if signed and number >= 1 << (bits - 1):
        return number - (1 << bits)
    if not signed and number < 0:
        return number + (1 << bits)
    return number


def decode(dataset: FileDataset, where: Path, pixel_format: PixelFormat, frame: int = 0) -> StoredArray:
    """Decode the stored values of one frame.

    The whole data set is needed, not only a path: decoders fed from the file accept cut-off JPEG-LS streams and fill
    in the missing rows, which nobody would notice.

    Returns
    -------
    (rows, columns) integers, native byte order.

    Raises
    ------
    DatprlError
        ``E_TRUNCATED`` if pixel data are absent or too short, ``E_CODEC`` if no installed decoder knows the
        transfer syntax, ``E_CORRUPT`` if they cannot be decoded.
    """
    syntax = header.transfer_syntax(dataset)
    if not header.value(dataset, "PixelData"):
        raise no_pixels(where)
    check_decoder(syntax, where)
    try:
        with header.tolerant_pydicom():
            array = pixel_array(dataset, index=frame, raw=True)
    except Exception as error:
        raise _decoding_error(error, syntax, where) from error
    expected = (pixel_format.rows, pixel_format.columns)
    if array.shape != expected or not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            ErrorCode.CORRUPT, f"the decoded image has shape {array.shape} instead of {expected}", where=where
        )
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))


def no_pixels(where: Path) -> InputError:
    """Return the error for an image file in which no pixel data could be read."""
    cut = header.holds_pixel_data(where)
    what = "the file ends inside its pixel data" if cut else "the file ends before its pixel data"
    return InputError(ErrorCode.TRUNCATED, what, where=where, remedy="Copy or export the file again")


def check_decoder(syntax: UID, where: Path) -> None:
    """Raise unless an installed decoder knows the transfer syntax."""
    try:
        with header.tolerant_pydicom():
            decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise InputError(
            ErrorCode.UNSUPPORTED, f"pixel data in the transfer syntax '{syntax.name}' cannot be decoded", where=where
        ) from error
    if not decoder.is_available:
        raise ResourceError(
            ErrorCode.CODEC,
            f"the decoder for '{syntax.name}' is not installed",
            where=where,
            remedy=f"Install it with: {CODEC_PACKAGES}",
        )


def _decoding_error(error: Exception, syntax: UID, where: Path) -> DatprlError:
    if "less than expected" in str(error):
        return InputError(
            ErrorCode.TRUNCATED,
            "the pixel data are shorter than the image",
            where=where,
            remedy="Copy or export the file again",
        )
    return InputError(
        ErrorCode.CORRUPT,
        f"the pixel data cannot be decoded from '{syntax.name}'",
        where=where,
        remedy="Convert the file with dcmdjpeg or gdcmconv, or leave it out",
    )
