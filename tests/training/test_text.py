"""Descriptions of images, and their features."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.training import Trainer
from datprl_toolkit.training.descriptions import clean_images, describe, load_descriptions, measure, save_descriptions
from datprl_toolkit.training.text import (
    ClipEncoder,
    WordLlamaEncoder,
    check_text_features,
    encode_descriptions,
    make_encoder,
)
from tests.loading import load_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

    import numpy.typing as npt

    from datprl_toolkit.training import PreparedData, TrainingConfig

TEXTS = {"a/0000": "A dark photograph.", "a/0001": "A bright aerial photograph.", "b/0000": "A dark photograph."}


class CountingEncoder:
    """Gives each text a feature of its own and counts what it was asked."""

    name = "counting"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.asked += texts
        return np.array([[len(text), ord(text[2])] for text in texts], np.float32)


@pytest.fixture
def tiny_clip(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Give open_clip a tiny model of its own kind, and a checkpoint with random weights."""
    open_clip = pytest.importorskip("open_clip")
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "patch_size": 16, "head_width": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    (tmp_path / "tiny-test.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "tiny-test.json")
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-test", pretrained=None, device="cpu")
    torch.save(model.state_dict(), tmp_path / "tiny.pt")
    yield "tiny-test", tmp_path / "tiny.pt"
    open_clip.factory._MODEL_CONFIGS.pop("tiny-test", None)


def test_clip_features_are_those_of_open_clip_with_77_tokens(tiny_clip: tuple[str, Path]) -> None:
    import open_clip

    model, checkpoint = tiny_clip
    encoder = ClipEncoder(model, str(checkpoint))
    long = "word " * 300
    features = encoder.encode(["a dark photograph", long])
    reference = open_clip.create_model(model, pretrained=str(checkpoint), device="cpu").eval()
    tokens = open_clip.get_tokenizer(model)(["a dark photograph", long])
    assert tokens.shape == (2, 77)
    with torch.inference_mode():
        expected = reference.encode_text(tokens)
    expected = expected / expected.norm(dim=-1, keepdim=True)
    assert np.allclose(features, expected.numpy(), atol=1e-6)
    assert np.allclose(np.linalg.norm(features, axis=1), 1.0, atol=1e-5)
    assert encoder.name.startswith("tiny-test-tiny-")


def test_weights_of_another_clip_and_models_that_are_not_known_are_one_line(
    tiny_clip: tuple[str, Path], tmp_path: Path
) -> None:
    model, _ = tiny_clip
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pt")
    for attempt in (
        lambda: ClipEncoder(model, str(tmp_path / "other.pt")),
        lambda: ClipEncoder(model, "no-such-tag"),
        lambda: ClipEncoder("RN51"),
        lambda: WordLlamaEncoder(100),
    ):
        with pytest.raises(DatprlError) as raised:
            attempt()
        assert "\n" not in str(raised.value)


def test_the_published_encoder_has_the_dimension_of_the_published_prompts() -> None:
    open_clip = pytest.importorskip("open_clip")
    assert open_clip.get_model_config("RN50")["embed_dim"] == 1024
    assert open_clip.get_model_config("RN50")["text_cfg"]["context_length"] == 77


def test_the_encoder_that_a_package_carries_tells_like_from_unlike() -> None:
    pytest.importorskip("wordllama")
    encoder = make_encoder("wordllama", dimension=128)
    features = encoder.encode(
        [
            "A dark aerial photograph of fields, seen from above.",
            "An aerial photograph of green land from above, dark.",
            "A magnetic resonance image of a head, in greyscale.",
        ]
    )
    assert features.shape == (3, 128)
    similarity = features @ features.T
    assert np.allclose(np.diag(similarity), 1.0, atol=1e-5)
    assert similarity[0, 1] > similarity[0, 2] + 0.1


def test_features_are_computed_once_and_again_only_for_other_words(tmp_path: Path) -> None:
    descriptions = tmp_path / "descriptions.json"
    encoder = CountingEncoder()
    path, known = encode_descriptions(descriptions, TEXTS, encoder)
    assert not known
    assert path.parent == tmp_path
    assert sorted(encoder.asked) == sorted(set(TEXTS.values()))
    with np.load(path) as archive:
        assert sorted(archive.files) == sorted(TEXTS)
        assert archive["a/0000"].tolist() == archive["b/0000"].tolist() == [18.0, ord("d")]
    assert encode_descriptions(descriptions, TEXTS, encoder) == (path, True)
    other, known = encode_descriptions(descriptions, {**TEXTS, "b/0000": "A grey photograph."}, encoder)
    assert other != path
    assert not known


def test_features_that_do_not_fit_the_prompts_are_refused_before_training(config: TrainingConfig) -> None:
    check_text_features({}, config.network)
    check_text_features({"a/0000": np.ones(16, np.float32)}, config.network)
    no_pool = replace(config.network, domain_pool=None)
    cases: list[tuple[dict[str, Any], Any, str]] = [
        ({"a": np.ones(12, np.float32)}, config.network, "16 dimensions"),
        ({"a": np.zeros(16, np.float32)}, config.network, "zero"),
        ({"a": np.full(16, np.nan, np.float32)}, config.network, "not finite"),
        ({"a": np.ones(16, np.float32)}, no_pool, "no domain pool"),
    ]
    for text, network, message in cases:
        with pytest.raises(DatprlError, match=message):
            check_text_features(text, network)


def test_what_is_measured_is_what_is_seen() -> None:
    y, x = np.mgrid[:64, :64] / 63
    dark_smooth = 0.05 + 0.05 * x
    assert describe(measure(dark_smooth), "A slice").startswith("A slice; dark, with low contrast; greyscale")
    noise = np.random.default_rng(0).random((64, 64))
    assert "full of detail" in describe(measure(noise), "A slice")
    assert "smooth" in describe(measure(x * 0.8), "A slice")
    green = np.stack([0.1 * y, 0.5 + 0.4 * x, 0.1 * x], axis=-1)
    assert "vivid colours, green" in describe(measure(green), "A photograph")
    blue = np.stack([0.2 * y, 0.3 * y, 0.5 + 0.4 * x], axis=-1)
    assert "blue on the whole" in describe(measure(blue), "A photograph")
    red = np.stack([0.8 + 0.1 * x, 0.1 * y, 0.15 * y], axis=-1)
    assert "red on the whole" in describe(measure(red), "A photograph")
    bright = np.stack([0.9 - 0.05 * x] * 3, axis=-1)
    text = describe(measure(bright), "A photograph")
    assert "bright, with low contrast; greyscale" in text


def test_every_clean_training_image_is_described_with_what_is_known_of_it(data: PreparedData) -> None:
    found = {key: (content, image) for key, content, image in clean_images(data)}
    clean = sum(len(source) for source in data.sources.values() if "clean" in source.fields)
    assert len(found) == clean
    assert "computed tomography" in found["ct/0000"][0]
    assert "from above" in found["rice1/0001"][0]
    assert "natural scene" in found["photos/0000"][0]
    assert all(image.min() >= 0 and image.max() <= 1 for _, image in found.values())


def test_descriptions_come_back_as_they_were_written(tmp_path: Path) -> None:
    save_descriptions(tmp_path / "d.json", TEXTS, "measured")
    assert load_descriptions(tmp_path / "d.json") == TEXTS
    with pytest.raises(DatprlError, match="E_EXISTS"):
        save_descriptions(tmp_path / "d.json", TEXTS, "measured")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "format"),
        ('{"format": "other", "descriptions": {"a/0000": "x"}}', "format"),
        ('{"format": "datprl-descriptions-1", "descriptions": {}}', "keys of images"),
        ('{"format": "datprl-descriptions-1", "descriptions": {"a": "x"}}', "no key"),
        ('{"format": "datprl-descriptions-1", "descriptions": {"a/0000": ""}}', "1 to 600"),
        ('{"format": "datprl-descriptions-1", "descriptions": {"a/0000": 5}}', "1 to 600"),
    ],
)
def test_a_file_that_is_none_of_descriptions_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "d.json").write_text(content)
    with pytest.raises(DatprlError) as raised:
        load_descriptions(tmp_path / "d.json")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    return load_recipe("describe_images")


def call(recipe: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["describe_images.py", *map(str, arguments)])
    recipe.main()


def test_the_recipe_describes_and_encodes_and_training_aligns_with_it(
    recipe: ModuleType,
    folder: Path,
    data: PreparedData,
    config: TrainingConfig,
    tiny_clip: tuple[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, checkpoint = tiny_clip
    out = tmp_path / "d.json"
    call(recipe, monkeypatch, "--data", folder, "--out", out)
    call(recipe, monkeypatch, "--encode", out, "--encoder", model, "--checkpoint", checkpoint)
    (features,) = tmp_path.glob("d.tiny-test-*.npz")
    with np.load(features) as archive:
        text = {key: archive[key] for key in archive.files}
    check_text_features(text, config.network)
    terms = Trainer(config, data, tmp_path / "run", text=text, report=lambda _: None).train_step()
    assert 0 < terms["alignment"] < 2


def test_the_recipe_describes_folders_named_in_a_configuration(
    recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clean").mkdir()
    for number in range(3):
        Image.fromarray(np.full((16, 16, 3), 60 * number, np.uint8)).save(tmp_path / "clean" / f"{number}.png")
    settings = tmp_path / "settings.yaml"
    settings.write_text("folders:\n- {name: mine, task: dehazing, clean: clean, validation: 1}\n")
    call(recipe, monkeypatch, "--config", settings, "--out", tmp_path / "d.json")
    texts = load_descriptions(tmp_path / "d.json")
    assert sorted(texts) == ["mine/0000", "mine/0001"]
    assert all("from above" in text for text in texts.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "d.json"], "E_OPTION"),
        (["--data", "none", "--out", "d.json"], "E_MISSING"),
        (["--config", "none.yaml", "--out", "d.json"], "E_MISSING"),
        (["--encode", "none.json"], "E_MISSING"),
    ],
)
def test_wrong_arguments_of_the_recipe_are_one_line(
    recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        call(recipe, monkeypatch, *arguments)
