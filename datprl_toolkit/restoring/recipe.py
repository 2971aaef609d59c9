"""A restorer taken apart, so that it can be sent to another machine and put on a device there."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datprl_toolkit.restoring.onnx_engine import OnnxEngine
from datprl_toolkit.restoring.restorer import Restorer

if TYPE_CHECKING:
    from datprl_toolkit.network import DatprlNetwork
    from datprl_toolkit.weights import WeightsCard


@dataclass(frozen=True, slots=True)
class RestorerRecipe:
    """What it takes to make a restorer; it can be pickled, whatever devices the other machine has.

    Parameters
    ----------
    network
        On the CPU.
    card, precision
        As the restorer has them.
    onnx
        Content of the ONNX file that runs in place of the network; None if there is none.
    task
        The task whose prompt all images are given; None if the network chooses.
    self_ensemble
        Whether it takes the mean over mirror images.
    """

    network: DatprlNetwork
    card: WeightsCard
    precision: str
    onnx: bytes | None = None
    task: str | None = None
    self_ensemble: bool = False

    @classmethod
    def of(cls, restorer: Restorer) -> RestorerRecipe:
        """Take a restorer apart; it stays as it is."""
        onnx = None if restorer.engine is None else restorer.engine.model
        network = copy.deepcopy(restorer.network).cpu()
        return cls(network, restorer.card, restorer.precision, onnx, restorer.task, restorer.self_ensemble)

    def make(self, device: str) -> Restorer:
        """Put the network on a device."""
        engine = None if self.onnx is None else OnnxEngine(self.onnx, self.card)
        return Restorer(
            self.network,
            self.card,
            device=device,
            precision=self.precision,
            engine=engine,
            task=self.task,
            self_ensemble=self.self_ensemble,
        )
