"""Descriptions by a vision-language model of ``transformers``, such as LLaVA-1.5 and Qwen3-VL in the paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from datprl_toolkit.errors import ErrorCode, WeightsError, missing_package
from datprl_toolkit.training.descriptions import LONGEST
from datprl_toolkit.training.preparation import to_bytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

INSTRUCTION = (
    "Describe this image in one sentence: its main content, the shooting view, brightness, contrast and colour. "
    "Begin with: The image"
)
LONGEST_ANSWER = 70  # tokens; with the marks of beginning and end, CLIP reads 77


class LanguageModel:
    """A model that says what it sees.

    Parameters
    ----------
    name
        As ``transformers`` knows it, such as ``llava-hf/llava-1.5-7b-hf`` or ``Qwen/Qwen3-VL-2B-Instruct``, or a folder
        with its files. Weights are read as safetensors, and no code that comes with them is run.
    device
        Where it runs.

    Raises
    ------
    ResourceError
        ``E_DEPENDENCY`` if transformers is not installed.
    WeightsError
        ``E_WEIGHTS`` if the model cannot be had.
    """

    def __init__(self, name: str, device: str = "cpu") -> None:
        try:
            import transformers
        except ImportError as error:
            raise missing_package("transformers", "describe", "to describe images with a language model") from error
        try:
            self._processor: Any = transformers.AutoProcessor.from_pretrained(name)
            model: Any = transformers.AutoModelForImageTextToText.from_pretrained(
                name, use_safetensors=True, dtype="auto"
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise WeightsError(
                ErrorCode.WEIGHTS,
                f"the language model cannot be loaded: {reason}",
                where=name,
                remedy="Give a folder with its files where nothing can be downloaded, or leave out --model",
            ) from error
        self._model = model.to(device).eval()
        self.name = Path(name).name

    def describe(self, image: npt.NDArray[np.floating]) -> str:
        """Return what the model says of an image (H, W) or (H, W, 3) in [0, 1]; always the same for the same image.

        Raises
        ------
        WeightsError
            ``E_WEIGHTS`` if it says nothing.
        """
        from PIL import Image

        picture = Image.fromarray(to_bytes(image)).convert("RGB")
        content = [{"type": "image", "image": picture}, {"type": "text", "text": INSTRUCTION}]
        asked = self._processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._model.device, dtype=self._model.dtype)
        said = self._model.generate(**asked, max_new_tokens=LONGEST_ANSWER, do_sample=False)
        answer = said[0, asked["input_ids"].shape[1] :]
        text = " ".join(self._processor.decode(answer, skip_special_tokens=True).split())[:LONGEST]
        if not text:
            raise WeightsError(ErrorCode.WEIGHTS, "the language model says nothing of an image", where=self.name)
        return text
