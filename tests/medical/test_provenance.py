from __future__ import annotations

import dataclasses
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from datprl_toolkit.medical.derive import DerivedSeries, derived_description, derived_image_type, free_series_number
from datprl_toolkit.medical.private_tags import PrivatePolicy, filter_private
from datprl_toolkit.medical.profiles import CT_SOFT_TISSUE
from datprl_toolkit.medical.provenance import (
    EDGE_ENHANCEMENT,
    PROCESSING_EQUIPMENT,
    PROCESSING_SOURCE,
    SMOOTHING,
    Provenance,
)

PROVENANCE = Provenance(
    weights="small",
    weights_sha256="ab" * 32,
    task="ct_denoising",
    profile=CT_SOFT_TISSUE,
    strength=1.0,
    sources="cd" * 32,
    modality="CT",
    created=datetime(2026, 1, 2, 3, 4, 5),
)


@pytest.mark.parametrize("code", [SMOOTHING, EDGE_ENHANCEMENT, PROCESSING_SOURCE, PROCESSING_EQUIPMENT])
def test_codes_and_their_meanings_are_those_of_the_standard(code: tuple[str, str, str]) -> None:
    value, scheme, meaning = code
    assert scheme == "DCM"
    known = {str(entry.value): str(entry.meaning) for entry in (getattr(codes.DCM, name) for name in codes.DCM.dir())}
    assert known[value] == meaning


@given(st.text(), st.text())
def test_identifiers_are_valid_and_follow_from_what_went_in(one: str, other: str) -> None:
    identifier = PROVENANCE.identifier(one, other)
    assert UID(identifier).is_valid
    assert identifier == PROVENANCE.identifier(one, other)


@pytest.mark.parametrize(
    "change",
    [
        {"strength": 0.5},
        {"weights_sha256": "00"},
        {"sources": "00"},
        {"arithmetic": "bfloat16"},
        {"profile": dataclasses.replace(PROVENANCE.profile, task="mri_super_resolution")},
    ],
)
def test_another_way_of_making_an_image_gives_it_another_identifier(change: dict[str, object]) -> None:
    changed = dataclasses.replace(PROVENANCE, **change)  # type: ignore[arg-type]
    assert changed.identifier("image", "1.2.3") != PROVENANCE.identifier("image", "1.2.3")


def test_images_with_other_private_attributes_have_other_identifiers() -> None:
    series = [DerivedSeries(PROVENANCE, 1, private) for private in ("quant", "keep", "drop")]
    assert len({each.series_instance_uid for each in series}) == 3
    assert len({each.identifier("image", "1.2.3") for each in series}) == 3


def test_when_it_was_made_is_no_part_of_the_identifier() -> None:
    later = dataclasses.replace(PROVENANCE, created=datetime(2027, 1, 1))
    assert later.identifier("image") == PROVENANCE.identifier("image")


def test_the_description_says_how_it_was_made_and_fits() -> None:
    description = dataclasses.replace(PROVENANCE, weights="w" * 300).description()
    assert len(description) <= 1024
    for word in ("ab" * 32, "ct_denoising", "-160 to 240 HU", "strength 1", "Not for diagnostic use"):
        assert word in description


@given(st.text(max_size=80))
def test_a_series_description_fits_into_a_long_string_and_says_what_it_is(source: str) -> None:
    description = derived_description(source)
    assert len(description) <= 64
    assert description.endswith("DATPRL")


def test_a_new_series_number_collides_with_none() -> None:
    assert free_series_number(3, {3}) == 9003
    assert free_series_number(3, {3, 9003, 9004}) == 9005
    assert free_series_number(None, set()) == 9000
    assert free_series_number(2**31 - 5, set()) == 9000


@pytest.mark.parametrize(
    ("modality", "source", "expected"),
    [
        ("CT", ["ORIGINAL", "PRIMARY", "AXIAL", "ADD"], ["DERIVED", "PRIMARY", "AXIAL", "ADD"]),
        ("CT", [], ["DERIVED", "PRIMARY", "AXIAL"]),
        ("PT", ["ORIGINAL", "SECONDARY"], ["DERIVED", "PRIMARY"]),
        ("PT", ["ORIGINAL"], ["DERIVED", "PRIMARY"]),
        ("MR", ["DERIVED", "SECONDARY", "MPR"], ["DERIVED", "SECONDARY", "MPR"]),
    ],
)
def test_the_image_type_becomes_derived_and_keeps_the_rest(
    modality: str, source: list[str], expected: list[str]
) -> None:
    dataset = Dataset()
    dataset.ImageType = source
    assert derived_image_type(dataset, modality) == expected


@pytest.mark.parametrize(
    ("policy", "left"), [("keep", {"start", "secret", "nested"}), ("quant", {"start"}), ("drop", set())]
)
def test_private_attributes_are_carried_over_by_an_allowlist(policy: PrivatePolicy, left: set[str]) -> None:
    dataset, item = Dataset(), Dataset()
    dataset.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20200102101500")
    dataset.private_block(0x0029, "SECRET", create=True).add_new(0x01, "LO", "secret")
    item.private_block(0x0029, "SECRET", create=True).add_new(0x01, "LO", "nested")
    dataset.ReferencedImageSequence = [item]
    filter_private(dataset, policy)
    written = str(dataset)
    words = {"start": "20200102101500", "secret": "'secret'", "nested": "'nested'"}
    assert {name for name, word in words.items() if word in written} == left
    if policy == "quant":
        assert dataset.private_block(0x0009, "GEMS_PETD_01")[0x0D].value
