"""Describe the clean training images in words, and turn the words into features for the alignment loss.

    python recipes/describe_images.py --data PREPARED --out descriptions.json
    python recipes/describe_images.py --config settings.yaml --out descriptions.json
    python recipes/describe_images.py --encode descriptions.json --encoder RN50

Descriptions say what is known of the data set (domain, content, view) and what can be measured (brightness,
contrast, colour, sharpness). Those of a vision-language model can be used in their place: write them into the same
JSON format, which docs/training.md shows, and encode that file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from datprl_toolkit.errors import DatprlError, ErrorCode, OptionError
from datprl_toolkit.training import PreparedData, load_prepared
from datprl_toolkit.training.descriptions import (
    clean_images,
    describe,
    load_descriptions,
    measure,
    save_descriptions,
)
from datprl_toolkit.training.folders import load_folders
from datprl_toolkit.training.text import encode_descriptions, make_encoder


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
    if arguments.out is None or (arguments.data is None) == (arguments.config is None):
        raise OptionError(ErrorCode.OPTION, "give --out and one of --data and --config, or --encode")
    texts = {key: describe(measure(image), content) for key, content, image in clean_images(load(arguments))}
    save_descriptions(arguments.out, texts, "measured", overwrite=arguments.overwrite)
    print(f"{len(texts)} images described: {arguments.out}")


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
