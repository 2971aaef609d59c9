"""The commands about weights."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from datprl_toolkit import __version__
from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.network import PRESETS
from datprl_toolkit.weights import (
    TASK_DOMAINS,
    TaskCard,
    WeightsCard,
    find_weights,
    list_weights,
    load_weights,
    read_card,
    save_weights,
)
from datprl_toolkit.weights.convert import convert_checkpoint

_SIX_TASKS = (
    "natural_super_resolution",
    "natural_deraining",
    "mri_super_resolution",
    "ct_denoising",
    "remote_sensing_super_resolution",
    "cloud_removal",
)
# Which tasks the 7- and 8-task settings add to the six was not published.
PRESET_TASKS = {"md-6t": _SIX_TASKS, "md-9t": tuple(TASK_DOMAINS)}


def show_list() -> None:
    """Print a table of the weights known by name."""
    table = Table("name", "parameters", "size", "tasks", "description", box=None, pad_edge=False)
    for name, path in list_weights().items():
        card = read_card(path)
        size = f"{path.stat().st_size / 1e6:.1f} MB"
        table.add_row(name, f"{_parameters(card):.2f} M", size, str(len(card.tasks)), card.description)
    _console().print(table)


def show_info(name: str) -> None:
    """Print the card of weights."""
    path = find_weights(name)
    card = read_card(path)
    console = _console()
    for label, text in (
        ("name", card.name),
        ("description", card.description),
        (
            "network",
            f"{card.config.backbone}, {_parameters(card):.2f} M parameters, tiles on a grid of {card.config.grid}",
        ),
        ("licence", card.licence),
        ("intended use", card.intended_use),
        ("sha256", card.sha256),
    ):
        console.print(f"{label:13} {text}", markup=False)
    table = Table("task", "n", "values", "PSNR, dB", "SSIM", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for task in card.tasks:
        unit = "" if task.unit == "1" else f" {task.unit}"
        values = f"{task.low:g} to {task.high:g}{unit}" if task.low is not None and task.high is not None else ""
        gains = (_change(task.psnr_input, task.psnr_output, 2), _change(task.ssim_input, task.ssim_output, 3))
        table.add_row(task.name, str(task.images or ""), values, *gains)
    console.print(table)
    for task in card.tasks:
        if task.note:
            console.print(f"{task.name}: {task.note}", markup=False)
    for label, lines in (
        ("training data", card.training_data),
        ("training", tuple(f"{key}: {value}" for key, value in card.training.items())),
    ):
        if lines:
            console.print(label)
        for line in lines:
            console.print(f"  {line}", markup=False)


def _change(before: float | None, after: float | None, places: int) -> str:
    """Return a figure of the degraded and of the restored images."""
    return "" if before is None or after is None else f"{before:.{places}f} → {after:.{places}f}"


def verify(name: str) -> None:
    """Load weights and print that every tensor is as the card says."""
    _, card = load_weights(name)
    console = _console()
    console.print(f"{card.name}: every tensor fits its network and is finite", markup=False)
    console.print(f"sha256 {card.sha256}")


def convert(
    source: Path,
    destination: Path,
    preset: str | None,
    tasks: str | None,
    top_k: tuple[int, int],
    *,
    overwrite: bool,
) -> None:
    """Convert a published checkpoint and say what was found in it."""
    if destination.suffix != ".safetensors":
        raise OptionError(
            ErrorCode.OPTION, "weights are safetensors", where=destination, remedy="End the name in .safetensors"
        )
    names = _task_names(preset, tasks)
    network, config = convert_checkpoint(source, task_top_k=top_k[0], domain_top_k=top_k[1])
    card = WeightsCard(
        name=destination.stem,
        config=config,
        tasks=tuple(TaskCard(task) for task in names),
        description=f"converted from a published checkpoint{f' ({preset})' if preset else ''}",
        version=__version__,
    )
    save_weights(destination, network, card, overwrite=overwrite)
    console = _console()
    console.print(f"{config.backbone}, {_parameters(card):.2f} M parameters: {destination}", markup=False)
    if not names:
        console.print(
            "W_TASKS: the card names no tasks, so DICOM will be refused; name them with --preset or --tasks",
            markup=False,
        )


def export(name: str, destination: Path, *, overwrite: bool) -> None:
    """Write weights as ONNX and say how large the file is."""
    from datprl_toolkit.weights.onnx import export_onnx

    if destination.suffix != ".onnx":
        raise OptionError(ErrorCode.OPTION, "weights are exported as ONNX", where=destination, remedy="End in .onnx")
    network, card = load_weights(name)
    export_onnx(network, card, destination, overwrite=overwrite)
    _console().print(f"{card.name}, {destination.stat().st_size / 1e6:.1f} MB: {destination}", markup=False)


def _task_names(preset: str | None, tasks: str | None) -> tuple[str, ...]:
    if preset is not None and preset not in PRESETS:
        raise OptionError(ErrorCode.OPTION, f"there is no preset '{preset}'", remedy=f"Use one of {', '.join(PRESETS)}")
    if tasks is None:
        return PRESET_TASKS.get(preset or "", ())
    names = tuple(name.strip() for name in tasks.split(","))
    unknown = [name for name in names if name not in TASK_DOMAINS]
    if unknown:
        raise OptionError(
            ErrorCode.OPTION, f"unknown tasks: {', '.join(unknown)}", remedy=f"Use some of {', '.join(TASK_DOMAINS)}"
        )
    return names


def _parameters(card: WeightsCard) -> float:
    """Return the number of parameters in millions, without making them."""
    import torch

    from datprl_toolkit.network import DatprlNetwork

    with torch.device("meta"):
        network = DatprlNetwork(card.config)
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)
