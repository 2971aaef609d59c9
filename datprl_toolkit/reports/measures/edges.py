"""Edges found without help, and how far they are spread: the width of a blurred step fitted to each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datprl_toolkit.reports.measures.filters import box_mean, pick_apart, smooth

FloatArray = npt.NDArray[np.float64]

LEAST_COHERENCE = 0.8
LARGEST_MISFIT = 0.1  # rms distance of the binned edge from the fitted one, as a share of the step
LARGEST_WIDTH = 0.5  # of the side of the square: a wider edge has no flat sides in it
BIN = 0.25  # pixels
WIDTH_10_90 = 2.5631  # standard deviations from 10 to 90 percent of a normal distribution
CANDIDATES = 12  # that are fitted for each edge that is wanted
REFINEMENTS = 4
MTF50 = 0.18739  # sqrt(2 ln 2) / (2 pi): frequency x sigma at which a Gaussian's transfer is one half


@dataclass(frozen=True, slots=True)
class Edge:
    """A nearly straight edge inside one image.

    Parameters
    ----------
    frame
        Index of the slice, tile or picture.
    row, column
        Centre pixel of the square around it.
    size
        Side of the square, odd, in pixels.
    angle
        Direction across the edge, towards the higher values, from the direction of the columns towards that of the
        rows, in radians.
    """

    frame: int
    row: int
    column: int
    size: int
    angle: float

    def cut(self, image: FloatArray) -> FloatArray:
        """Return the square around the edge, (size, size)."""
        half = self.size // 2
        return image[self.row - half : self.row + half + 1, self.column - half : self.column + half + 1]


@dataclass(frozen=True, slots=True)
class EdgeSpread:
    """An edge spread function and the blurred step that was fitted to it.

    Parameters
    ----------
    distance
        Distance across the edge, from its fitted place, in the unit of the spacing.
    value
        Mean value at each distance.
    sigma
        Standard deviation of the Gaussian that blurs the step, in the unit of the spacing.
    low, high
        Values far on either side, as fitted.
    misfit
        Root mean square distance of `value` from the fit, as a share of the step.
    """

    distance: FloatArray
    value: FloatArray
    sigma: float
    low: float
    high: float
    misfit: float

    @property
    def width(self) -> float:
        """Distance from 10 to 90 percent of the step, in the unit of the spacing."""
        return WIDTH_10_90 * self.sigma

    @property
    def mtf50(self) -> float:
        """Frequency at which the transfer of the fitted Gaussian is one half, per unit of the spacing."""
        return MTF50 / self.sigma

    def fitted(self, distance: FloatArray) -> FloatArray:
        """Return the fitted edge at distances from its place."""
        return self.low + (self.high - self.low) * normal_distribution(distance / self.sigma)


def find_edges(
    image: FloatArray,
    valid: npt.NDArray[np.bool_],
    *,
    size: int,
    low: float,
    high: float,
    least_step: float,
    count: int,
    frame: int = 0,
) -> list[Edge]:
    """Find squares that hold one straight edge with flat sides.

    Candidates are the places where the structure tensor has one direction; they are kept if a blurred step fits,
    with both its sides between `low` and `high`.

    Parameters
    ----------
    image, valid
        (H, W), and where it holds an image.
    size
        Side of a square, in pixels, odd.
    low, high
        Values between which both sides of the edge must lie.
    least_step
        Least difference of the two sides.
    count
        At most this many, none overlapping another.
    frame
        Index that the edges get.
    """
    if min(image.shape) < size:
        return []
    blurred = smooth(image, 1.0)
    usable = valid & (blurred > low) & (blurred < high)
    tensor = _structure_tensor(np.where(usable, blurred, low), size)
    inside = box_mean(usable.astype(np.float64), size) > 1 - 0.5 / size**2
    score = np.where(inside & (tensor.coherence > LEAST_COHERENCE), -tensor.strength, np.inf)
    half = size // 2
    edges: list[Edge] = []
    for row, column in pick_apart(score, distance=size, count=CANDIDATES * count):
        edge = Edge(frame, row + half, column + half, size, float(tensor.angle[row, column]))
        spread = edge_spread(edge.cut(image), edge.angle, (1.0, 1.0))
        if spread is not None and _is_whole(spread, size, low, high) and spread.high - spread.low >= least_step:
            edges.append(edge)
        if len(edges) == count:
            break
    return edges


def _is_whole(spread: EdgeSpread, size: int, low: float, high: float) -> bool:
    """Tell whether both sides of an edge are seen in its square, and lie inside the window."""
    return spread.width <= LARGEST_WIDTH * size and spread.low > low and spread.high < high


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Structure tensor of each window: strength, direction and how much of one direction it is, (h, w) each."""

    strength: FloatArray
    angle: FloatArray
    coherence: FloatArray


def _structure_tensor(image: FloatArray, size: int) -> _Tensor:
    down, right = (np.asarray(part, dtype=np.float64) for part in np.gradient(image))
    rows, columns, mixed = (box_mean(part, size) for part in (down * down, right * right, down * right))
    split = np.hypot(columns - rows, 2 * mixed)
    total = rows + columns
    angle = 0.5 * np.arctan2(2 * mixed, columns - rows)
    # The tensor knows a line, not which way it points; the mean gradient does.
    reverse = box_mean(right, size) * np.cos(angle) + box_mean(down, size) * np.sin(angle) < 0
    coherence = np.divide(split, total, out=np.zeros_like(split), where=total > 0)
    return _Tensor(total, np.where(reverse, angle + np.pi, angle), coherence)


def edge_spread(
    patch: FloatArray, angle: float, spacing: tuple[float, float], ends: tuple[float, float] | None = None
) -> EdgeSpread | None:
    """Measure the spread of the edge in a patch.

    Every pixel is placed by its distance from the middle across the edge; the values in bins of a quarter of a pixel
    are the edge spread function (after Samei, Flynn, Reimann, Medical Physics 25, 1998), and a step blurred by a
    Gaussian, ``a + b Phi((x - x0) / sigma)``, is fitted to it by least squares.

    Parameters
    ----------
    patch
        (N, N), N odd.
    angle
        Direction across the edge, as in :class:`Edge`.
    spacing
        Distance between rows and between columns, such as in mm.
    ends
        Values far on either side, where they are known from elsewhere: two images of one edge compare best with the
        same ones. None fits them as well.

    Returns
    -------
    The spread, or None if no blurred step fits.
    """
    distances, values = _profile_across(patch, angle, spacing)
    if len(values) < 8:
        return None
    unit = min(spacing)
    reach = float(distances[-1])
    places, sigmas = np.linspace(-0.4 * reach, 0.4 * reach, 17), unit * np.geomspace(0.2, patch.shape[0] / 4, 25)
    for _ in range(REFINEMENTS):
        fit = _fit_step(distances, values, places, sigmas, ends)
        step, ratio = places[1] - places[0], sigmas[1] / sigmas[0]
        places = np.linspace(fit.place - step, fit.place + step, 9)
        sigmas = np.geomspace(fit.sigma / ratio, fit.sigma * ratio, 9)
    misfit = fit.error / fit.step if fit.step > 0 else np.inf
    if misfit > LARGEST_MISFIT or abs(fit.place) > 0.4 * reach or fit.sigma > reach / 2:
        return None
    return EdgeSpread(distances - fit.place, values, fit.sigma, fit.low, fit.low + fit.step, misfit)


def _profile_across(patch: FloatArray, angle: float, spacing: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Return distances across the edge and the mean value at each, within the circle that fits into the patch."""
    half = patch.shape[0] // 2
    axis = np.arange(-half, half + 1, dtype=np.float64)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    # The angle was found on the grid of pixels; across the edge in space is across its tangent in space.
    across = np.array([np.sin(angle) / spacing[0], np.cos(angle) / spacing[1]])
    across /= np.hypot(*across)
    distance = across[0] * y * spacing[0] + across[1] * x * spacing[1]
    within = np.hypot(y, x) <= half + 0.5
    width = BIN * min(spacing)
    number = np.rint(distance[within] / width).astype(np.int64)
    number -= number.min()
    counts = np.bincount(number)
    filled = counts > 0
    means = np.bincount(number, weights=patch[within])[filled] / counts[filled]
    places = np.bincount(number, weights=distance[within])[filled] / counts[filled]
    return places, means


@dataclass(frozen=True, slots=True)
class _Fit:
    """A blurred step: its root mean square error, place, width, lower value and height."""

    error: float
    place: float
    sigma: float
    low: float
    step: float


def _fit_step(
    distances: FloatArray,
    values: FloatArray,
    places: FloatArray,
    sigmas: FloatArray,
    ends: tuple[float, float] | None,
) -> _Fit:
    """Return the best blurred step of the places and widths given; its two values are solved for unless known."""
    rise = normal_distribution((distances - places[:, None, None]) / sigmas[None, :, None])
    level = rise.mean(axis=-1)
    spread = rise - level[..., None]
    square = (spread**2).sum(axis=-1)
    step = np.divide(spread @ values, square, out=np.zeros_like(square), where=square > 1e-12)
    low = values.mean() - step * level
    if ends is not None:
        low, step = np.full_like(low, ends[0]), np.full_like(step, ends[1] - ends[0])
    error = ((values - low[..., None] - step[..., None] * rise) ** 2).mean(axis=-1)
    place, sigma = np.unravel_index(int(np.argmin(error)), error.shape)
    return _Fit(
        error=float(np.sqrt(error[place, sigma])),
        place=float(places[place]),
        sigma=float(sigmas[sigma]),
        low=float(low[place, sigma]),
        step=float(step[place, sigma]),
    )


def normal_distribution(x: FloatArray) -> FloatArray:
    """Return the cumulative standard normal distribution, exact to 1e-7 (Abramowitz and Stegun 7.1.26)."""
    scaled = np.abs(x) / np.sqrt(2.0)
    t = 1.0 / (1.0 + 0.3275911 * scaled)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    half: FloatArray = 0.5 * series * np.exp(-(scaled**2))
    return np.where(x < 0, half, 1.0 - half)
