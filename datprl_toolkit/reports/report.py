"""The report as a value: what was measured and checked, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from datprl_toolkit.reports.measures import Edge, EdgeSpread, NoisePower, Region, SliceSteps, Uptake
    from datprl_toolkit.restoring.checks import Check

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shown:
    """One slice, part of a scene or picture that can be looked at.

    Parameters
    ----------
    title
        Such as "slice 32 of 64".
    before, after
        (H, W) or (H, W, 3), in the unit of the part; NaN where there are no data.
    frame
        Index by which regions and edges refer to it.
    origin
        Row and column of its first pixel in that frame.
    """

    title: str
    before: npt.NDArray[np.float32]
    after: npt.NDArray[np.float32]
    frame: int
    origin: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Change:
    """How values changed, over all pixels that are image.

    Parameters
    ----------
    pixels, changed
        Pixels compared, and how many of them changed.
    mean, rms
        Mean and root mean square of the change, in the unit of the values.
    largest, largest_at
        The change that is largest in absolute value, with its sign, and the frame, row and column where it is.
    shown
        End of the scale of a difference map: the 99.8th percentile of the absolute change.
    """

    pixels: int
    changed: int
    mean: float
    rms: float
    largest: float
    largest_at: tuple[int, int, int]
    shown: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values occur.

    Parameters
    ----------
    edges
        (N + 1,) ends of the bins.
    before, after
        (N,) counts.
    """

    edges: FloatArray
    before: FloatArray
    after: FloatArray


@dataclass(frozen=True, slots=True)
class RegionNoise:
    """Mean and standard deviation of one flat region, before and after, in the unit of the values."""

    region: Region
    place: str
    mean_before: float
    mean_after: float
    noise_before: float
    noise_after: float


@dataclass(frozen=True, slots=True)
class EdgePair:
    """One edge before and after."""

    edge: Edge
    place: str
    before: EdgeSpread
    after: EdgeSpread


@dataclass(frozen=True, slots=True)
class HotPair:
    """Uptake in one hot region before and after; `volume` is that of the region, in ml."""

    place: str
    volume: float
    before: Uptake
    after: Uptake


@dataclass(frozen=True, slots=True)
class BandChange:
    """What changed in one band of a scene or picture, in the unit of the values, over pixels that are data.

    Parameters
    ----------
    name, restored
        The band, and whether it was restored rather than copied.
    mean_before, mean_after, deviation_before, deviation_after
        Mean and standard deviation over all pixels.
    rms, largest
        Root mean square and largest change, the latter with its sign.
    gain, offset
        The line ``after = gain * before + offset`` through the means of blocks of 16 x 16 pixels: 1 and 0 where the
        radiometry at large scale was kept. NaN where there are too few blocks.
    """

    name: str
    restored: bool
    mean_before: float
    mean_after: float
    deviation_before: float
    deviation_after: float
    rms: float
    largest: float
    gain: float
    offset: float


@dataclass(frozen=True, slots=True)
class Measured:
    """All measures of a part; what does not apply is empty or None.

    Parameters
    ----------
    change, histogram
        Over everything.
    regions
        Flat regions.
    noise
        Noise power spectrum of them, before and after.
    edges
        Edges.
    hottest
        Hot regions of a PET.
    steps
        From slice to slice.
    bands
        For each band.
    """

    change: Change
    histogram: Histogram
    regions: tuple[RegionNoise, ...] = ()
    noise: tuple[NoisePower, NoisePower] | None = None
    edges: tuple[EdgePair, ...] = ()
    hottest: tuple[HotPair, ...] = ()
    steps: SliceSteps | None = None
    bands: tuple[BandChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompts:
    """What was chosen from one prompt pool.

    Parameters
    ----------
    pool
        "task" or "domain".
    size
        Prompts in the pool.
    chosen
        Index, share and cosine similarity to the query of each, the most similar first.
    """

    pool: str
    size: int
    chosen: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True, slots=True)
class Network:
    """What the network chose, and how slices would have come out had each chosen for itself.

    Parameters
    ----------
    prompts
        Of each pool.
    gates
        Name of a block, share of its features and of the prompt.
    sampled
        From what the choice was made, such as "8 slices spread over the volume".
    shared, own
        Slices of a short run restored with the shared context and each with its own; None where there is no run.
    run
        Which slices those are.
    """

    prompts: tuple[Prompts, ...]
    gates: tuple[tuple[str, float, float], ...]
    sampled: str
    shared: SliceSteps | None = None
    own: SliceSteps | None = None
    run: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One series, scene or picture.

    Parameters
    ----------
    title
        Such as "CT, 64 slices of 512 x 512".
    facts
        Label and text of what is known about it; no patient data, no paths.
    unit
        Of all values.
    length
        Unit of `spacing`, such as "mm".
    spacing
        Distance between rows and between columns.
    low, high
        Values shown as black and white at first.
    inverted
        Whether large values are shown dark at first, as is usual in nuclear medicine.
    windows
        Name, lower and upper end of further ways to show the values.
    shown
        What can be looked at.
    measured
        The measures.
    checks
        The certificate.
    network
        What the network chose; None where nobody knows.
    warnings
        Lines that begin with a stable code.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    unit: str
    length: str
    spacing: tuple[float, float]
    low: float
    high: float
    shown: tuple[Shown, ...]
    measured: Measured
    checks: tuple[Check, ...]
    inverted: bool = False
    windows: tuple[tuple[str, float, float], ...] = ()
    network: Network | None = None
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """Checks that do not hold."""
        return tuple(check for check in self.checks if check.holds is False)


@dataclass(frozen=True, slots=True)
class Report:
    """What is known about a result, for a page, a node or a plugin.

    Parameters
    ----------
    title
        Headline.
    facts
        Label and text: weights, profile, strength, version.
    parts
        At least one.
    warnings
        Lines that begin with a stable code and concern all parts.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    warnings: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether every check that could be made holds."""
        return not any(part.failed for part in self.parts)
