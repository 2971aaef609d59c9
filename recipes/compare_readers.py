"""Run SimpleITK, TorchIO, MONAI and this toolkit on odd DICOM files, and write what each does to docs/odd_files.md.

Every cell is measured: the reader is called as its documentation says, and what it returns is compared with the
values and places in the files, slice by slice. For this toolkit the series is restored by a network that changes
nothing, and the written files are read back with pydicom alone.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import logging
import os
import tempfile
import textwrap
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.data import get_testdata_file

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.medical import DicomOptions, restore_dicom
from datprl_toolkit.medical.affine import LPS_TO_RAS
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.hostile_series import HOSTILE_SERIES
from datprl_toolkit.medical.inspection import inspect_dicom
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.restoring.testing import identity_restorer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from datprl_toolkit.medical.volume import Volume

PAGE = Path(__file__).parent.parent / "docs" / "odd_files.md"
SAME_VALUE = 1e-3  # share of the largest value
SAME_PLACE = 0.05  # mm
LONGEST_WORD = 48
INTRODUCTION = """\
What this toolkit and three well-known readers make of files and series that archives hold. Made by
`python recipes/compare_readers.py`, which runs all of them and compares what they return with the files, slice by
slice; a test holds this page to it. Readers are called as their documentation shows: SimpleITK's `ImageSeriesReader`
with the names from GDCM, TorchIO's `ScalarImage` of the folder, MONAI's `PydicomReader`. Versions: {versions}.

*Right* means that every value and the place of every slice is that of the file. For this toolkit the series was
restored by a network that changes nothing and written, and the new files were read back with pydicom alone; PET may
differ by half a step of its new slope. The first part of the table are synthetic series, the second files that come
with pydicom, most of them harmless. {tally}

`datprl inspect PATH` tells the codes below, and what others would get wrong in a series of yours (see
[inspect.md](inspect.md)).
"""
FILES = {
    "MR_small.dcm": "MR, Explicit VR Little Endian",
    "MR_small_implicit.dcm": "MR, Implicit VR Little Endian",
    "MR_small_bigendian.dcm": "MR, Explicit VR Big Endian",
    "MR_small_RLE.dcm": "MR, RLE Lossless",
    "MR_small_jp2klossless.dcm": "MR, JPEG 2000 Lossless",
    "MR_small_jpeg_ls_lossless.dcm": "MR, JPEG-LS Lossless",
    "MR_small_padded.dcm": "MR, padding after the pixels",
    "MR_small_expb.dcm": "MR without file meta information, in explicit big endian",
    "MR_truncated.dcm": "MR, cut off inside its pixels",
    "examples_overlay.dcm": "MR with an overlay",
    "CT_small.dcm": "CT with padding",
    "693_J2KI.dcm": "CT, JPEG 2000 with loss",
    "J2K_pixelrep_mismatch.dcm": "CT whose JPEG 2000 stream is signed unlike its header",
    "JPEG-lossy.dcm": "12-bit JPEG with loss, Secondary Capture",
    "SC_rgb.dcm": "Secondary Capture in colour",
    "rtdose.dcm": "RT Dose",
    "rtstruct.dcm": "RT Structure Set",
}
"""Files that come with pydicom, and what they are."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader gives: values, (slices, rows, columns), and where each slice begins, (slices, 3), LPS in mm."""

    values: npt.NDArray[Any]
    places: npt.NDArray[np.float64] | None


def read_with_simpleitk(source: Path) -> Read:
    """Read as the documentation of ImageSeriesReader shows."""
    simpleitk: Any = importlib.import_module("SimpleITK")
    if source.is_dir():
        reader = simpleitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(source)))
        image = reader.Execute()
    else:
        image = simpleitk.ReadImage(str(source))
    values = simpleitk.GetArrayFromImage(image)
    places = [image.TransformContinuousIndexToPhysicalPoint((0.0, 0.0, float(index))) for index in range(len(values))]
    return Read(values, np.array(places))


def read_with_torchio(source: Path) -> Read:
    """Read as the documentation of ScalarImage shows."""
    import torchio

    image = torchio.ScalarImage(source)
    values = np.transpose(image.data.numpy()[0], (2, 1, 0))
    return Read(values, _places(LPS_TO_RAS @ np.asarray(image.affine), len(values)))


def read_with_monai(source: Path) -> Read:
    """Read as LoadImage does with reader="PydicomReader"."""
    from monai.data.image_reader import PydicomReader

    reader = PydicomReader(affine_lps_to_ras=False)
    values, metadata = reader.get_data(reader.read(str(source)))
    stacked = values if values.ndim == 3 else values[..., None]
    return Read(np.transpose(stacked, (2, 1, 0)), _places(np.asarray(metadata["affine"]), stacked.shape[-1]))


def _places(affine: npt.NDArray[np.float64], slices: int) -> npt.NDArray[np.float64]:
    return np.array([(affine @ [0, 0, index, 1])[:3] for index in range(slices)])


READERS: dict[str, Callable[[Path], Read]] = {
    "SimpleITK": read_with_simpleitk,
    "TorchIO": read_with_torchio,
    "MONAI": read_with_monai,
}


def describe_reader(name: str, source: Path) -> str:
    """Say in a few words what a reader makes of a file or folder."""
    true = true_volumes(source)
    try:
        with quiet():
            read = READERS[name](source)
    # Whatever it raises is what its user sees.
    except Exception as error:
        return f"raises {type(error).__name__}: {shortened(error)}"
    if not true:
        return f"reads {len(read.values)} slice{'s' if len(read.values) > 1 else ''} of {read.values.dtype}"
    wanted = " + ".join(str(volume.shape[0]) for volume in true)
    if len(true) > 1:
        return f"one volume of {len(read.values)} slices instead of {wanted}"
    return compare(read, true[0])


def true_volumes(source: Path) -> list[Volume]:
    """Return the volumes that can be decoded; what is in the files, not what a reader makes of it."""
    series = group_series(scan(source).instances)
    readable = []
    for each in series:
        try:
            each.volume.slices[-1].read()
        except DatprlError:
            continue
        readable.append(each.volume)
    return readable


def compare(read: Read, volume: Volume) -> str:
    """Compare what was read with a volume, slice by slice."""
    true = np.stack([image.read() for image in volume.slices])
    places = np.array([image.geometry.position for image in volume.slices])
    if read.values.shape != true.shape:
        sizes = [" x ".join(map(str, array.shape)) for array in (read.values, true)]
        return f"{sizes[0]} voxels instead of {sizes[1]} (slices, rows, columns)"
    values = read.values.astype(np.float64)
    limit = SAME_VALUE * max(float(np.abs(true).max()), 1.0)
    order = _matching(values, true, limit)
    found = []
    if order is None:
        found.append(f"values wrong by up to {_rounded(float(np.abs(values - true).max()))}")
        order = list(range(len(true)))
    elif order not in (sorted(order), sorted(order, reverse=True)):
        moved = sum(place != index for place, index in enumerate(order))
        found.append(f"{moved} of {len(order)} slices in another place of the order")
    if read.places is not None:
        away = float(np.linalg.norm(read.places - places[order], axis=1).max())
        if away > SAME_PLACE:
            found.append(f"slices up to {away:.2f} mm from their place")
    return "; ".join(found) or "right"


def _matching(values: npt.NDArray[np.float64], true: npt.NDArray[np.float64], limit: float) -> list[int] | None:
    """Return which true slice each read one is, or None if one of them is none."""
    order = []
    for index, image in enumerate(values):
        # Its own place first, then from the other end: empty slices are alike.
        candidates = sorted(range(len(true)), key=lambda place: (place != index, place != len(true) - 1 - index))
        same = [place for place in candidates if np.abs(image - true[place]).max() <= limit]
        if not same:
            return None
        order.append(same[0])
    return order


def describe_ours(source: Path, folder: Path) -> str:
    """Restore with a network that changes nothing, and compare the written files with their sources by pydicom."""
    codes = found_codes(source)
    target = folder / "restored"
    try:
        with quiet():
            restore_dicom(source, target, identity_restorer(), DicomOptions(all_series=True))
    except DatprlError as error:
        return f"refused: {error.code}"
    written = sorted(target.rglob("*.dcm"))
    by_identifier = {str(header.SOPInstanceUID): header for header in _headers(source)}
    worst_value, worst_place, slices = 0.0, 0.0, 0
    for path in written:
        result = pydicom.dcmread(path)
        reference = _source_of(result)
        original = by_identifier[reference]
        worst_value = max(worst_value, _value_error(result, original))
        worst_place = max(worst_place, _place_error(result, original))
        slices += int(result.get("NumberOfFrames", 1))
    count = f"{slices} slice{'s' if slices > 1 else ''}"
    told = f"; tells {', '.join(codes)}" if codes else ""
    if worst_place > 0 or worst_value > 0:
        return f"{count} restored, values off by up to {_rounded(worst_value)}, {worst_place:.2f} mm{told}"
    return f"right: {count} restored, every value and place exact{told}"


def _headers(source: Path) -> Iterator[pydicom.FileDataset]:
    for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
        if path.is_file() and path.stat().st_size:
            with contextlib.suppress(pydicom.errors.InvalidDicomError):
                yield pydicom.dcmread(path, force=not source.is_dir())


def _source_of(result: pydicom.FileDataset) -> str:
    if "SourceImageSequence" in result:
        return str(result.SourceImageSequence[0].ReferencedSOPInstanceUID)
    evidence = result.SourceImageEvidenceSequence[0].ReferencedSeriesSequence[0]
    return str(evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def _value_error(result: pydicom.FileDataset, original: pydicom.FileDataset) -> float:
    """Return the largest difference of physical values beyond half a step of what is written."""
    if "NumberOfFrames" in result:
        return float(np.abs(result.pixel_array.astype(float) - original.pixel_array).max())
    steps = [float(header.get("RescaleSlope", 1)) for header in (result, original)]
    zeros = [float(header.get("RescaleIntercept", 0)) for header in (result, original)]
    arrays = [
        header.pixel_array.astype(float) * step + zero
        for header, step, zero in zip((result, original), steps, zeros, strict=True)
    ]
    away = float(np.abs(arrays[0] - arrays[1]).max())
    return 0.0 if away <= 0.5001 * (steps[0] if steps[0] != steps[1] else 0.0) else away


def _place_error(result: pydicom.FileDataset, original: pydicom.FileDataset) -> float:
    if "NumberOfFrames" in result:
        pairs = zip(result.PerFrameFunctionalGroupsSequence, original.PerFrameFunctionalGroupsSequence, strict=True)
        places = [[each.PlanePositionSequence[0].ImagePositionPatient for each in pair] for pair in pairs]
    else:
        places = [[result.ImagePositionPatient, original.ImagePositionPatient]]
    return max(float(np.abs(np.array(one, float) - np.array(other, float)).max()) for one, other in places)


def found_codes(source: Path) -> list[str]:
    """Return the codes of the problems that ``datprl inspect`` tells."""
    try:
        found = inspect_dicom(source)
    except DatprlError as error:
        return [str(error.code)]
    codes = [finding.code for item in found.items for finding in item.problems]
    return list(dict.fromkeys([*codes, *(finding.code for finding in found.problems)]))


def _rounded(number: float) -> str:
    return f"{number:.4g}" if number < 1e4 else f"{number:.0f}"


def shortened(error: Exception) -> str:
    """Return the end of a message, which says most, without folders of this machine."""
    line = " ".join(str(error).split()).rsplit("sitk::ERROR: ", 1)[-1]
    words = [word if "/" not in word else Path(word.strip("\"'.,")).name for word in line.split()]
    kept = " ".join(words).replace("|", "/").replace("`", "")
    return kept if len(kept) <= LONGEST_WORD else f"{kept[:LONGEST_WORD].rsplit(' ', 1)[0]} ..."


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what readers print away from the table; a warning on the screen is no error that a program sees."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings(), Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)


def sources(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Make or find every odd file: its name, what is odd about it, and where it is."""
    for kind in HOSTILE_SERIES:
        kind.write(folder / kind.name)
        files = sorted((folder / kind.name).iterdir())
        yield kind.name, kind.what, files[0] if len(files) == 1 else folder / kind.name
    for name, what in FILES.items():
        found = get_testdata_file(name, download=False)
        if isinstance(found, str):
            yield name, what, Path(found)


def row(name: str, what: str, source: Path, folder: Path) -> str:
    """Return one line of the table."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        cells = [f"`{name}`: {what}", describe_ours(source, Path(place))]
    cells += [describe_reader(reader, source) for reader in READERS]
    return f"| {' | '.join(cells)} |"


def versions() -> str:
    """Name the readers with their versions."""
    return ", ".join(f"{name} {importlib.metadata.version(name.lower())}" for name in READERS)


def tally(rows: list[str]) -> str:
    """Count what the three readers do in a sentence."""
    cells = [cell.strip() for line in rows for cell in line.split(" | ")[2:]]
    kinds = Counter(cell.removesuffix(" |").split(" ")[0] for cell in cells)
    wrong = len(cells) - kinds["right"] - kinds["raises"] - kinds["reads"]
    return (
        f"Of the {len(cells)} cells of the three readers {kinds['right']} are right, {kinds['raises']} raise an error, "
        f"in {kinds['reads']} there is nothing to compare with, and in {wrong} the result is wrong without an error."
    )


def page(rows: list[str]) -> str:
    """Return the page with its table."""
    text = INTRODUCTION.format(versions=versions(), tally=tally(rows))
    wrapped = (textwrap.wrap(part, 118, break_on_hyphens=False) for part in text.split("\n\n"))
    paragraphs = [line for part in wrapped for line in (*part, "")]
    head = [f"| what | datprl-toolkit | {' | '.join(READERS)} |", f"|{'---|' * (len(READERS) + 2)}"]
    return "\n".join(["# Odd DICOM files", "", *paragraphs, *head, *rows, ""])


def main() -> None:
    """Write the page."""
    simpleitk: Any = importlib.import_module("SimpleITK")
    simpleitk.ProcessObject.SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory() as place:
        rows = [row(name, what, source, Path(place)) for name, what, source in sources(Path(place))]
    PAGE.write_text(page(rows), encoding="utf-8")
    print(f"{len(rows)} rows: {PAGE.name}")


if __name__ == "__main__":
    main()
