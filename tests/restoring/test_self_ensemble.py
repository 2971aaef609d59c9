"""The mean over mirror images: what it is, in every kind of output, and what it does not go with."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
import torch

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.jobs import RestoreOptions, restore
from datprl_toolkit.jobs.report import make_report
from datprl_toolkit.medical.made_by import read_made_by
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.network import Grouping, Lattice
from datprl_toolkit.restoring.recipe import RestorerRecipe
from datprl_toolkit.restoring.testing import identity_restorer, tiny_restorer

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

IMAGES: npt.NDArray[np.float32] = np.random.default_rng(0).random((2, 3, 40, 56), dtype=np.float32)
MIRRORS = [(), (-1,), (-2,), (-2, -1)]


def mirrored(images: npt.NDArray[Any], axes: tuple[int, ...]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(np.flip(images, axes)) if axes else images


def test_it_is_the_mean_over_the_four_mirror_images_in_one_context() -> None:
    plain, mean = tiny_restorer(), tiny_restorer(self_ensemble=True)
    context = plain.context(IMAGES)
    answers = [mirrored(plain.restore_batch(mirrored(IMAGES, axes), context), axes) for axes in MIRRORS]
    assert max(np.abs(answer - answers[0]).max() for answer in answers) > 1e-4
    assert np.allclose(mean.restore_batch(IMAGES, context), np.mean(answers, axis=0), atol=1e-6)


@pytest.mark.parametrize("axes", MIRRORS)
def test_a_mirrored_image_is_restored_to_the_mirrored_image(axes: tuple[int, ...]) -> None:
    mean = tiny_restorer(self_ensemble=True)
    context = mean.context(IMAGES)
    once, again = (mean.restore_batch(each, context) for each in (IMAGES, mirrored(IMAGES, axes)))
    assert np.allclose(mirrored(again, axes), once, atol=1e-5)


def test_what_changes_nothing_still_changes_nothing() -> None:
    exact = identity_restorer().with_self_ensemble(True)
    assert np.array_equal(exact.restore_batch(IMAGES), IMAGES)
    grey = IMAGES[:, :1]
    assert np.array_equal(exact.restore_batch(grey), grey)


def test_a_field_of_contexts_is_mirrored_with_the_images() -> None:
    lattice = Lattice(2, 3, 80, 112, corners=((8, 16), (32, 40)))
    for axes in MIRRORS:
        spread, other = (
            each.spread(24, 32, torch.device("cpu")) for each in (lattice, lattice.mirrored(axes, (24, 32)))
        )
        down, across = other.down, other.across
        assert torch.allclose(down.flip(-1) if -2 in axes else down, spread.down)
        assert torch.allclose(across.flip(-1) if -1 in axes else across, spread.across)
    assert lattice.mirrored((-1,), (24, 32)).mirrored((-1,), (24, 32)) == lattice


def test_tiles_in_a_field_of_contexts_fit_together_as_without() -> None:
    mean = tiny_restorer(self_ensemble=True)
    image = np.random.default_rng(1).random((3, 160, 160), dtype=np.float32)
    corners = np.stack([image[:, row : row + 80, column : column + 80] for row in (0, 80) for column in (0, 80)])
    field = mean.context(corners, Grouping(torch.eye(4), torch.arange(4)))
    field = replace(field, lattice=Lattice(2, 2, 160, 160))
    whole = mean.restore_tiled(image, field, tile=160, halo=0)
    tiled = mean.restore_tiled(image, field, tile=64, halo=48)
    assert np.allclose(whole, tiled, atol=2e-3)
    assert np.abs(whole - tiny_restorer().restore_tiled(image, field, tile=160, halo=0)).max() > 1e-4


def test_it_goes_with_the_restorer_to_another_machine_and_is_told() -> None:
    mean = tiny_restorer(self_ensemble=True)
    made = pickle.loads(pickle.dumps(RestorerRecipe.of(mean))).make("cpu")
    assert np.array_equal(made.restore_batch(IMAGES), mean.restore_batch(IMAGES))
    assert mean.describe().endswith("self-ensemble")
    assert "ensemble" not in mean.with_self_ensemble(False).describe()


def test_a_series_says_so_has_other_identifiers_and_is_retraced(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "in", "CT")
    restorers = {name: tiny_restorer(self_ensemble=name == "mean") for name in ("plain", "mean")}
    first = {}
    for name, restorer in restorers.items():
        restore(tmp_path / "in", tmp_path / name, restorer)
        first[name] = pydicom.dcmread(min((tmp_path / name).rglob("*.dcm")))
    made_by = {name: read_made_by(dataset) for name, dataset in first.items()}
    assert made_by["plain"] is not None
    assert made_by["mean"] is not None
    assert (made_by["plain"].self_ensemble, made_by["mean"].self_ensemble) == (False, True)
    assert made_by["mean"].strength == 1
    assert first["plain"].SOPInstanceUID != first["mean"].SOPInstanceUID
    assert not np.array_equal(first["plain"].pixel_array, first["mean"].pixel_array)
    # The report retraces it as it was made, whatever it is given.
    report = make_report(tmp_path / "in", tmp_path / "mean", restorer=restorers["plain"])
    assert report.passed, report.parts[0].failed
    assert dict(report.facts)["Self-ensemble"] == "mean over four mirror images"


def test_a_nifti_says_so(tmp_path: Path) -> None:
    import nibabel

    write_synthetic_series(tmp_path / "in", "CT")
    restore(tmp_path / "in", tmp_path / "out.nii.gz", tiny_restorer(self_ensemble=True))
    image: Any = nibabel.load(tmp_path / "out.nii.gz")
    comment = b" ".join(bytes(each.get_content()) for each in image.header.extensions)
    assert b"mean over four mirror images" in comment


@pytest.mark.parametrize("kind", ["series", "scene"])
def test_a_map_of_uncertainty_is_refused_before_any_work(tmp_path: Path, kind: str) -> None:
    from datprl_toolkit.remote_sensing.testing import photograph, write_raster

    if kind == "series":
        write_synthetic_series(tmp_path / "in", "CT")
        source, target, maps = tmp_path / "in", tmp_path / "out", tmp_path / "maps"
    else:
        source = write_raster(tmp_path / "in.tif", photograph(3, 60, 70))
        target, maps = tmp_path / "out.tif", tmp_path / "maps.tif"
    with pytest.raises(OptionError, match="self-ensemble") as caught:
        restore(source, target, tiny_restorer(self_ensemble=True), RestoreOptions(uncertainty=maps))
    assert caught.value.code == ErrorCode.OPTION
    assert not target.exists()
    assert not maps.exists()
