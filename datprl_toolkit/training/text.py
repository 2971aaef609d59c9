"""Text features for the alignment loss (equation 2): encoders, and features computed once and kept.

Neither an encoder nor a text is needed after training.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError, OptionError, WeightsError, missing_package
from datprl_toolkit.files import staged_file
from datprl_toolkit.weights.store import file_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from datprl_toolkit.network import NetworkConfig

CLIP_TOKENS = 77
BATCH = 64
WORDLLAMA = "wordllama"
WORDLLAMA_DIMENSIONS = (64, 128, 256)


class TextEncoder(Protocol):
    """Turns texts into features."""

    @property
    def name(self) -> str:
        """Model and weights, as part of a file name."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return a feature of unit length for each text, (N, d)."""


class ClipEncoder:
    """The text encoder of a CLIP model of ``open_clip``.

    Parameters
    ----------
    model
        Name that open_clip knows, such as ``RN50``, whose features have the published 1024 dimensions.
    checkpoint
        A tag such as ``openai``, which open_clip downloads once, or the path of a file.

    Raises
    ------
    ResourceError
        ``E_DEPENDENCY`` if open_clip is not installed.
    OptionError
        ``E_OPTION`` for a model that open_clip does not know.
    WeightsError
        ``E_WEIGHTS`` if the checkpoint cannot be had or is another model's.
    """

    def __init__(self, model: str = "RN50", checkpoint: str = "openai") -> None:
        try:
            import open_clip
        except ImportError as error:
            package = "open_clip_torch"
            raise missing_package(package, "train", "to encode texts with CLIP") from error
        if model not in open_clip.list_models():
            raise OptionError(
                ErrorCode.OPTION, f"open_clip knows no model '{model}'", remedy="Try RN50, which the paper uses"
            )
        try:
            self._model = open_clip.create_model(
                # OpenAI trained with QuickGELU, which the configuration of the same name lacks.
                model, pretrained=checkpoint, device="cpu", force_quick_gelu=checkpoint == "openai"
            ).eval()  # fmt: skip
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise WeightsError(
                ErrorCode.WEIGHTS,
                f"the CLIP weights cannot be loaded: {reason}",
                where=f"{model}, {checkpoint}",
                remedy="Give the path of a checkpoint where nothing can be downloaded, or use --encoder wordllama",
            ) from error
        self._tokenize = open_clip.get_tokenizer(model, context_length=CLIP_TOKENS)
        self._name = f"{model}-{_file_part(checkpoint)}"

    @property
    def name(self) -> str:
        """Model and weights."""
        return self._name

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return a feature of unit length for each text, (N, d); texts are cut at 77 tokens."""
        import torch

        parts = []
        with torch.inference_mode():
            for first in range(0, len(texts), BATCH):
                tokens = self._tokenize(list(texts[first : first + BATCH]))
                parts.append(self._model.encode_text(tokens, normalize=True).float().numpy())
        features: npt.NDArray[np.float32] = np.concatenate(parts)
        return features


class WordLlamaEncoder:
    """Mean of static token embeddings, from the package ``wordllama``, which carries its weights (MIT).

    Parameters
    ----------
    dimension
        64, 128 or 256; that of the prompts.

    Raises
    ------
    ResourceError
        ``E_DEPENDENCY`` if the package is not installed.
    OptionError
        ``E_OPTION`` for another dimension.
    """

    def __init__(self, dimension: int = 128) -> None:
        if dimension not in WORDLLAMA_DIMENSIONS:
            known = ", ".join(map(str, WORDLLAMA_DIMENSIONS))
            raise OptionError(
                ErrorCode.OPTION,
                f"wordllama gives features of {known} dimensions, not {dimension}",
                remedy="Set the prompts to one of these, or use CLIP",
            )
        try:
            import wordllama
        except ImportError as error:
            raise missing_package(WORDLLAMA, "train", "to encode texts without a download") from error
        # The package looks for its own tokenizer in the cache alone, so its folder is named as one.
        carried = Path(wordllama.__file__).parent
        truncated = None if dimension == max(WORDLLAMA_DIMENSIONS) else dimension
        self._model = wordllama.WordLlama.load(cache_dir=carried, trunc_dim=truncated, disable_download=True)
        self.dimension = dimension

    @property
    def name(self) -> str:
        """Model and dimension."""
        return f"{WORDLLAMA}-{self.dimension}"

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return a feature of unit length for each text, (N, dimension)."""
        features: npt.NDArray[np.float32] = np.asarray(self._model.embed(list(texts), norm=True), np.float32)
        return features


def make_encoder(name: str, *, checkpoint: str = "openai", dimension: int = 128) -> TextEncoder:
    """Return the encoder known under `name`: ``wordllama``, or a CLIP model of open_clip."""
    return WordLlamaEncoder(dimension) if name == WORDLLAMA else ClipEncoder(name, checkpoint)


def encode_descriptions(descriptions: Path, texts: Mapping[str, str], encoder: TextEncoder) -> tuple[Path, bool]:
    """Return the file of features of some descriptions; compute it unless it is there already.

    The file lies beside that of the descriptions. Its name holds the encoder and a checksum of the texts, so that a
    changed description is encoded anew.

    Parameters
    ----------
    descriptions
        File of the descriptions.
    texts
        Its texts, by the keys of the images.
    encoder
        What makes the features.

    Returns
    -------
    The file, an ``npz`` with one array for each key, and whether it was there.
    """
    path = features_path(descriptions, texts, encoder.name)
    if path.is_file():
        return path, True
    # Measured descriptions repeat; each text is encoded once.
    unique = sorted(set(texts.values()))
    features = dict(zip(unique, encoder.encode(unique), strict=True))
    with staged_file(path) as temporary:
        np.savez(temporary, allow_pickle=False, **{key: features[text] for key, text in texts.items()})
    return path, False


def features_path(descriptions: Path, texts: Mapping[str, str], encoder: str) -> Path:
    """Return where the features of some texts lie, beside their file."""
    digest = hashlib.sha256(json.dumps(sorted(texts.items()), ensure_ascii=False).encode()).hexdigest()
    return descriptions.with_name(f"{descriptions.stem}.{encoder}.{digest[:12]}.npz")


def check_text_features(text: Mapping[str, npt.NDArray[np.float32]], network: NetworkConfig) -> None:
    """Raise unless text features fit the prompts that they are aligned with.

    Raises
    ------
    InputError
        ``E_OPTION`` if there is no domain pool or the dimensions differ, ``E_CORRUPT`` for values that are no
        features.
    """
    if not text:
        return
    if network.domain_pool is None:
        raise InputError(
            ErrorCode.OPTION,
            "the network has no domain pool to align with text",
            where="network.domain_pool",
            remedy="Leave out the text features",
        )
    shapes = {feature.shape for feature in text.values()}
    wanted = (network.domain_pool.dimension,)
    if shapes != {wanted}:
        found = ", ".join(sorted(str(shape) for shape in shapes - {wanted})[:3])
        raise InputError(
            ErrorCode.OPTION,
            f"the text features have the shape {found} and the prompts {wanted[0]} dimensions",
            where="text",
            remedy="Set the dimension of both pools to that of the features, or use another encoder",
        )
    if not all(np.isfinite(feature).all() and np.abs(feature).sum() > 0 for feature in text.values()):
        raise InputError(ErrorCode.CORRUPT, "a text feature is zero or not finite", where="text")


def _file_part(checkpoint: str) -> str:
    """Return a checkpoint's tag, or for a file its name and the start of its checksum."""
    path = Path(checkpoint)
    return f"{path.stem}-{file_sha256(path)[:8]}" if path.is_file() else checkpoint
