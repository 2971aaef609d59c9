"""A restorer that is loaded where it is used: in the process that transforms, not in the one that describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, ResourceError
from datprl_toolkit.restoring.restorer import Restorer

if TYPE_CHECKING:
    from pathlib import Path


class LazyRestorer:
    """Weights by name, loaded on first use, once per process; what is pickled is the name.

    Parameters
    ----------
    weights
        Name or path of weights, or a restorer that is there already, which is pickled with its weights.
    device, precision, batch_size
        As for :class:`~datprl_toolkit.restoring.Restorer`; without meaning if a restorer is given.
    """

    def __init__(
        self,
        weights: str | Path | Restorer = "small",
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        self.weights = weights
        self.device = device
        self.precision = precision
        self.batch_size = batch_size
        self._loaded = weights if isinstance(weights, Restorer) else None

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._loaded is not None

    def get(self) -> Restorer:
        """Return the restorer.

        Raises
        ------
        WeightsError
            ``E_WEIGHTS`` if there are no such weights.
        ResourceError
            ``E_DEVICE`` if the device is not there, or cannot be used in a forked worker.
        """
        if self._loaded is None:
            try:
                self._loaded = Restorer.from_pretrained(
                    str(self.weights), device=self.device, precision=self.precision, batch_size=self.batch_size
                )
            except RuntimeError as error:
                if "forked subprocess" not in str(error):
                    raise
                raise ResourceError(
                    ErrorCode.DEVICE,
                    "a worker that was forked cannot use the GPU",
                    where=self.device,
                    remedy="Give the DataLoader multiprocessing_context='spawn', or the transform device='cpu'",
                ) from error
        return self._loaded

    def __getstate__(self) -> dict[str, object]:
        """Leave weights that can be loaded again behind."""
        state = dict(self.__dict__)
        state["_loaded"] = self.weights if isinstance(self.weights, Restorer) else None
        return state
