"""Draw the picture of the README: a simulated low-dose CT slice and a real hazy scene, before and after.

    python recipes/overview_picture.py CT_FOLDER demo/landsat.tif docs/images/overview.png

CT_FOLDER holds a CT series that may be shown; the scene is what the demo stacks into `.cache`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio

from datprl_toolkit.degradations import low_dose_ct
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.reports import write_preview
from datprl_toolkit.restoring import Comparison, Restorer

DOSE = 0.1
CROP = (slice(90, 390), slice(60, 460))


def main() -> None:
    """Draw both rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ct", type=Path)
    parser.add_argument("scene", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    restorer = Restorer.from_pretrained()
    rows = [ct_row(arguments.ct, restorer), scene_row(arguments.scene, restorer)]
    write_preview(arguments.output, rows, overwrite=True)


def ct_row(folder: Path, restorer: Restorer) -> Comparison:
    """Return the middle slice at a share of its dose, and restored."""
    volume = group_series(scan(folder).instances)[0].volume
    image = volume.slices[len(volume.slices) // 2]
    noisy = low_dose_ct(image.read(), DOSE, np.random.default_rng(0), pixel_mm=image.geometry.spacing[0])
    profile = IntensityProfile("ct-soft-tissue", -160.0, 240.0, "HU", taper_low=20.0, taper_high=20.0)
    restored = apply(restorer, profile, noisy[None])[0]
    title = f"CT at {DOSE:.0%} of the dose (simulated)"
    return Comparison(noisy[CROP], restored[CROP], profile.low, profile.high, "HU", title)


def scene_row(path: Path, restorer: Restorer) -> Comparison:
    """Return a scene of three bands before and after, between percentiles of its values."""
    with rasterio.open(path) as file:
        values = file.read().astype(np.float32)
    low, high = (float(value) for value in np.percentile(values, (0.1, 99.9)))
    restored = apply(restorer, IntensityProfile("scene", low, high, "1"), values)
    before, after = (np.moveaxis(image, 0, -1) for image in (values, restored))
    return Comparison(before, after, low, high, "digital numbers", "Landsat 8 scene")


def apply(restorer: Restorer, profile: IntensityProfile, planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Restore planes (C, H, W) of physical values."""
    before = profile.to_unit(planes)
    after = restorer.restore_batch(before[None])[0]
    return profile.apply(planes, before, after).astype(np.float32)


if __name__ == "__main__":
    main()
