"""Whether outputs can be written as they are named: asked before any work, for every way in."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from datprl_toolkit.errors import DatprlError, ErrorCode, OptionError, missing_package
from datprl_toolkit.files import check_file_place, check_place, check_replaceable
from datprl_toolkit.medical.nifti_format import is_nifti_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datprl_toolkit.jobs.identify import Kind
    from datprl_toolkit.jobs.restore import RestoreOptions

# Names that promise one file of a format, which a folder would not be.
_FILE_SUFFIXES = frozenset(
    {
        *(".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".img", ".mnc", ".mgh", ".mgz", ".dcm", ".dicom", ".ima"),
        *(".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".j2k", ".bmp", ".gif", ".webp", ".svg", ".pdf"),
        *(".npy", ".npz", ".h5", ".hdf5", ".zarr", ".vtk", ".vti", ".raw"),
        *(".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"),
    }
)


def check_folder_name(path: Path, what: str, remedy: str) -> None:
    """Raise ``E_OPTION`` if a folder would get the name of an image file."""
    suffix = path.suffix.lower()
    if suffix in _FILE_SUFFIXES:
        raise OptionError(
            ErrorCode.OPTION,
            f"{what} written as a folder of files, not as {suffix}",
            where=path,
            remedy=remedy,
        )


def check_preview(path: Path) -> None:
    """Refuse, before any work, a place where no preview can be written.

    Raises
    ------
    DatprlError
        ``E_OPTION`` if `path` is not a PNG; ``E_EXISTS`` or ``E_OUTPUT`` if no file can be written there;
        ``E_DEPENDENCY`` if matplotlib is not installed.
    """
    if path.suffix.lower() != ".png":
        raise OptionError(ErrorCode.OPTION, "a preview is a PNG picture", where=path, remedy="End the name in .png")
    check_file_place(path)
    package = "matplotlib"
    if find_spec(package) is None:
        raise missing_package(package, "cli", "to draw a preview")


def check_names(kind: Kind, destination: Path, options: RestoreOptions) -> None:
    """Raise ``E_OPTION`` for folders of DICOM or of maps with the name of a file."""
    if kind == "dicom" and not is_nifti_name(destination):
        remedy = "Give the name of a folder, or let it end in .nii or .nii.gz for NIfTI"
        check_folder_name(destination, "a DICOM series is", remedy)
    if kind in ("dicom", "nifti") and options.uncertainty is not None:
        check_folder_name(options.uncertainty, "maps of uncertainty are", "Give the name of a folder")


def check_places(kind: Kind, source: Path, destination: Path, options: RestoreOptions) -> None:
    """Refuse, before any work, places where nothing can be written, and folders that hold what is not ours."""
    folder = kind == "dicom" and not is_nifti_name(destination)
    names: set[str] = set()
    if kind == "images" and source.is_dir():
        # A picture says nothing about who made it: only those of the same names are replaced.
        folder, names = True, {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    outputs = [(destination, folder)]
    if options.uncertainty is not None:
        outputs.append((options.uncertainty, kind in ("dicom", "nifti")))
    for path, by_folder in outputs:
        beside = {page.resolve() for page in (options.preview, options.report) if page is not None}
        within = {page.relative_to(path.resolve()).as_posix() for page in beside if page.is_relative_to(path.resolve())}
        check_replaceable(path, names | within, by_folder=by_folder)
        check_place(path)
    if options.preview is not None:
        check_preview(options.preview)


@contextmanager
def output_stays(destination: Path) -> Iterator[None]:
    """Say of an error in what is made after the output that the output is there."""
    try:
        yield
    except DatprlError as error:
        what = f"{error.what.removesuffix('; nothing was kept')}; the output was written: {destination}"
        raise type(error)(error.code, what, where=error.where, remedy=error.remedy) from error
