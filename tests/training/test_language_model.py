"""Descriptions by a language model; a stand-in with the interface of transformers plays it."""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from datprl_toolkit.errors import ResourceError, WeightsError
from datprl_toolkit.training.descriptions import load_descriptions
from datprl_toolkit.training.language_model import INSTRUCTION, LanguageModel
from datprl_toolkit.training.tasks import KIND_KEYS
from tests.loading import load_recipe

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["", "The image", "  is\n bright", "dark"]


class Asked(dict[str, torch.Tensor]):
    def to(self, device: object, dtype: object = None) -> Asked:
        return self


class Processor:
    """Turns a picture into one number, its mean, and numbers into words."""

    @classmethod
    def from_pretrained(cls, name: str) -> Processor:
        if name == "none":
            raise OSError("none is not a local folder\nand more lines")
        return cls()

    def apply_chat_template(self, messages: Any, **options: Any) -> Asked:
        picture, text = messages[0]["content"]
        assert options["add_generation_prompt"]
        assert text == {"type": "text", "text": INSTRUCTION}
        assert picture["image"].mode == "RGB"
        return Asked(input_ids=torch.tensor([[7, 7]]), mean=torch.tensor(np.asarray(picture["image"]).mean()))

    def decode(self, tokens: torch.Tensor, **options: Any) -> str:
        assert options["skip_special_tokens"]
        return " ".join(WORDS[token] for token in tokens.tolist())


class Model:
    device, dtype = "cpu", torch.float32

    @classmethod
    def from_pretrained(cls, name: str, **options: Any) -> Model:
        assert options["use_safetensors"]
        assert "trust_remote_code" not in options
        return cls()

    def to(self, device: str) -> Model:
        return self

    def eval(self) -> Model:
        return self

    def generate(self, **asked: Any) -> torch.Tensor:
        assert asked["do_sample"] is False
        mean = asked["mean"].item()
        said = [0] if mean == 0 else [1, 2 if mean > 100 else 3]
        return torch.tensor([[7, 7, *said]])


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("transformers")
    module.AutoProcessor, module.AutoModelForImageTextToText = Processor, Model
    monkeypatch.setitem(sys.modules, "transformers", module)


def test_the_answer_alone_is_kept_as_one_line() -> None:
    model = LanguageModel("models/llava")
    assert model.name == "llava"
    assert model.describe(np.full((4, 5), 0.9)) == "The image is bright"
    assert model.describe(np.full((4, 5, 3), 0.1, np.float32)) == "The image dark"
    with pytest.raises(WeightsError, match="says nothing"):
        model.describe(np.zeros((4, 5)))


def test_a_model_that_cannot_be_had_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match=r"not a local folder \(none\)\. Give a folder"):
        LanguageModel("none")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ResourceError, match=r"datprl-toolkit\[describe\]"):
        LanguageModel("models/llava")


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    return load_recipe("describe_images")


def test_the_sentences_of_the_domains_have_the_keys_that_training_looks_for(
    recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["describe_images.py", "--domains", "--out", str(tmp_path / "d.json")])
    recipe.main()
    texts = load_descriptions(tmp_path / "d.json")
    assert tuple(texts) == KIND_KEYS
    assert texts["domain/0001"] == "This is an MRI image."


def test_the_recipe_keeps_what_was_described_before(recipe: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    for number in (1, 2, 3):
        Image.fromarray(np.full((16, 16, 3), 60 * number, np.uint8)).save(tmp_path / "clean" / f"{number}.png")
    (tmp_path / "s.yaml").write_text("folders:\n- {name: mine, task: dehazing, clean: clean, validation: 0}\n")
    out = tmp_path / "d.json"
    before = {"format": "datprl-descriptions-1", "made_by": "llava", "descriptions": {"mine/0000": "Said before."}}
    out.write_text(json.dumps(before))
    recipe.ask(
        SimpleNamespace(
            out=out, resume=True, overwrite=False, model="llava", device="cpu", data=None, config=tmp_path / "s.yaml"
        )
    )
    assert list(load_descriptions(out).values()) == ["Said before.", "The image is bright", "The image is bright"]
    assert json.loads(out.read_text())["made_by"] == "llava"
