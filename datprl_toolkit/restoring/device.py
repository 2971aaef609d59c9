"""Which device and which precision, chosen sensibly and said."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from datprl_toolkit.errors import ErrorCode, OptionError, ResourceError

Precision = Literal["float32", "bfloat16", "float16"]


def choose_device(wanted: str) -> torch.device:
    """Return the device for ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Raises
    ------
    OptionError
        ``E_OPTION`` if it is not the name of a device.
    ResourceError
        ``E_DEVICE`` if this machine has no such device.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise OptionError(
            ErrorCode.OPTION, "this is not the name of a device", where=wanted, remedy="Use auto, cpu or cuda"
        ) from error
    cuda_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    absent = (device.type == "cuda" and (device.index or 0) >= cuda_devices) or (
        device.type == "mps" and not torch.backends.mps.is_available()
    )
    if absent:
        raise ResourceError(
            ErrorCode.DEVICE,
            "PyTorch finds no such device here",
            where=wanted,
            remedy="Use --device cpu, or install a PyTorch that knows the device",
        )
    return device


def choose_precision(wanted: str, device: torch.device) -> Precision:
    """Return the precision for ``"auto"`` or one of its names.

    ``"auto"`` is float32: a reduced precision becomes the default only where it is measured not to cost quality.

    Raises
    ------
    OptionError
        ``E_OPTION`` if it is no precision, or the device does not compute in it.
    """
    if wanted == "auto":
        return "float32"
    for precision in get_args(Precision):
        if wanted == precision and not (precision == "float16" and device.type == "cpu"):
            chosen: Precision = precision
            return chosen
    raise OptionError(
        ErrorCode.OPTION,
        f"{device.type} does not compute in this precision",
        where=wanted,
        remedy="Use auto, float32, bfloat16 or, on a GPU, float16",
    )


def computes_bfloat16(device: torch.device) -> bool:
    """Tell whether a device has instructions for bfloat16; without them PyTorch emulates it, slower than float32."""
    if device.type != "cpu":
        return device.type == "cuda"
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)


def describe_device(device: torch.device) -> str:
    """Return the device's name for a person."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"CPU ({threads} thread{'s' if threads > 1 else ''})"
    return device.type


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out, on any device."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    message = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in message or "can't allocate memory" in message or "not enough memory" in message
    )
