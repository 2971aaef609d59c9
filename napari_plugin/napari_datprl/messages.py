"""What the window asks of the engine, and what the engine answers: plain values that travel through a pipe.

The engine is a process of its own, because loading PyTorch holds Python's lock for seconds, and a window in the same
process would stand still for as long. It also means that memory that runs out ends the engine, never napari.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from datprl_toolkit.errors import DatprlError
    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical import DicomOptions, Volume
    from datprl_toolkit.remote_sensing import Scene, SceneOptions
    from datprl_toolkit.restoring.tiling import Window

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Network:
    """Which weights on which device.

    Parameters
    ----------
    weights
        Name or path.
    device
        "auto", "cpu", "cuda", "cuda:1".
    task
        Task that is asked for; empty where the network chooses.
    self_ensemble
        Whether it takes the mean over mirror images.
    """

    weights: str = "small"
    device: str = "auto"
    task: str = ""
    self_ensemble: bool = False


@dataclass(frozen=True, slots=True)
class RestoreVolume:
    """Restore the slices of a DICOM series, the first of `order` first.

    Parameters
    ----------
    volume
        The series; the engine reads its files itself.
    earliest
        Earliest acquisition, for the SUV factor.
    order
        Indices of slices in the order in which they are wanted.
    profile
        Window that the network sees; None chooses as the command line does.
    """

    network: Network
    volume: Volume
    earliest: datetime | None
    order: tuple[int, ...]
    profile: IntensityProfile | None = None


@dataclass(frozen=True, slots=True)
class RestoreArray:
    """Restore planes that lie in memory: (planes, rows, columns), or (planes, rows, columns, 3) for colour."""

    network: Network
    values: npt.NDArray[Any]
    order: tuple[int, ...]
    profile: IntensityProfile


@dataclass(frozen=True, slots=True)
class RestoreTiles:
    """Restore tiles of a scene, in this order.

    Parameters
    ----------
    scene
        The scene; the engine reads its file itself.
    options
        Bands and scaling, as for the command line.
    tiles
        Windows of the scene. The answer to each is its change at full strength, (h, w, bands), in stored values.
    """

    network: Network
    scene: Scene
    options: SceneOptions
    tiles: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class MapUncertainty:
    """Tell how far restored slices of a series can be trusted, in this order.

    The answer to each is (2, rows, columns): the standard deviation over eight orientations, and the change divided
    by the noise; see :class:`datprl_toolkit.restoring.uncertainty.UncertaintyMaps`.
    """

    network: Network
    volume: Volume
    order: tuple[int, ...]
    profile: IntensityProfile
    strength: float


@dataclass(frozen=True, slots=True)
class WriteScene:
    """Write a scene as COG or Zarr, by the ending of the name.

    Parameters
    ----------
    source, destination
        Where it is, and where it will be.
    network
        What restores it, all of it; None copies it as it is.
    options
        As for the command line.
    """

    source: Path
    destination: Path
    network: Network | None
    options: SceneOptions


@dataclass(frozen=True, slots=True)
class WriteSeries:
    """Write restored slices as a derived DICOM series, or as NIfTI if `destination` ends in .nii or .nii.gz.

    `answers` holds the network's answer for every slice, `self_ensemble` whether they are means over mirror images.
    """

    volume: Volume
    answers: tuple[FloatArray, ...]
    profile: IntensityProfile
    card: bytes
    arithmetic: str
    destination: Path
    options: DicomOptions
    taken: frozenset[int] = frozenset()
    self_ensemble: bool = False


@dataclass(frozen=True, slots=True)
class ReadPrompts:
    """Tell what the network chooses for one plane, (rows, columns) or (rows, columns, 3) in [0, 1]."""

    network: Network
    image: FloatArray


@dataclass(frozen=True, slots=True)
class RunNode:
    """Run one node from files to files.

    Parameters
    ----------
    name
        Of the node.
    parameters
        Of the node, as its schema names them.
    inputs, outputs
        Files or folders by port.
    overwrite
        Whether existing outputs may be replaced.
    """

    name: str
    parameters: dict[str, Any]
    inputs: dict[str, tuple[Path, ...]]
    outputs: dict[str, Path]
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class RunWorkflow:
    """Run a saved workflow of nodes on files named by its inputs; its outputs appear in `folder`."""

    workflow: Path
    inputs: dict[str, Path]
    folder: Path
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class ListWeights:
    """Tell which weights are known by name: name to the names of their tasks."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the work in hand; the engine stays ready for the next."""


Request = (
    RestoreVolume
    | RestoreArray
    | RestoreTiles
    | MapUncertainty
    | WriteSeries
    | WriteScene
    | ReadPrompts
    | RunNode
    | RunWorkflow
    | ListWeights
    | Cancel
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The network is ready.

    Parameters
    ----------
    description
        Weights, device and precision in one line.
    card
        The weights' card, pickled, which the window keeps without looking into it: it belongs to a room with PyTorch.
    arithmetic
        In which the network runs; see :attr:`datprl_toolkit.restoring.Restorer.arithmetic`.
    profile
        Window that the network sees, or None where the work has none.
    notes
        Warnings to be shown.
    """

    description: str
    card: bytes
    arithmetic: str
    profile: IntensityProfile | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advanced:
    """How far the work has come; see :class:`datprl_toolkit.restoring.Progress`."""

    step: str
    done: int
    total: int
    unit: str


@dataclass(frozen=True, slots=True)
class SliceAnswered:
    """The network's answer for one slice, in [0, 1], of the shape of the slice; what else was asked for says so."""

    index: int
    answer: FloatArray


@dataclass(frozen=True, slots=True)
class Finished:
    """The work is done; `result` depends on the request."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The work was stopped on request."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The work could not be done."""

    error: DatprlError


Reply = Loaded | Advanced | SliceAnswered | Finished | Cancelled | Failed
LAST_REPLIES = (Finished, Cancelled, Failed)
