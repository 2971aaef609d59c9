"""Draw the picture of docs/training_simulators.md: what each simulator makes of a clean image.

    python recipes/simulators_picture.py CT_FOLDER PET_FOLDER SCENE docs/images/simulators.jpg

CT_FOLDER and PET_FOLDER hold series that may be shown, and SCENE is a GeoTIFF of that kind with red, green and blue.
Photo and head phantom come with scikit-image.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from skimage import data

from datprl_toolkit import degradations as degrade
from datprl_toolkit.files import staged_file
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.reading import scan

Array = npt.NDArray[np.floating]
Row = tuple[str, Array, Array]
SIDE = 256
CT_PART = (slice(130, 386), slice(90, 346))
PET_PART = (slice(20, 108), slice(20, 108))


def main() -> None:
    """Draw all pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("ct", "pet", "scene", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    carried: Any = data
    rows = [
        *photo_rows(carried.coffee()[40:360, 160:480].astype(np.float32) / 255),
        mr_row(carried.shepp_logan_phantom().astype(np.float32)),
        ct_row(arguments.ct),
        pet_row(arguments.pet),
        *scene_rows(arguments.scene),
    ]
    draw(rows, arguments.output)


def photo_rows(photo: Array) -> list[Row]:
    """Return the simulators of photographs."""
    generator = np.random.default_rng(2)
    kernel = degrade.shake_kernel(21.0, generator, 31)
    rain = degrade.rain_layer(photo.shape[:2], generator, density=0.002, angle=12.0, strength=0.7)
    return [
        ("x4 bicubic", photo, degrade.bicubic_low_resolution(photo)),
        ("camera shake", photo, degrade.blur_linear_light(photo, kernel, generator=generator)),
        ("rain streaks", photo, degrade.add_rain(photo, rain)),
    ]


def mr_row(phantom: Array) -> Row:
    """Return the truncation of k-space."""
    return "k-space, x4", phantom, degrade.truncate_k_space(phantom)


def ct_row(folder: Path) -> Row:
    """Return a slice at a tenth of its dose, from -160 to 240 HU."""
    image = middle(folder)
    hu = image.read().astype(np.float32)
    noisy = degrade.low_dose_ct(hu, 0.1, np.random.default_rng(0), pixel_mm=image.geometry.spacing[0])
    low, high = ((values[CT_PART] + 160) / 400 for values in (noisy, hu))
    return "CT, dose 10 %", high, low


def pet_row(folder: Path) -> Row:
    """Return a slice from a tenth of its counts, up to two fifths of its largest value, inverted."""
    image = middle(folder)
    activity = image.read().astype(np.float32)
    high = float(activity.max())
    low = degrade.low_count_pet(
        activity / high, 0.1, np.random.default_rng(0), pixel_mm=image.geometry.spacing[0], counts_per_activity=2000.0
    )
    return "PET, counts 10 %", 1 - 2.5 * (activity / high)[PET_PART], 1 - 2.5 * low[PET_PART]


def scene_rows(path: Path) -> list[Row]:
    """Return haze and clouds over a scene."""
    with rasterio.open(path) as file:
        values = np.moveaxis(file.read().astype(np.float32), 0, -1)[:SIDE, :SIDE]
    low, high = np.percentile(values, (1, 99))
    ground = ((values - low) / (high - low)).clip(0, 1)
    generator = np.random.default_rng(4)
    depth = degrade.fractal_field((ground.shape[0], ground.shape[1]), 3.6, generator)
    opacity = degrade.cloud_opacity((ground.shape[0], ground.shape[1]), generator, cover=0.45, softness=0.4)
    airlight = np.array([0.82, 0.86, 0.9], np.float32)
    return [
        ("haze", ground, degrade.add_haze(ground, np.exp(-1.2 * (0.5 + depth)).astype(np.float32), airlight)),
        ("clouds, shadow", ground, degrade.add_clouds(ground, opacity, brightness=0.95, shadow=0.4, offset=(18, 14))),
    ]


def middle(folder: Path) -> Any:
    """Return the middle slice of a series."""
    volume = group_series(scan(folder).instances)[0].volume
    return volume.slices[len(volume.slices) // 2]


def draw(rows: list[Row], path: Path) -> None:
    """Draw the pairs beside each other, two in a line."""
    lines = -(-len(rows) // 2)
    figure = Figure(figsize=(10, 2.6 * lines), layout="constrained")
    axes = figure.subplots(lines, 4)
    for axis in axes.flat:
        axis.set_axis_off()
    for place, (title, clean, spoilt) in enumerate(rows):
        for column, (image, name) in enumerate(((clean, "clean"), (spoilt, title))):
            axis = axes[place // 2, 2 * (place % 2) + column]
            axis.imshow(np.clip(image, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(name, fontsize=10)
    canvas: Any = FigureCanvasAgg(figure)
    with staged_file(path, overwrite=True) as temporary:
        canvas.print_jpg(str(temporary), pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
