"""Describe the clean training images in words, and turn the words into features for the alignment loss.

    python recipes/describe_images.py --data PREPARED --out descriptions.json
    python recipes/describe_images.py --config settings.yaml --out descriptions.json
    python recipes/describe_images.py --data PREPARED --out descriptions.json --model llava-hf/llava-1.5-7b-hf
    python recipes/describe_images.py --encode descriptions.json --encoder RN50

Without a model, descriptions say what is known of the data set (domain, content, view) and what can be measured
(brightness, contrast, colour, sharpness). Those of any other source can be used in their place: write them into the
same JSON format, which docs/training.md shows, and encode that file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from datprl_toolkit.errors import DatprlError, ErrorCode, OptionError
from datprl_toolkit.files import check_absent
from datprl_toolkit.training import PreparedData, load_prepared
from datprl_toolkit.training.descriptions import (
    clean_images,
    describe,
    domain_sentences,
    load_descriptions,
    measure,
    save_descriptions,
)
from datprl_toolkit.training.folders import load_folders
from datprl_toolkit.training.language_model import LanguageModel
from datprl_toolkit.training.text import encode_descriptions, make_encoder

SAVE_EVERY = 100  # descriptions


def main() -> None:
    """Read the command line; errors that a user can cause are one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, help="folder made by prepare_data.py")
    add("--config", type=Path, help="YAML with the section folders:, as for training")
    add("--out", type=Path, help="the JSON file of descriptions to write")
    add("--encode", type=Path, metavar="JSON", help="encode this file; beside it the features are kept")
    add("--encoder", default="RN50", help="a CLIP model of open_clip, or wordllama (default: RN50, as published)")
    add("--checkpoint", default="openai", help="weights of CLIP: a tag that open_clip downloads, or a file")
    add("--dimension", type=int, default=128, help="of wordllama's features: 64, 128 or 256 (default: 128)")
    add("--model", help="a vision-language model of transformers that says what it sees: a name, or a folder")
    add("--device", default="cpu", help="where that model runs (default: cpu)")
    add("--resume", action="store_true", help="keep what an interrupted run of the model has described")
    add("--domains", action="store_true", help="write the sentence of each domain alone, for explicit-domain-prompts")
    add("--overwrite", action="store_true", help="replace an existing file of descriptions")
    arguments = parser.parse_args()
    try:
        run(arguments)
    except DatprlError as error:
        sys.exit(str(error))


def run(arguments: argparse.Namespace) -> None:
    """Describe, or encode."""
    if arguments.encode is not None:
        texts = load_descriptions(arguments.encode)
        encoder = make_encoder(arguments.encoder, checkpoint=arguments.checkpoint, dimension=arguments.dimension)
        path, known = encode_descriptions(arguments.encode, texts, encoder)
        print(f"{len(texts)} features {'were there already' if known else 'written'}: {path}")
        return
    given = [arguments.data is not None, arguments.config is not None, arguments.domains]
    if arguments.out is None or sum(given) != 1:
        raise OptionError(ErrorCode.OPTION, "give --out and one of --data, --config and --domains, or --encode")
    if arguments.domains:
        texts = domain_sentences()
        save_descriptions(arguments.out, texts, "domains", overwrite=arguments.overwrite)
    elif arguments.model is not None:
        texts = ask(arguments)
    else:
        texts = {key: describe(measure(image), content) for key, content, image in clean_images(load(arguments))}
        save_descriptions(arguments.out, texts, "measured", overwrite=arguments.overwrite)
    print(f"{len(texts)} {'domains' if arguments.domains else 'images'} described: {arguments.out}")


def ask(arguments: argparse.Namespace) -> dict[str, str]:
    """Let a model describe the images; the file is written again and again, for it takes long."""
    resumed = arguments.resume and arguments.out.is_file()
    if not resumed:
        check_absent(arguments.out, overwrite=arguments.overwrite)
    texts = load_descriptions(arguments.out) if resumed else {}
    model = LanguageModel(arguments.model, arguments.device)
    for key, _, image in clean_images(load(arguments)):
        if key not in texts:
            texts[key] = model.describe(image)
            if len(texts) % SAVE_EVERY == 0:
                save_descriptions(arguments.out, texts, model.name, overwrite=True)
                print(f"{len(texts)} images described", flush=True)
    save_descriptions(arguments.out, texts, model.name, overwrite=True)
    return texts


def load(arguments: argparse.Namespace) -> PreparedData:
    """Return the data that training reads."""
    if arguments.data is not None:
        return load_prepared(arguments.data)
    import yaml

    from datprl_toolkit.errors import InputError

    try:
        settings = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(ErrorCode.MISSING, "there is no such file of settings", where=arguments.config) from error
    except yaml.YAMLError as error:
        raise InputError(ErrorCode.CORRUPT, f"the settings are not YAML: {error}", where=arguments.config) from error
    return load_folders(settings.get("folders") if isinstance(settings, dict) else None, arguments.config.parent)


if __name__ == "__main__":
    main()
