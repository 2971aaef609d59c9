"""What a network chooses, counted and drawn."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.explanation import Explanation, SampleSet, explain, find_sets, write_explanation
from datprl_toolkit.explanation.analyse import Selection, block_means, cosine_similarity, overlap, selection
from datprl_toolkit.explanation.gather import PoolRecord
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.network import DatprlNetwork
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.restoring.testing import TINY, tiny_restorer

if TYPE_CHECKING:
    from pathlib import Path


def save_pictures(folder: Path, count: int, seed: int) -> Path:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    for index in range(count):
        pixels = generator.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def explanation(tmp_path: Path) -> Explanation:
    folders = [save_pictures(tmp_path / "first", 4, 0), save_pictures(tmp_path / "second", 3, 1)]
    return explain(find_sets(folders), tiny_restorer())


def test_the_counts_are_those_of_the_networks_own_choices(tmp_path: Path) -> None:
    folder = save_pictures(tmp_path / "set", 3, 0)
    restorer = tiny_restorer()
    found = explain(find_sets([folder]), restorer)
    images = [torch.from_numpy(np.asarray(Image.open(path)) / 255.0) for path in sorted(folder.iterdir())]
    batch = torch.stack(images).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        trace = restorer.network.trace(batch)[1]
    for name, choice in (("task", trace.task), ("domain", trace.domain)):
        assert choice is not None
        share = [sum(j in row for row in choice.selected.tolist()) / 3 for j in range(4)]
        weight = [
            sum(w for row, ws in zip(choice.selected.tolist(), choice.weights.tolist(), strict=True)
                for k, w in zip(row, ws, strict=True) if k == j) / 3
            for j in range(4)
        ]  # fmt: skip
        chosen = found.pools[name].selections[0]
        assert chosen.share.tolist() == pytest.approx(share)
        assert chosen.weight.tolist() == pytest.approx(weight, abs=1e-6)
        assert chosen.share.sum() == pytest.approx(2.0)
        assert chosen.weight.sum() == pytest.approx(1.0)


def test_an_mr_series_is_looked_at_as_it_is_restored_with_the_prompt_of_mr(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "mr", "MR", 2)
    restorer = tiny_restorer()
    chosen = explain(find_sets([tmp_path / "mr"]), restorer).pools["task"].selections[0]
    prompt = restorer.card.prompt_of("mri_super_resolution")
    assert prompt is not None
    assert chosen.weight[prompt] > 0.99


def test_the_number_of_prompts_in_effect_is_one_for_one_and_all_for_even_use() -> None:
    def record(selected: list[list[int]], weights: list[list[float]]) -> PoolRecord:
        nothing = np.zeros((len(selected), 1))
        return PoolRecord(np.array(selected), np.array(weights), nothing, nothing)

    assert selection(record([[1, 0], [1, 2]], [[1.0, 0.0], [1.0, 0.0]]), 3).effective == pytest.approx(1.0)
    even = selection(record([[0, 1], [2, 3]], [[0.5, 0.5], [0.5, 0.5]]), 4)
    assert even.effective == pytest.approx(4.0)
    assert even.share.tolist() == [0.5, 0.5, 0.5, 0.5]


def test_similarity_is_that_of_a_plain_loop_and_one_on_the_diagonal() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 7))
    matrix = cosine_similarity(vectors)
    for i, first in enumerate(vectors):
        for j, second in enumerate(vectors):
            dot = sum(a * b for a, b in zip(first, second, strict=True))
            norm = math.sqrt(sum(a * a for a in first) * sum(b * b for b in second))
            assert matrix[i, j] == pytest.approx(dot / norm, abs=1e-12)


def test_means_within_sets_leave_out_an_image_with_itself() -> None:
    matrix = np.array([[1.0, 0.2, 0.5], [0.2, 1.0, 0.7], [0.5, 0.7, 1.0]])
    means = block_means(matrix, [2, 1])
    assert means[0, 0] == pytest.approx(0.2)
    assert means[0, 1] == pytest.approx(0.6)
    assert np.isnan(means[1, 1])


def test_overlap_is_one_with_itself_and_zero_without_common_prompts() -> None:
    first = Selection(np.array([1.0, 1.0, 0.0]), np.array([0.7, 0.3, 0.0]), 1.8)
    second = Selection(np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0]), 1.0)
    assert overlap(first, first) == pytest.approx(1.0)
    assert overlap(first, second) == 0.0


def test_pictures_and_numbers_are_written_and_the_numbers_are_the_networks(
    explanation: Explanation, tmp_path: Path
) -> None:
    names = write_explanation(tmp_path / "out", explanation)
    assert names == ("explanation.json", "gates.png", "representations.png", "selection.png", "similarity.png")
    for name in names[1:]:
        with Image.open(tmp_path / "out" / name) as picture:
            pixels = np.asarray(picture.convert("L"))
        assert pixels.shape[0] > 300
        assert 0.01 < (pixels < 200).mean() < 0.9  # something is drawn, and not everywhere
    text = (tmp_path / "out" / "explanation.json").read_text()
    assert str(tmp_path) not in text
    plain = json.loads(text)
    assert [each["name"] for each in plain["sets"]] == ["first", "second"]
    gates = tiny_restorer().network.gates()
    assert {each["block"]: (each["features"], each["prompt"]) for each in plain["gates"]} == gates
    assert sorted(plain["pools"]) == ["domain", "task"]
    assert plain["pools"]["task"]["overlap"][0][0] == pytest.approx(1.0)


def test_a_restormer_and_a_single_pool_and_one_image_are_explained_too(tmp_path: Path) -> None:
    folder = save_pictures(tmp_path / "set", 1, 0)
    (picture,) = folder.iterdir()
    config = replace(TINY["restormer"], domain_pool=None)
    restorer = Restorer(DatprlNetwork(config).eval(), replace(tiny_restorer().card, config=config), device="cpu")
    found = explain(find_sets([picture]), restorer)
    assert list(found.pools) == ["task"]
    assert found.sets == (("pictures", 1),)
    assert "representations.png" in write_explanation(tmp_path / "out", found)


def test_dicom_slices_are_looked_at_in_the_window_of_their_modality(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "ct", "CT", 4)
    found = explain(find_sets([tmp_path / "ct"]), tiny_restorer(), limit=3)
    assert found.sets == (("ct", 3),)


def test_a_limit_spaces_the_images_evenly(tmp_path: Path) -> None:
    folder = save_pictures(tmp_path / "set", 6, 0)
    found = explain(find_sets([folder]), tiny_restorer(), limit=2)
    paths = sorted(folder.iterdir())
    expected = explain([SampleSet("set", (paths[1], paths[4]))], tiny_restorer())
    assert np.array_equal(found.representations, expected.representations)


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    folders = [save_pictures(tmp_path / kind / "train", 1, 0) for kind in ("rain", "haze")]
    assert [each.name for each in find_sets(folders)] == ["rain/train", "haze/train"]


def test_what_cannot_be_explained_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("nothing")
    for place, code in (("none", "E_MISSING"), ("empty", "E_EMPTY"), ("text.txt", "E_UNKNOWN_FORMAT")):
        with pytest.raises(DatprlError, match=code):
            find_sets([tmp_path / place])
    config: Any = replace(TINY["nafnet"], domain_pool=None, task_pool=None)
    bare = Restorer(DatprlNetwork(config).eval(), replace(tiny_restorer().card, config=config), device="cpu")
    with pytest.raises(DatprlError, match="no prompt pools"):
        explain(find_sets([save_pictures(tmp_path / "set", 1, 0)]), bare)
