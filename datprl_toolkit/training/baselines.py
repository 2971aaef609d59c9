"""Other networks, trained by the same recipe at the same budget, to compare with: those of ``spandrel``.

The paper compares with Restormer, NAFNet, SwinIR and MPRNet. Their sizes here are those of their authors' largest
published settings for images of the input's size. The packages carry the code of each under its authors' terms, some
of which exclude commercial use.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from datprl_toolkit.errors import missing_package
from datprl_toolkit.network import Trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datprl_toolkit.network import Anchors

GRID = 16
"""Sizes that every baseline takes are multiples of this."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Where the class of a baseline is found, and its size.

    Parameters
    ----------
    module, name
        Of the class.
    options
        Its arguments, where they are not the defaults.
    """

    module: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


BASELINES: Mapping[str, Architecture] = {
    "restormer": Architecture("spandrel_extra_arches.architectures.Restormer", "Restormer"),
    "nafnet": Architecture(
        "spandrel.architectures.NAFNet",
        "NAFNet",
        {"width": 64, "middle_blk_num": 1, "enc_blk_nums": [1, 1, 1, 28], "dec_blk_nums": [1, 1, 1, 1]},
    ),
    "swinir": Architecture(
        "spandrel.architectures.SwinIR",
        "SwinIR",
        {"window_size": 8, "embed_dim": 180, "depths": [6] * 6, "num_heads": [6] * 6, "mlp_ratio": 2.0},
    ),
    "mprnet": Architecture(
        "spandrel_extra_arches.architectures.MPRNet",
        "MPRNet",
        {"n_feat": 96, "scale_unetfeats": 48, "scale_orsnetfeats": 32},
    ),
    "scunet": Architecture("spandrel.architectures.SCUNet", "SCUNet"),
}


class Baseline(nn.Module):
    """A network without prompts, in the place of ours.

    Parameters
    ----------
    backbone
        Takes and returns (B, 3, H, W) in [0, 1].
    """

    task_pool = None
    domain_pool = None

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: Tensor) -> Tensor:
        """Restore images (B, 3, H, W) in [0, 1], H and W multiples of :data:`GRID`; the result is not clipped."""
        output = self.backbone(image)
        # MPRNet returns the images of its stages, the last first; the recipe compares that one alone.
        return cast("Tensor", output[0] if isinstance(output, tuple) else output)

    def trace(self, image: Tensor, anchors: Anchors | None = None) -> tuple[Tensor, Trace]:
        """Restore images; nothing is chosen on the way, and no prompt can be given."""
        return self(image), Trace(None, None, None)


def make_baseline(name: str, **options: Any) -> Baseline:
    """Return the baseline known under `name`, untrained; `options` replace those of its architecture.

    Raises
    ------
    ResourceError
        ``E_DEPENDENCY`` if the package with its code is not installed.
    """
    architecture = BASELINES[name]
    try:
        with warnings.catch_warnings():
            # Architectures that are not asked for use what torch no longer recommends.
            warnings.simplefilter("ignore")
            module = importlib.import_module(architecture.module)
            return Baseline(getattr(module, architecture.name)(**{**architecture.options, **options}))
    except ImportError as error:
        package = architecture.module.split(".", maxsplit=1)[0]
        raise missing_package(package, "baselines", f"to train the baseline {name}") from error
