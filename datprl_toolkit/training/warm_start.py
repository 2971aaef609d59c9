"""Going on from the weights of an earlier training: with more blocks, with parts frozen, and part of the way back."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from datprl_toolkit.errors import ErrorCode, InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from datprl_toolkit.network import DatprlNetwork, NetworkConfig

BLOCK = re.compile(r"(backbone\.(?:(?:encoder|decoder)\.\d+|middle|refinement)\.\d+)\.")
LAST_OF_A_BRANCH = ("spatial_scale", "channel_scale", "attention.out.weight", "feed_forward.out.weight")
"""What the two branches of a block end in, in NAFNet and in Restormer: with zeros there, a block does nothing."""


@torch.no_grad()
def start_from(network: DatprlNetwork, earlier: DatprlNetwork, where: str) -> int:
    """Copy the parameters of an earlier network; blocks that it has not are set to do nothing at first.

    At its first step the network therefore restores exactly as the earlier one did, however many blocks were added.

    Parameters
    ----------
    network, earlier
        Both networks.
    where
        What the earlier weights are called, for the error.

    Returns
    -------
    Number of blocks that are new.

    Raises
    ------
    InputError
        ``E_WEIGHTS`` if the networks differ in more than blocks that were added.
    """
    _check_only_blocks_added(network.config, earlier.config, where)
    state, known = network.state_dict(), earlier.state_dict()
    for name, tensor in state.items():
        if name in known:
            tensor.copy_(known[name])
        elif name.endswith(LAST_OF_A_BRANCH):
            tensor.zero_()
    return len({match[1] for name in state.keys() - known.keys() if (match := BLOCK.match(name))})


def freeze(network: nn.Module, beginnings: Sequence[str]) -> None:
    """Keep the parameters whose names begin with one of `beginnings` as they are during training.

    What a part of the network recognises stays, while others learn what to do about it.

    Raises
    ------
    OptionError
        ``E_OPTION`` if a beginning is that of no parameter.
    """
    _check_beginnings(network, beginnings, "frozen")
    for name, parameter in network.named_parameters():
        if name.startswith(tuple(beginnings)):
            parameter.requires_grad = False


@torch.no_grad()
def mix_with(
    network: DatprlNetwork, earlier: DatprlNetwork, where: str, part: float = 0.5, given_back: Sequence[str] = ()
) -> None:
    """Go back from a network's parameters to those of the earlier one that it was trained on from, part of the way.

    What a training has lost of the earlier weights often comes back, and much of what it has gained stays. Of blocks
    that the earlier network has not, the last layers alone become smaller, as if they did nothing in it.

    Parameters
    ----------
    network, earlier, where
        As for :func:`start_from`; `network` is changed.
    part
        How much of it stays: 1 leaves it as it is.
    given_back
        Beginnings of the names of parameters of which nothing stays.

    Raises
    ------
    InputError
        ``E_WEIGHTS`` if the networks differ in more than blocks that were added.
    OptionError
        ``E_OPTION`` if one of `given_back` is the beginning of no name.
    """
    _check_only_blocks_added(network.config, earlier.config, where)
    _check_beginnings(network, given_back, "given back")
    known = earlier.state_dict()
    for name, tensor in network.state_dict().items():
        stays = 0.0 if name.startswith(tuple(given_back)) else part
        if name in known:
            tensor.lerp_(known[name].to(tensor.device), 1 - stays)
        elif name.endswith(LAST_OF_A_BRANCH):
            tensor.mul_(stays)


def _check_beginnings(network: nn.Module, beginnings: Sequence[str], what: str) -> None:
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name, _ in network.named_parameters()):
            raise OptionError(
                ErrorCode.OPTION,
                "no parameter's name begins like this",
                where=f"{what}: {beginning}",
                remedy=f"They begin with {', '.join(dict(network.named_children()))}",
            )


def _check_only_blocks_added(config: NetworkConfig, earlier: NetworkConfig, where: str) -> None:
    """Raise unless the configurations are the same but for numbers of blocks, none of them smaller."""
    numbers = ("encoder_blocks", "middle_blocks", "decoder_blocks", "refinement_blocks")
    pairs = [(np.atleast_1d(getattr(config, name)), np.atleast_1d(getattr(earlier, name))) for name in numbers]
    grown = all(len(new) == len(old) and (new >= old).all() for new, old in pairs)
    if not (grown and config == replace(earlier, **{name: getattr(config, name) for name in numbers})):
        raise InputError(
            ErrorCode.WEIGHTS,
            "the weights belong to a network that differs in more than blocks that were added",
            where=where,
            remedy="Choose the preset or settings that they were trained with; only numbers of blocks may be larger",
        )
