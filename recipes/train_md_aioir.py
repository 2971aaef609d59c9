"""Train DATPRL-IR on several domains and tasks at once: the paper's recipe, or the small weights that are shipped.

    python recipes/prepare_data.py DATA PREPARED
    python recipes/train_md_aioir.py --preset small --data PREPARED --out RUN
    python recipes/train_md_aioir.py --preset small --data PREPARED --out RUN --resume

It needs torch, numpy and safetensors once the data are prepared (and pyyaml if settings come from a file).
Interrupt it at any time: it finishes its step, writes a checkpoint, and --resume continues exactly there.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError, OptionError, missing_package
from datprl_toolkit.files import staged_file
from datprl_toolkit.network import DatprlNetwork
from datprl_toolkit.restoring.device import computes_bfloat16
from datprl_toolkit.training import (
    PreparedData,
    Trainer,
    TrainingConfig,
    load_prepared,
    override,
    training_preset,
    warm_start,
)
from datprl_toolkit.training.ablations import ABLATIONS, ablate
from datprl_toolkit.training.baselines import BASELINES, Baseline
from datprl_toolkit.training.distributed import DistributedTrainer, start_processes
from datprl_toolkit.training.folders import folder_tasks, load_folders
from datprl_toolkit.training.plan import describe_plan, measure
from datprl_toolkit.training.preparation import CT_HIGH, CT_LOW, SUV_HIGH
from datprl_toolkit.training.progress import show_progress
from datprl_toolkit.training.tensorboard import TensorBoardLog
from datprl_toolkit.training.text import check_text_features
from datprl_toolkit.training.validation import TaskScore, format_table
from datprl_toolkit.weights import TaskCard, WeightsCard, find_weights, load_weights, read_card, save_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

RANGES: dict[str, tuple[float, float, str]] = {
    "ct_denoising": (CT_LOW, CT_HIGH, "HU"),
    "pet_synthesis": (0.0, SUV_HIGH, "SUVbw"),
}


class Earlier(NamedTuple):
    """What the weights had learnt from before that a run went on from.

    Parameters
    ----------
    steps
        Steps of all runs before this one, as far as the cards tell.
    sources
        One line for each of their sources, and of those of the weights that the run ends towards.
    """

    steps: int
    sources: tuple[str, ...]

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Earlier:
        """Read the cards of the weights that the command line names."""
        cards = {name: read_card(find_weights(name)) for name in (arguments.towards, arguments.start_from) if name}
        start = cards[arguments.start_from].training if arguments.start_from else {}
        steps = sum(int(start.get(name, 0)) for name in ("steps", "earlier_steps"))
        return cls(steps, tuple(line for card in cards.values() for line in card.training_data))


def main() -> None:
    """Run the command line; errors that a user can cause are one line."""
    arguments = parse_arguments()
    try:
        run(arguments)
    except DatprlError as error:
        sys.exit(str(error))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--preset", default="small", help="small, or md-6t to md-9t for the paper's settings (default: small)")
    add("--config", type=Path, help="YAML or JSON file with settings that replace those of the preset")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="replace one setting; VALUE is JSON")
    add("--data", type=Path, help="folder made by prepare_data.py; without it, the folders named in --config")
    add("--ablation", metavar="NAME", help=f"a variant of the paper's tables: {', '.join(ABLATIONS)}")
    add("--baseline", metavar="NAME", help=f"train another network at the same budget: {', '.join(BASELINES)}")
    add("--out", type=Path, help="folder of the run: checkpoint, log, weights")
    add("--text", type=Path, help="npz file with a text feature for each image's key, for the alignment loss")
    add("--resume", action="store_true", help="continue from the checkpoint in OUT")
    add("--start-from", help="name or path of weights to go on from, with the learning rate of a new run")
    add("--steps", type=int, help="length of the run and of its learning-rate schedule")
    add("--minutes", type=float, default=math.inf, help="stop after this time; --resume continues")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda")
    add("--threads", type=int, help="threads of the CPU")
    add("--name", default="small", help="name of the weights that are written at the end")
    add("--export", action="store_true", help="validate the checkpoint in OUT and write its weights; no training")
    add("--part", type=float, default=1.0, help="write weights this part of the way from --start-from to the trained")
    add("--towards", help="name or path of other weights from which --part is counted, in place of --start-from")
    add("--give-back", nargs="+", default=[], metavar="NAME", help="beginnings of names that are as in those weights")
    add("--half", action="store_true", help="write the weights as float16, in half the space")
    add("--tensorboard", action="store_true", help="write TensorBoard events beside metrics.jsonl")
    add("--compile", action="store_true", help="compile the network; the first step takes a minute or more")
    add("--dry-run", action="store_true", help="print the whole plan, measure some steps, and stop")
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> None:
    """Plan, train, and write the weights."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.out is None and not arguments.dry_run:
        raise OptionError(ErrorCode.OPTION, "a run needs a folder of its own", remedy="Name it with --out")
    check_end(arguments)
    data = load_data(arguments)
    config = resolve_config(arguments, folder_tasks(data))
    text = load_text(arguments.text)
    check_text_features(text, config.network)
    processes, device = start_processes(arguments.device)
    leads = processes is None or processes.rank == 0
    build = Trainer if processes is None else partial(DistributedTrainer, processes=processes)
    trainer = build(config, data, arguments.out or Path("dry-run"), device=device, text=text)
    if arguments.compile:
        compile_network(trainer)
    if arguments.tensorboard and leads and not arguments.dry_run:
        trainer.listeners.append(TensorBoardLog(arguments.out))
    if arguments.start_from:
        start_from(trainer, arguments.start_from)
    trainer.report(describe_plan(trainer))
    if arguments.dry_run:
        trainer.report(measure(trainer))
        return
    if arguments.resume or arguments.export:
        trainer.resume()
        trainer.report(f"continuing at step {trainer.step}")
    elif (arguments.out / "checkpoint.pt").exists():
        raise InputError(
            ErrorCode.EXISTS,
            "the folder holds a run already",
            where=arguments.out,
            remedy="Add --resume to continue it, or choose another folder",
        )
    with show_progress(trainer) if leads else nullcontext():
        complete = arguments.export or trainer.run(minutes=arguments.minutes)
    if complete:
        if arguments.part != 1.0:
            go_back(trainer, arguments.towards or arguments.start_from, arguments.part, arguments.give_back)
        path = arguments.out / f"{arguments.name}.safetensors"
        export(trainer, arguments.name, path, earlier=Earlier.of(arguments), leads=leads, half=arguments.half)
    else:
        trainer.report(f"stopped at step {trainer.step} of {config.steps}; --resume continues")


def compile_network(trainer: Trainer) -> None:
    """Compile what a training step calls; validation and the weights that are written stay as they are."""
    compiled = torch.compile(trainer.network.trace)
    vars(trainer.network)["trace"] = compiled


def start_from(trainer: Trainer, name_or_path: str) -> None:
    """Give a new run the weights of an earlier one, whose network may have had fewer blocks."""
    if isinstance(trainer.network, Baseline):
        raise OptionError(ErrorCode.OPTION, "a baseline starts anew", where="--start-from")
    earlier, _ = load_weights(name_or_path)
    added = warm_start.start_from(trainer.network, earlier, name_or_path)
    trainer.average.load_state_dict(trainer.network.state_dict())
    if added:
        trainer.report(f"{added} blocks are new and do nothing at first")


def check_end(arguments: argparse.Namespace) -> None:
    """Raise where what is to become of the trained weights in the end cannot be done."""
    earlier = arguments.towards or arguments.start_from
    if arguments.part != 1.0 and not (earlier and 0.0 <= arguments.part < 1.0):
        raise OptionError(ErrorCode.OPTION, "--part goes from 0 to 1, on the way from --start-from or --towards")
    for option, given in (("--towards", arguments.towards), ("--give-back", arguments.give_back)):
        if given and arguments.part == 1.0:
            raise OptionError(ErrorCode.OPTION, f"{option} needs --part: how much of the trained weights stays")


def go_back(trainer: Trainer, name_or_path: str, part: float, given_back: Sequence[str] = ()) -> None:
    """Let a run end part of the way from earlier weights; see :func:`warm_start.mix_with`."""
    if isinstance(trainer.average, DatprlNetwork):  # no baseline starts from weights
        earlier, _ = load_weights(name_or_path)
        warm_start.mix_with(trainer.average, earlier, name_or_path, part, given_back)


def load_data(arguments: argparse.Namespace) -> PreparedData:
    """Return the prepared data, or those in the folders that the file of settings names."""
    entries = read_settings(arguments.config).get("folders") if arguments.config else None
    if (entries is None) == (arguments.data is None):
        what = "neither --data nor" if entries is None else "both --data and"
        raise InputError(
            ErrorCode.OPTION,
            f"there are {what} folders in the settings",
            remedy="Give the one from which to train; docs/training.md shows both",
        )
    return load_prepared(arguments.data) if entries is None else load_folders(entries, arguments.config.parent)


def resolve_config(arguments: argparse.Namespace, tasks: tuple[str, ...] = ()) -> TrainingConfig:
    """Return the preset, for `tasks` if there are any, with the file's settings, then those of --set and --steps."""
    config = training_preset(arguments.preset)
    if tasks:
        config = override(config, {"tasks": tasks})
    if arguments.config:
        settings = read_settings(arguments.config)
        config = override(config, {name: value for name, value in settings.items() if name != "folders"})
    if arguments.ablation:
        config = ablate(config, arguments.ablation)
    if arguments.baseline:
        config = override(config, {"baseline": arguments.baseline})
    for setting in arguments.set:
        name, _, value = setting.partition("=")
        try:
            config = override(config, nest(name, json.loads(value)))
        except json.JSONDecodeError as error:
            raise InputError(ErrorCode.OPTION, "the value is not JSON", where=setting) from error
    if arguments.device == "cpu" and not (config.precision == "bfloat16" and computes_bfloat16(torch.device("cpu"))):
        # What the processor has no instructions for is emulated, and slower.
        config = replace(config, precision="float32")
    return override(config, {"steps": arguments.steps}) if arguments.steps else config


def nest(name: str, value: Any) -> dict[str, Any]:
    """Turn ``network.width`` into nested settings."""
    first, dot, rest = name.partition(".")
    return {first: nest(rest, value) if dot else value}


def read_settings(path: Path) -> dict[str, Any]:
    """Read a YAML or JSON file."""
    if not path.is_file():
        raise InputError(ErrorCode.MISSING, "there is no such file of settings", where=path)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        values = json.loads(text)
    else:
        try:
            import yaml
        except ImportError as error:
            raise missing_package("pyyaml", "cli", "to read settings from YAML (JSON needs nothing)") from error
        try:
            values = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(ErrorCode.CORRUPT, f"the settings are not YAML: {error}", where=path) from error
    if not isinstance(values, dict):
        raise InputError(ErrorCode.CORRUPT, "the settings must be names with values", where=path)
    return values


def load_text(path: Path | None) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Read text features, one array per image key; none without a file."""
    if path is None:
        return {}
    if not path.is_file():
        raise InputError(ErrorCode.MISSING, "there is no such file of text features", where=path)
    with np.load(path, allow_pickle=False) as archive:
        return {key: archive[key].astype(np.float32) for key in archive.files}


def export(
    trainer: Trainer,
    name: str,
    path: Path,
    *,
    earlier: Earlier,
    leads: bool = True,
    half: bool = False,
) -> None:
    """Validate the averaged weights on all validation images; the leading process writes them with their card."""
    if half:
        # What is measured is what will be in the file.
        trainer.average.half().float()
    scores = trainer.validate(limit=0, clean_images=4)
    if not leads:
        return
    print(format_table(scores), flush=True)
    network = trainer.average
    if isinstance(network, Baseline):
        # As the package of its code reads it.
        state = {key: value.contiguous() for key, value in network.backbone.state_dict().items()}
        with staged_file(path, overwrite=True) as temporary:
            save_file(state, temporary)
        print(f"wrote {path} for spandrel; datprl restore does not read it")
        return
    if trainer.config.domain_prompts != "pool":
        print("No weights are written: this network must be told the domain of every image, and restoring cannot.")
        return
    save_weights(path, network, make_card(trainer, name, scores, earlier), overwrite=True, half=half)
    print(f"wrote {path}")


def make_card(trainer: Trainer, name: str, scores: dict[str, TaskScore], earlier: Earlier) -> WeightsCard:
    """Return the card of the weights: figures per task, sources, settings."""
    config, data = replace(trainer.config, batch_size=trainer.whole_batch), trainer.data
    steps = {"steps": trainer.step, "earlier_steps": earlier.steps}
    before = f" after {earlier.steps} of earlier runs" if earlier.steps else ""
    return WeightsCard(
        name=name,
        config=config.network,
        tasks=tuple(task_card(task, scores.get(task)) for task in config.tasks),
        description=f"{len(config.tasks)} tasks, {config.network.backbone}, trained for {trainer.step} steps{before}",
        licence="research use only, as the strictest of the training sources",
        training_data=sources(data, earlier.sources),
        training={**config.to_dict(), **steps, "data": data.fingerprint, "alignment": bool(trainer.text)},
        version=package_version(),
    )


def task_card(task: str, score: TaskScore | None) -> TaskCard:
    """Return the card of one task."""
    low, high, unit = RANGES.get(task, (0.0, 1.0, "1"))
    if task == "mri_super_resolution":
        low, high, unit = None, None, "1"  # type: ignore[assignment]
    card = TaskCard(task, low, high, unit)
    if score is None:
        return card
    return replace(
        card,
        images=score.images,
        psnr_input=round(score.psnr_input, 3),
        psnr_output=round(score.psnr_output, 3),
        ssim_input=round(score.ssim_input, 4),
        ssim_output=round(score.ssim_output, 4),
        note=f"worst image {score.worst_gain:+.2f} dB; clean images come back at {score.clean:.1f} dB",
    )


def sources(data: PreparedData, earlier: Sequence[str] = ()) -> tuple[str, ...]:
    """Return one line per training source, those of earlier weights that are not used any more among them."""
    now = {name: f"{name}: {len(source)} images, {source.note}" for name, source in data.sources.items()}
    before = {line.split(":")[0]: line for line in earlier}
    return tuple((before | now).values())


def package_version() -> str:
    """Return the version of the package, or that of a source tree."""
    try:
        return version("datprl-toolkit")
    except PackageNotFoundError:
        return "source"


if __name__ == "__main__":
    main()
