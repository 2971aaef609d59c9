"""Headers that are damaged in every way that hypothesis thinks of: a typed error or a result, never anything else."""

from __future__ import annotations

import functools
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.medical import DicomOptions, header, restore_dicom
from datprl_toolkit.medical.testing import Modality, synthetic_slice

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

    from datprl_toolkit.restoring import Restorer

MODALITIES: tuple[Modality, ...] = ("CT", "MR", "PT")
ABSURD = st.one_of(
    st.sampled_from(
        [b"", b"0", b"-1", b"1e400", b"nan", b"inf", b"-0", b"1\\2", b"\\", b"99999999999999999", b"abc", b"\xff\xfe"]
    ),
    st.binary(max_size=24),
)


def run(content: list[FileDataset] | bytes, restorer: Restorer) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        if isinstance(content, bytes):
            (folder / "in" / "0.dcm").write_bytes(content)
        else:
            for index, dataset in enumerate(content):
                write_or_reject(dataset, folder / "in" / f"{index}.dcm")
        line = restored_or_refused(folder, restorer)
        assert "\n" not in line
        assert sorted(path.name for path in folder.iterdir()) == (["in"] if line else ["in", "out"])


def write_or_reject(dataset: FileDataset, path: Path) -> None:
    """Write a damaged data set; the few that pydicom itself cannot write are no test of ours."""
    try:
        with header.tolerant_pydicom():
            dataset.save_as(path)
    except Exception:
        reject()


def restored_or_refused(folder: Path, restorer: Restorer) -> str:
    """Return the line of the typed error, or nothing if what was written can be read."""
    try:
        restore_dicom(folder / "in", folder / "out", restorer, DicomOptions(all_series=True))
    except DatprlError as error:
        return str(error)
    with header.tolerant_pydicom():
        for path in (folder / "out").rglob("*.dcm"):
            assert pydicom.dcmread(path).pixel_array.size
    return ""


@functools.cache
def encoded(modality: Modality, index: int) -> bytes:
    with io.BytesIO() as file:
        synthetic_slice(modality, index, rows=8, columns=8).save_as(file, enforce_file_format=True)
        return file.getvalue()


def fresh(modality: Modality, index: int) -> FileDataset:
    return pydicom.dcmread(io.BytesIO(encoded(modality, index)))


@functools.cache
def tags(modality: Modality) -> tuple[int, ...]:
    return tuple(int(element.tag) for element in fresh(modality, 1))


@pytest.mark.parametrize("modality", MODALITIES)
@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), broken=st.integers(0, 1), count=st.integers(1, 3))
def test_a_dropped_empty_or_absurd_attribute_gives_a_result_or_a_typed_error(
    data: st.DataObject, modality: Modality, broken: int, count: int, dimmer: Restorer
) -> None:
    slices = [fresh(modality, index) for index in (1, 2)]
    for _ in range(count):
        tag = Tag(data.draw(st.sampled_from(tags(modality))))
        if tag not in slices[broken]:
            continue
        if data.draw(st.booleans()):
            del slices[broken][tag]
        else:
            value = data.draw(ABSURD)
            raw = RawDataElement(tag, dictionary_VR(tag), len(value), value + b" " * (len(value) % 2), 0, False, True)
            slices[broken]._dict[tag] = raw
    run(slices, dimmer)


@pytest.mark.parametrize("modality", MODALITIES)
@settings(max_examples=70, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    share=st.floats(0.1, 1),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
)
def test_a_cut_or_damaged_file_gives_a_result_or_a_typed_error(
    modality: Modality, share: float, flips: list[tuple[float, int]], dimmer: Restorer
) -> None:
    content = bytearray(encoded(modality, 1))
    for place, value in flips:
        content[int(place * (len(content) - 1))] = value
    run(bytes(content[: int(len(content) * share)]), dimmer)


@pytest.mark.parametrize("modality", MODALITIES)
def test_what_the_mutations_start_from_is_restored(modality: Modality, tmp_path: Path, dimmer: Restorer) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "0.dcm").write_bytes(encoded(modality, 1))
    assert restored_or_refused(tmp_path, dimmer) == ""
