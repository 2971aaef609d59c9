"""Data sets in the layouts in which people have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.training.adapters import DATASETS, find_dataset, find_pairs
from datprl_toolkit.training.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def touch(root: Path, *names: str) -> Path:
    """Make empty files: an adapter looks at names alone."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def numbers(template: str, count: int, first: int = 1) -> list[str]:
    return [template.format(n) for n in range(first, first + count)]


def test_every_task_has_its_published_set() -> None:
    assert sorted(dataset.task for dataset in DATASETS.values()) == sorted(TASKS)


def test_rain100l_as_its_authors_packed_it(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *numbers("rain_data_train_Light/rain/norain-{}x2.png", 12),
        *numbers("rain_data_train_Light/norain/norain-{}.png", 12),
        *numbers("rain_data_test_Light/rain/X2/norain-{:03d}x2.png", 3),
        *numbers("rain_data_test_Light/norain/norain-{:03d}.png", 3),
    )
    found = find_dataset("rain100l", tmp_path)
    assert (len(found.train), len(found.test)) == (12, 3)
    tenth = found.train[9]
    assert tenth.clean.path.name == "norain-10.png"
    assert tenth.degraded is not None
    assert tenth.degraded.path.name == "norain-10x2.png"


def test_rain100l_with_both_kinds_in_one_folder(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *numbers("RainTrainL/rain-{}.png", 4),
        *numbers("RainTrainL/norain-{}.png", 4),
        *numbers("Rain100L/rainy/rain-{:03d}.png", 2),
        *numbers("Rain100L/norain-{:03d}.png", 2),
    )
    found = find_dataset("rain100l", tmp_path)
    assert (len(found.train), len(found.test)) == (4, 2)
    for pair in found.train:
        assert pair.degraded is not None
        assert pair.degraded.path.name == pair.clean.path.name.removeprefix("no")


def test_gopro_with_its_sequences(tmp_path: Path) -> None:
    for kind in ("sharp", "blur", "blur_gamma"):
        touch(
            tmp_path,
            *numbers(f"train/GOPR0372_07_00/{kind}/{{:06d}}.png", 3, 47),
            *numbers(f"train/GOPR0374_11_00/{kind}/{{:06d}}.png", 3, 47),
            *numbers(f"test/GOPR0384_11_00/{kind}/{{:06d}}.png", 2, 1),
        )
    found = find_dataset("gopro", tmp_path)
    assert (len(found.train), len(found.test)) == (6, 2)
    pair = found.train[0]
    assert pair.degraded is not None
    assert pair.clean.path.parent.name == "sharp"
    assert pair.degraded.path == pair.clean.path.parent.parent / "blur" / pair.clean.path.name


def test_df2k_is_two_sets_with_the_validation_images_of_one(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *numbers("DIV2K/DIV2K_train_HR/{:04d}.png", 5),
        *numbers("Flickr2K/Flickr2K_HR/{:06d}.png", 7),
        *numbers("DIV2K/DIV2K_valid_HR/{:04d}.png", 2, 801),
    )
    found = find_dataset("df2k", tmp_path)
    assert (len(found.train), len(found.test)) == (12, 2)
    assert all(pair.degraded is None for pair in found.train)


def test_aapm_mayo_pairs_doses_by_patient_and_slice_and_holds_l506_out(tmp_path: Path) -> None:
    tail = "2015.12.22.18.09.40.840353.358074219.IMA"
    for patient in ("L067", "L506"):
        for thickness in ("1mm", "3mm"):
            for dose, letter in (("full", "F"), ("quarter", "Q")):
                # The series number differs between doses; the slice number is what they share.
                series = 1 if letter == "F" else 4
                names = [f"{patient}_{letter}D_1_1.CT.{series:04d}.{n:04d}.{tail}" for n in (1, 2, 3)]
                touch(tmp_path, *(f"{patient}/{dose}_{thickness}/{name}" for name in names))
    found = find_dataset("aapm_mayo", tmp_path)
    assert len(found.train) == 6
    assert {pair.name for pair in found.test} == {f"3mm/L506/000{n}" for n in (1, 2, 3)}
    for pair in (*found.train, *found.test):
        assert pair.degraded is not None
        assert "_FD_" in pair.clean.path.name
        assert "_QD_" in pair.degraded.path.name


def test_aapm_mayo_arrays_are_brought_to_hounsfield_units(tmp_path: Path) -> None:
    names = [f"L{p:03d}_{i}_{kind}.npy" for p in (67, 506) for i in (0, 1) for kind in ("target", "input")]
    found = find_dataset("aapm_mayo", touch(tmp_path, *names))
    assert [pair.name for pair in found.test] == ["L506/0", "L506/1"]
    place = found.train[0].clean
    assert (place.slope, place.intercept, place.window) == (4096.0, -1024.0, (-160.0, 240.0))


def test_ucmerced_holds_out_every_seventh_image_so_that_300_of_2100_are_the_test(tmp_path: Path) -> None:
    for kind in ("agricultural", "airplane", "beach"):
        touch(tmp_path, *numbers(f"UCMerced_LandUse/Images/{kind}/{kind}{{:02d}}.tif", 7, 0))
    found = find_dataset("ucmerced", tmp_path)
    assert (len(found.train), len(found.test)) == (18, 3)
    assert not {pair.name for pair in found.train} & {pair.name for pair in found.test}


@pytest.mark.parametrize(
    ("name", "clean", "degraded"),
    [("cuhk_cr1", "label", "cloud"), ("polarstar", "HQ", "LQ"), ("gopro", "target", "input"), ("ixi", "GT", "LR")],
)
def test_train_and_test_with_the_usual_names_are_found_for_every_set(
    tmp_path: Path, name: str, clean: str, degraded: str
) -> None:
    for split, count in (("train", 4), ("test", 2)):
        touch(tmp_path, *numbers(f"{split}/{clean}/{{}}.png", count), *numbers(f"{split}/{degraded}/{{}}.png", count))
    found = find_dataset(name, tmp_path)
    assert (len(found.train), len(found.test)) == (4, 2)


def test_rice1_without_a_split_holds_out_every_fifth_scene_in_the_order_of_numbers(tmp_path: Path) -> None:
    touch(tmp_path, *numbers("cloud/{}.png", 20, 0), *numbers("label/{}.png", 20, 0))
    found = find_dataset("rice1", tmp_path)
    assert (len(found.train), len(found.test)) == (16, 4)
    assert [pair.name for pair in found.test] == ["4", "9", "14", "19"]


def test_ixi_volumes_become_central_slices_split_by_subject(tmp_path: Path) -> None:
    nibabel: Any = pytest.importorskip("nibabel")
    import numpy as np

    for subject in range(1, 6):
        volume = nibabel.Nifti1Image(np.random.default_rng(subject).random((6, 6, 10)), np.eye(4))
        nibabel.save(volume, tmp_path / f"IXI{subject:03d}-Guys-0{subject}28-T1.nii.gz")
    found = find_dataset("ixi", tmp_path)
    assert (len(found.train), len(found.test)) == (4 * 6, 6)
    assert {pair.name.split("/")[0] for pair in found.test} == {"IXI005"}
    assert found.train[0].clean.index == 2


def test_two_folders_are_paired_by_name_and_some_held_out_evenly(tmp_path: Path) -> None:
    touch(tmp_path, *numbers("a/{}.png", 10), *numbers("b/{}.jpg", 10))
    found = find_pairs(tmp_path / "a", tmp_path / "b", held_out=2)
    assert [pair.name for pair in found.test] == ["3", "8"]
    assert [pair.name for pair in found.train] == ["1", "2", "4", "5", "6", "7", "9", "10"]


def test_what_cannot_be_found_or_paired_is_one_line(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "a/2.png", "b/1.png", "c/x1.png", "c/y1.png", "empty/readme.txt", "bin/1.bin")
    cases: list[tuple[str, Callable[[], object]]] = [
        ("E_OPTION", lambda: find_dataset("imagenet", tmp_path)),
        ("E_MISSING", lambda: find_dataset("gopro", tmp_path / "none")),
        ("no known layout", lambda: find_dataset("gopro", tmp_path)),
        ("1 of 2 clean and 1 degraded images have no partner: 2", lambda: find_pairs(tmp_path / "a", tmp_path / "b")),
        ("both count as '1'", lambda: find_pairs(tmp_path / "c", tmp_path / "b", match=r"(\d+)")),
        ("holds no image", lambda: find_pairs(tmp_path / "empty", None)),
        ("holds no image", lambda: find_pairs(tmp_path / "bin", None)),
        ("no regular expression", lambda: find_pairs(tmp_path / "a", None, match="(")),
        ("leave none to train on", lambda: find_pairs(tmp_path / "a", None, held_out=2)),
    ]
    for message, attempt in cases:
        with pytest.raises(DatprlError) as raised:
            attempt()
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)
