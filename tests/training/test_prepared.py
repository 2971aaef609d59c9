"""Prepared data survive their folder, and damage is told in one line."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.errors import InputError, OptionError
from datprl_toolkit.training import PreparedData, load_prepared
from datprl_toolkit.training.preparation import (
    from_integers,
    k_space_source,
    super_resolution_source,
    to_bytes,
    to_words,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_arrays_come_back_as_they_were_written(folder: Path) -> None:
    first, second = load_prepared(folder), load_prepared(folder)
    assert first.fingerprint == second.fingerprint
    assert first.sources["ct"]["noise"][1].dtype == np.float16
    assert np.array_equal(first.sources["ct"]["noise"][1], second.sources["ct"]["noise"][1])
    assert first.validation["dehazing"].names == ("a", "b", "c")


def test_other_arrays_have_another_fingerprint(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["sources"]["ct"]["sha256"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert load_prepared(copy).fingerprint != load_prepared(folder).fingerprint


def test_without_a_source_the_data_are_those_in_which_it_was_not_prepared(folder: Path) -> None:
    whole = load_prepared(folder)
    part = whole.without(["rain", "ct"])
    assert part.sources.keys() == whole.sources.keys() - {"rain", "ct"}
    assert part.manifest["sources"].keys() == part.sources.keys()
    assert part.validation == whole.validation
    assert part.fingerprint != whole.fingerprint == whole.without([]).fingerprint


def test_a_source_that_is_not_there_cannot_be_left_out(folder: Path) -> None:
    with pytest.raises(OptionError, match=r"E_OPTION.* called snow to leave out") as raised:
        load_prepared(folder).without(["rain", "snow"])
    assert "remote_tiles" in str(raised.value)


def damage(folder: Path, tmp_path: Path, name: str, content: bytes | None) -> PreparedData:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(content)
    return load_prepared(copy)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("manifest.json", None, "E_MISSING"),
        ("manifest.json", b"{", "E_CORRUPT"),
        ("manifest.json", b'{"version": 99}', "E_UNSUPPORTED"),
        ("sources/ct.npz", None, "E_MISSING"),
        ("sources/ct.npz", b"no archive", "E_CORRUPT"),
        ("validation/dehazing.npz", b"", "E_CORRUPT"),
        ("validation/dehazing.npz", b"PK\x03\x04 cut off", "E_CORRUPT"),
    ],
)
def test_damage_is_told_in_one_line(
    folder: Path, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    with pytest.raises(InputError) as raised:
        damage(folder, tmp_path, name, content)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_integers_round_and_return() -> None:
    values = np.linspace(-0.1, 1.1, 1000)
    clipped = values.clip(0, 1)
    assert np.abs(from_integers(to_bytes(values)) - clipped).max() <= 0.5 / 255 + 1e-7
    assert np.abs(from_integers(to_words(values)) - clipped).max() <= 0.5 / 65535 + 1e-7


def test_super_resolution_pairs_are_cropped_to_multiples_of_four() -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 43, 3), dtype=np.uint8)
    source = super_resolution_source("x", [image])
    assert source["clean"][0].shape == source["degraded"][0].shape == (28, 40, 3)
    assert np.array_equal(source["clean"][0], image[:28, :40])


def test_mr_pairs_keep_sixteen_bits() -> None:
    image = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    source = k_space_source("x", [image])
    assert source["clean"][0].dtype == np.uint16
    assert np.abs(from_integers(source["clean"][0]) - image).max() < 1e-5
