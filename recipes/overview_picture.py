"""Draw the picture of the README: a CT slice at a low dose and a scene under haze, both simulated, and restored.

    python recipes/overview_picture.py CT_FOLDER SCENE docs/images/overview.png

CT_FOLDER holds the CT series of the shipped weights, whose last slices were not trained on, and SCENE is a raster of
8 bit with red, green and blue that was not either; both may be shown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio

from datprl_toolkit.degradations import add_haze, low_dose_ct, transmission_field
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.reports import write_preview
from datprl_toolkit.restoring import Comparison, Restorer

DOSE = 0.1
SLICE = -14  # the first of those that `recipes/prepare_data.py` holds out
EDGE = 512
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
    """Return a slice at a share of its dose, and restored."""
    volume = group_series(scan(folder).instances)[0].volume
    image = volume.slices[SLICE]
    noisy = low_dose_ct(image.read(), DOSE, np.random.default_rng(0), pixel_mm=image.geometry.spacing[0])
    profile = IntensityProfile("ct-soft-tissue", -160.0, 240.0, "HU", taper_low=20.0, taper_high=20.0)
    restored = apply(restorer, profile, noisy[None])[0]
    title = f"CT at {DOSE:.0%} of the dose (simulated)"
    return Comparison(noisy[CROP], restored[CROP], profile.low, profile.high, "HU", title)


def scene_row(path: Path, restorer: Restorer) -> Comparison:
    """Return the corner of a scene under haze, and restored."""
    with rasterio.open(path) as file:
        clear = file.read([1, 2, 3], window=((0, EDGE), (0, EDGE))).astype(np.float32)
    transmission = transmission_field(clear.shape[1:], np.random.default_rng(1), mean=0.5, variation=0.3)
    hazy = np.rint(255.0 * np.moveaxis(add_haze(np.moveaxis(clear / 255.0, 0, -1), transmission, 0.9), -1, 0))
    restored = apply(restorer, IntensityProfile("scene", 0.0, 255.0, "1"), hazy.astype(np.float32))
    before, after = (np.moveaxis(image, 0, -1) for image in (hazy, restored))
    return Comparison(before, after, 0.0, 255.0, "digital numbers", "aerial scene under haze (simulated)")


def apply(restorer: Restorer, profile: IntensityProfile, planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Restore planes (C, H, W) of physical values."""
    before = profile.to_unit(planes)
    after = restorer.restore_batch(before[None])[0]
    return profile.apply(planes, before, after).astype(np.float32)


if __name__ == "__main__":
    main()
