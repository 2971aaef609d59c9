"""The network alone: tensors in, tensors out. It imports torch and nothing else of this package.

A walk through it: `configuration` says what there is; `model` puts it together; `restormer` and `nafnet` are the
two backbones; `prompts` holds the pools and their composition; `fusion` brings the prompt into the features;
`context` makes what is global a value that tiles and slices can share, and `lattice` lets it vary over an image.
"""

from datprl_toolkit.network.configuration import PRESETS, NetworkConfig, PromptPoolConfig, preset
from datprl_toolkit.network.context import Context, Grouping
from datprl_toolkit.network.fusion import GatedFusion
from datprl_toolkit.network.lattice import Lattice
from datprl_toolkit.network.model import Anchors, DatprlNetwork, Trace
from datprl_toolkit.network.prompts import PromptChoice

__all__ = [
    "PRESETS",
    "Anchors",
    "Context",
    "DatprlNetwork",
    "GatedFusion",
    "Grouping",
    "Lattice",
    "NetworkConfig",
    "PromptChoice",
    "PromptPoolConfig",
    "Trace",
    "preset",
]
