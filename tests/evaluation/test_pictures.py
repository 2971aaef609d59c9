"""Pictures against the truth: golden figures, pairing, files, one-line errors."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.evaluation import ImageSet, evaluate, write_report
from datprl_toolkit.evaluation.pictures import as_rgb_bytes
from datprl_toolkit.restoring.testing import identity_restorer

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

# Computed without this package, by loops over pixels in pure Python; scikit-image 0.26 gives the same to 1e-12
# (Gaussian weights, sigma 1.5, population covariance, mean over the region where the window fits).
GOLDEN = {"colour": (26.90450829375981, 0.9880725923424251), "smooth": (39.88968092083311, 0.9528791297657385)}


def golden_pair(name: str) -> tuple[Bytes, Bytes]:
    """Return restored and true image, from integer formulas that every machine computes alike."""
    if name == "colour":
        y, x, c = np.mgrid[:33, :29, :3]
        truth = (37 * y + 11 * x * x + 83 * c + 5 * x * y) % 256
        restored = np.clip(truth + ((7 * y + 3 * x + 5 * c) % 41) - 20, 0, 255)
    else:
        y, x = np.mgrid[:40, :48]
        truth = (4 * y + x) % 200 + 20
        restored = truth + ((3 * y + 5 * x) % 9) - 4
    return restored.astype(np.uint8), truth.astype(np.uint8)


def save(folder: Path, **images: npt.NDArray[Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        Image.fromarray(image).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    pairs = {name: golden_pair(name) for name in GOLDEN}
    restored = save(tmp_path / "restored", **{name: pair[0] for name, pair in pairs.items()})
    return restored, save(tmp_path / "truth", **{name: pair[1] for name, pair in pairs.items()})


def test_psnr_and_ssim_of_files_are_the_golden_numbers(folders: tuple[Path, Path]) -> None:
    (score,) = evaluate([ImageSet("golden", *folders)]).sets
    assert [image.name for image in score.images] == ["colour", "smooth"]
    for image in score.images:
        psnr, ssim = GOLDEN[image.name]
        assert image.restored["psnr"] == pytest.approx(psnr, abs=1e-4)
        assert image.restored["ssim"] == pytest.approx(ssim, abs=1e-4)
    assert score.summary["psnr"].restored.mean == pytest.approx((26.9045 + 39.8897) / 2, abs=1e-4)


@pytest.mark.parametrize("name", list(GOLDEN))
def test_scikit_image_gives_the_golden_numbers(name: str) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    restored, truth = golden_pair(name)
    axis = 2 if truth.ndim == 3 else None
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "full": True}
    _, field = metrics.structural_similarity(restored, truth, data_range=255, channel_axis=axis, **options)
    assert metrics.peak_signal_noise_ratio(truth, restored, data_range=255) == pytest.approx(GOLDEN[name][0], abs=1e-9)
    assert field[5:-5, 5:-5].mean() == pytest.approx(GOLDEN[name][1], abs=1e-9)


def test_a_grey_truth_is_compared_with_a_colour_result_and_16_bits_become_8(tmp_path: Path) -> None:
    restored, truth = golden_pair("smooth")
    colour = save(tmp_path / "colour", a=np.repeat(restored[..., None], 3, axis=2))
    grey = save(tmp_path / "grey", a=truth)
    words = save(tmp_path / "words", a=truth.astype(np.uint16) * 257)
    for reference in (grey, words):
        (score,) = evaluate([ImageSet("mixed", colour, reference)]).sets
        assert score.images[0].restored["psnr"] == pytest.approx(GOLDEN["smooth"][0], abs=1e-9)
    assert as_rgb_bytes(np.array([[128 * 257 + 128, 129 * 257 - 128]], np.uint16))[0, :, 0].tolist() == [128, 129]


def test_with_the_input_the_change_is_told_image_by_image(folders: tuple[Path, Path], tmp_path: Path) -> None:
    restored, truth = folders
    worse = save(tmp_path / "input", **{name: golden_pair(name)[0] // 2 for name in GOLDEN})
    (score,) = evaluate([ImageSet("gain", restored, truth, worse)]).sets
    summary = score.summary["psnr"]
    assert summary.degraded is not None
    assert summary.change is not None
    assert summary.change.mean == pytest.approx(summary.restored.mean - summary.degraded.mean)
    assert summary.change.low <= summary.change.mean <= summary.change.high


def test_weights_restore_the_first_folder_before_it_is_compared(folders: tuple[Path, Path]) -> None:
    evaluation = evaluate([ImageSet("identity", *folders)], restorer=identity_restorer())
    for image in evaluation.sets[0].images:
        assert image.restored == image.degraded
        assert image.restored["psnr"] == pytest.approx(GOLDEN[image.name][0], abs=1e-9)
    assert evaluation.settings["weights"] == "test"


def test_an_enlarging_restorer_is_compared_with_the_enlarged_input(tmp_path: Path) -> None:
    _, truth = golden_pair("smooth")
    small = save(tmp_path / "small", a=truth[::2, ::2])
    large = save(tmp_path / "large", a=truth)
    (score,) = evaluate([ImageSet("x2", small, large)], restorer=identity_restorer(), scale=2).sets
    assert score.images[0].restored["psnr"] == pytest.approx(score.images[0].degraded["psnr"], abs=0.05)


def test_names_are_paired_by_what_a_match_finds_in_them(tmp_path: Path) -> None:
    restored, truth = golden_pair("smooth")
    first = save(tmp_path / "rain", **{"rain-001": restored, "rain-002": truth})
    second = save(tmp_path / "norain", **{"norain-002": truth, "norain-001": truth})
    (score,) = evaluate([ImageSet("rain", first, second, match=r"(\d+)$")]).sets
    assert [image.name for image in score.images] == ["norain-001", "norain-002"]
    assert score.images[0].restored["psnr"] == pytest.approx(GOLDEN["smooth"][0])
    assert score.images[1].restored["psnr"] == np.inf


def test_equal_images_are_said_and_keep_the_mean_finite(tmp_path: Path) -> None:
    truth = golden_pair("smooth")[1]
    folder = save(tmp_path / "same", a=truth, b=truth)
    evaluation = evaluate([ImageSet("same", folder, folder)])
    assert evaluation.sets[0].summary["psnr"].restored.mean == 100.0
    assert evaluation.warnings[0].startswith("W_IDENTICAL: 2 of 2")


def test_the_report_has_every_number_in_full_and_no_path(folders: tuple[Path, Path], tmp_path: Path) -> None:
    restored, truth = folders
    evaluation = evaluate([ImageSet("one", restored, truth), ImageSet("two", truth, truth)])
    write_report(tmp_path / "out", evaluation)
    with (tmp_path / "out" / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["set"], row["image"]) for row in rows] == [
        ("one", "colour"), ("one", "smooth"), ("two", "colour"), ("two", "smooth"),
    ]  # fmt: skip
    assert float(rows[0]["psnr"]) == pytest.approx(GOLDEN["colour"][0], abs=1e-12)
    assert rows[2]["psnr"] == "inf"
    text = (tmp_path / "out" / "results.json").read_text()
    results = json.loads(text)
    assert results["sets"][1]["images"][0]["restored"]["psnr"] is None
    assert results["sets"][0]["summary"]["ssim"]["restored"]["mean"] == pytest.approx(
        np.mean([GOLDEN[name][1] for name in GOLDEN]), abs=1e-9
    )
    assert str(tmp_path) not in text
    with pytest.raises(DatprlError, match="E_EXISTS"):
        write_report(tmp_path / "out", evaluation)


def test_what_cannot_be_compared_is_one_line(folders: tuple[Path, Path], tmp_path: Path) -> None:
    restored, truth = folders
    small = save(tmp_path / "small", **{name: np.zeros((20, 20), np.uint8) for name in GOLDEN})
    other = save(tmp_path / "other", colour=golden_pair("colour")[1], another=golden_pair("smooth")[1])
    tiny = save(tmp_path / "tiny", a=np.zeros((8, 30), np.uint8))
    twice = save(tmp_path / "twice", a=golden_pair("smooth")[1])
    Image.fromarray(golden_pair("smooth")[1]).save(twice / "a.jpg")
    (tmp_path / "empty").mkdir()
    cases = {
        "no partner in 'other': smooth.png": ImageSet("a", restored, other),
        "20x20 pixels and its truth 29x33": ImageSet("a", small, truth),
        "11x11 pixels or more": ImageSet("a", tiny, tiny),
        "both count as 'a'": ImageSet("a", twice, twice),
        "holds no image": ImageSet("a", restored, tmp_path / "empty"),
        "E_MISSING": ImageSet("a", restored, tmp_path / "none"),
        "no regular expression": ImageSet("a", restored, truth, match="("),
        "finds nothing": ImageSet("a", restored, truth, match=r"\d"),
    }
    for message, images in cases.items():
        with pytest.raises(DatprlError) as raised:
            evaluate([images])
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)
    with pytest.raises(DatprlError, match="no other input"):
        evaluate([ImageSet("a", restored, truth, truth)], restorer=identity_restorer())
