"""NIfTI files written slice by slice, with header and affine of the source, and never a value cut or rounded unsaid."""

from __future__ import annotations

import gzip
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.files import staged_file
from datprl_toolkit.medical.nifti_format import is_nifti_name, load_nibabel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datprl_toolkit.intensity import IntensityProfile

COMMENT = 6  # code of a header extension that holds text (NIfTI-1: ecode)
EXACT_IN_FLOAT32 = 2  # bytes: all integers of up to 16 bits are float32
COMPRESSION_LEVEL = 6
COARSEST_STEP = 0.01  # share of the window above which whole numbers would show


@dataclass(frozen=True, slots=True)
class StoredType:
    """How values are stored.

    Parameters
    ----------
    dtype
        Type of the voxels.
    slope, intercept
        Physical value = slope * stored + intercept.
    """

    dtype: np.dtype[Any]
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def is_float(self) -> bool:
        """Whether values are not rounded to whole numbers."""
        return self.dtype.kind == "f"

    @property
    def step(self) -> float:
        """Distance between neighbouring physical values; 0 for floating point."""
        return 0.0 if self.is_float else abs(self.slope)

    def to_physical(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return physical values, any shape."""
        return stored.astype(np.float64) * self.slope + self.intercept

    def holds(self, low: float, high: float) -> bool:
        """Tell whether every value from `low` to `high` can be stored, to within half a step."""
        if self.is_float:
            return True
        limits = np.iinfo(self.dtype)
        ends = sorted(self.slope * limit + self.intercept for limit in (int(limits.min), int(limits.max)))
        return ends[0] <= low and high <= ends[1]

    def encode(
        self, stored: npt.NDArray[Any], original: npt.NDArray[np.float64], restored: npt.NDArray[np.float64]
    ) -> npt.NDArray[Any]:
        """Return restored values as they are stored; where nothing changed, exactly the value of the source."""
        changed = restored != original
        if self.is_float and stored.dtype.kind != "f":
            exact: npt.NDArray[Any] = restored.astype(self.dtype)
            return exact
        values = np.where(changed & np.isfinite(restored), (restored - self.intercept) / self.slope, 0.0)
        encoded = (values if self.is_float else np.rint(values)).astype(self.dtype)
        return np.where(changed & np.isfinite(restored), encoded, stored.astype(self.dtype))


def choose_type(source: StoredType, profile: IntensityProfile) -> tuple[StoredType, str]:
    """Return how restored values are stored, and in words what that does to them.

    What the network changes lies inside its window. A floating-point file stays as it is. Integers stay integers on
    the same steps, as in DICOM, if the window fits into their range and has at least a hundred steps. If not, values
    would be cut off or coarsely rounded: the file is written as floating point instead, wide enough for every source
    value to stay exact.
    """
    if source.is_float:
        return source, f"stored as {source.dtype.name}"
    unit = "" if profile.unit == "1" else f" {profile.unit}"
    coarse = source.step > COARSEST_STEP * profile.width
    if not coarse and source.holds(profile.low, profile.high):
        return source, f"stored as {source.dtype.name}, rounded to the file's steps of {source.step:.6g}{unit}"
    exact = source.dtype.itemsize <= EXACT_IN_FLOAT32 and source.slope == 1.0 and source.intercept.is_integer()
    dtype = np.dtype(np.float32 if exact else np.float64).newbyteorder(source.dtype.byteorder)
    reason = f"has steps of {source.step:.6g}{unit}" if coarse else "cannot hold the whole window"
    return StoredType(dtype), f"stored as {dtype.name}, since {source.dtype.name} {reason}"


def check_nifti_name(destination: Path) -> None:
    """Raise ``E_OPTION`` unless a name is that of one NIfTI file."""
    if not is_nifti_name(destination):
        raise OptionError(
            ErrorCode.OPTION,
            "a NIfTI volume is written as .nii or .nii.gz",
            where=destination,
            remedy="Let the name of the output end in .nii.gz",
        )


@contextmanager
def nifti_writer(
    destination: Path, header: Any, stored_type: StoredType, comment: str, *, overwrite: bool
) -> Iterator[npt.NDArray[Any]]:
    """Give an array on the disk, of the shape in the header; the file appears when the block ends without an error.

    Parameters
    ----------
    destination
        ``.nii`` or ``.nii.gz``.
    header
        nibabel's header of a single file; it is copied. Its shape, qform, sform, units and codes are kept.
    stored_type
        Type and scaling of the voxels.
    comment
        Added as a header extension.

    Raises
    ------
    OutputError
        As :func:`datprl_toolkit.files.staged_file`.
    """
    extension = load_nibabel().nifti1.Nifti1Extension(COMMENT, comment.encode())
    header = header.copy()
    source_type = StoredType(header.get_data_dtype())
    if stored_type.dtype != source_type.dtype:
        header.set_data_dtype(stored_type.dtype)
    if (stored_type.slope, stored_type.intercept) != (1.0, 0.0) or stored_type.dtype != source_type.dtype:
        header["scl_slope"], header["scl_inter"] = stored_type.slope, stored_type.intercept
    header.extensions.append(extension)
    header["vox_offset"] = 0  # found anew, since the comment takes room
    with staged_file(destination, overwrite=overwrite) as temporary:
        raw = temporary.parent / "voxels.nii"
        with raw.open("wb") as file:
            header.write_to(file)
        # Beyond the header the file grows by zeros.
        voxels = np.memmap(
            raw, header.get_data_dtype(), "r+", int(header["vox_offset"]), header.get_data_shape(), order="F"
        )
        yield voxels
        voxels.flush()
        del voxels
        _finish(raw, temporary)


def _finish(raw: Path, temporary: Path) -> None:
    if temporary.suffix.lower() != ".gz":
        raw.rename(temporary)
        return
    # Without a time and a name, so that equal runs give equal files.
    with (
        raw.open("rb") as source,
        temporary.open("wb") as target,
        gzip.GzipFile("", "wb", COMPRESSION_LEVEL, target, mtime=0) as packed,
    ):
        shutil.copyfileobj(source, packed, 1 << 20)
    raw.unlink()
