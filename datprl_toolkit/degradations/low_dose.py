"""Low-dose CT and low-count PET: noise is put in where it arises, in the projections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.degradations.arrays import AnyFloatArray, FloatArray, as_float32, check_fraction, check_image
from datprl_toolkit.degradations.tomography import ParallelBeam, ordered_subsets

if TYPE_CHECKING:
    from collections.abc import Sequence

WATER_CT = 0.19  # 1/cm, linear attenuation of water at about 70 keV, the mean energy of 120-140 kVp beams
WATER_PET = 0.096  # 1/cm, at 511 keV
AIR_HU = -1000.0
# With these and a Hann filter, 29 cm of water have 13 HU of noise at full dose, which is what a 3.75 mm abdominal slice
# of a soft kernel shows.
PHOTONS = 4e5
ELECTRONIC = 5.0


def low_dose_ct_noise(
    image: AnyFloatArray,
    doses: Sequence[float],
    generator: np.random.Generator,
    *,
    pixel_mm: float,
    photons: float = PHOTONS,
    electronic: float = ELECTRONIC,
    windows: Sequence[str] | str = "hann",
    views: int = 720,
) -> FloatArray:
    """Return the noise that scans at shares of the dose add to an image reconstructed by FBP.

    Beer-Lambert: a ray with line integral p counts ``photons * exp(-p)`` in the full-dose scan. Those counts are
    thinned binomially to the dose, which turns Poisson counts into Poisson counts of the smaller mean, and
    Gaussian electronic noise is raised to what it is in the smaller signal. The change of ``-log`` of the counts
    is reconstructed by filtered back-projection. Adding it to `image` gives the low-dose image: the image is
    itself an FBP of the full-dose scan, with its noise, and FBP is linear (the idea of Yu et al., J Comput Assist
    Tomogr 36, 2012).

    Parameters
    ----------
    image
        Full-dose slice (N, N) in HU. Values below air, such as padding outside the scan circle, count as air.
    doses
        Share of the dose that remains, in (0, 1], one for each realisation wanted. Realisations share the
        projection, so that several at once cost little more than one.
    generator
        Source of randomness.
    pixel_mm
        Side of a pixel in mm.
    photons
        Counts of a ray of the full-dose scan without an object, summed over 720 views' worth: with another number
        of views each one gets its share, so that the noise of the image does not depend on their number.
    electronic
        Standard deviation of the electronic noise, in counts.
    windows
        Filter of the reconstruction (:data:`~datprl_toolkit.degradations.tomography.FILTERS`), one for all or one
        for each realisation.
    views
        Number of views over 180 degrees.

    Returns
    -------
    float32 (len(doses), N, N) in HU, independent realisations.
    """
    check_image(image)
    for dose in doses:
        check_fraction(dose, "dose")
    names = [windows] * len(doses) if isinstance(windows, str) else list(windows)
    beam = ParallelBeam(image.shape[0], views, pixel_mm / 10.0)
    attenuation = WATER_CT * (1.0 + np.maximum(image, AIR_HU) / 1000.0)
    full = photons * (720 / views) * np.exp(-beam.project(attenuation).astype(np.float64))
    noise = np.stack([_projection_noise(full, dose, electronic, generator) for dose in doses])
    filtered = np.stack([beam.filter(one, name) for one, name in zip(noise, names, strict=True)])
    return beam.back_project(filtered) * np.float32(1000.0 / WATER_CT)


def low_dose_ct(
    image: AnyFloatArray,
    dose: float,
    generator: np.random.Generator,
    *,
    pixel_mm: float,
    window: str = "hann",
    photons: float = PHOTONS,
    electronic: float = ELECTRONIC,
    views: int = 720,
) -> FloatArray:
    """Return a slice (N, N) in HU as it would be at a share of the dose; see :func:`low_dose_ct_noise`."""
    noise = low_dose_ct_noise(
        image, [dose], generator, pixel_mm=pixel_mm, photons=photons, electronic=electronic, windows=window, views=views
    )
    return as_float32(image + noise[0])


def low_count_pet(
    image: AnyFloatArray,
    fraction: float,
    generator: np.random.Generator,
    *,
    pixel_mm: float,
    counts_per_activity: float,
    background: float = 0.3,
    iterations: int = 2,
    subsets: int = 12,
    views: int = 120,
) -> FloatArray:
    """Return a PET slice as it would be from a share of the counts.

    The slice is projected, attenuated by water inside the outline of the body, and given a flat background of
    randoms and scatter. Poisson counts of the share `fraction` of that mean (what thinning of a full list of
    events gives) are reconstructed by OSEM that knows attenuation and background.

    Parameters
    ----------
    image
        Full-count slice (N, N), in any unit of activity, not negative.
    fraction
        Share of the counts, in (0, 1].
    generator
        Source of randomness.
    pixel_mm
        Side of a pixel in mm.
    counts_per_activity
        Counts of the full scan in one ray, per unit of activity and cm, without attenuation.
    background
        Randoms and scatter as a share of the mean true counts.
    iterations, subsets, views
        Of the reconstruction and the geometry; see :func:`~datprl_toolkit.degradations.tomography.ordered_subsets`.

    Returns
    -------
    float32 (N, N), in the unit of `image`.
    """
    check_image(image)
    check_fraction(fraction, "fraction")
    activity = np.maximum(image, 0.0).astype(np.float64)
    if not activity.any():
        return np.zeros(image.shape, np.float32)
    beam = ParallelBeam(image.shape[0], views, pixel_mm / 10.0)
    matrix = beam.system_matrix()
    outline = WATER_PET * body_outline(activity)
    attenuation = np.exp(-(matrix @ outline.ravel())).reshape(views, beam.bins)
    sensitivity = fraction * counts_per_activity * attenuation
    trues = sensitivity * (matrix @ activity.ravel()).reshape(views, beam.bins)
    flat = np.full_like(trues, max(background * float(trues[trues > 0].mean()), 1e-3 * fraction))
    measured = generator.poisson(trues + flat).astype(np.float64)
    return ordered_subsets(
        beam, measured, sensitivity=sensitivity, background=flat, iterations=iterations, subsets=subsets
    )


def body_outline(activity: AnyFloatArray) -> FloatArray:
    """Return 1 inside the body and 0 outside, from the activity alone: filled between its outermost pixels.

    A pixel is inside if activity above a twentieth of the slice's 99th percentile lies on either side of it in
    its row and in its column, which needs no more than numpy and fills organs without uptake.
    """
    active = activity > 0.05 * np.percentile(activity, 99)
    inside = np.ones(activity.shape, bool)
    for axis in (0, 1):
        before = np.maximum.accumulate(active, axis=axis)
        after = np.flip(np.maximum.accumulate(np.flip(active, axis), axis=axis), axis)
        inside &= before & after
    return inside.astype(np.float32)


def _projection_noise(
    full: AnyFloatArray, dose: float, electronic: float, generator: np.random.Generator
) -> FloatArray:
    """Return the change of the line integrals when the counts `full` are thinned to `dose`."""
    measured = generator.poisson(full)
    # A signal thinned with its electronic noise would keep only dose**2 of that noise's variance.
    extra = electronic * np.sqrt(1.0 - dose**2) * generator.standard_normal(full.shape)
    thinned = generator.binomial(measured, dose) + extra
    # The full-dose noise is in the image already, so that only the difference to it is returned. Where almost
    # nothing arrives the logarithm is linearised around the mean, which keeps the noise free of bias.
    return as_float32((measured - thinned / dose) / np.maximum(full, 1.0))
