"""Prepare the training data: read the images, split them by scene or patient, make the slow degradations once.

    python recipes/prepare_data.py DATA OUT [--jobs 2]

DATA is a folder with natural_clean/, rain/, motion_blur/, mri/, ct/, pet/, rs_tiles/, rs_scene/ and
rs_cloud_haze/; OUT becomes a folder that recipes/train_md_aioir.py reads, with no image library needed there.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.degradations import add_clouds, add_haze, add_rain, blur_linear_light
from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.training import preparation as prepare
from datprl_toolkit.training.phantoms import pet_phantoms
from datprl_toolkit.training.prepared import (
    Source,
    ValidationSet,
    load_prepared,
    save_manifest,
    save_source,
    save_validation,
)
from datprl_toolkit.training.variants import make_variants

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

SEED = 42
GROUPS = ("photos", "mri", "ct", "pet", "variants", "phantoms")
HELD_OUT_RAIN = ("013", "015")
HELD_OUT_SCENES = ("DeepForest_OSBS_029",)
CT_PET_NOTE = (
    "one patient: validation slices are a contiguous block at one end, with a gap of five slices, of the same patient"
)


class Preparation:
    """Collects sources and validation pairs, and writes each as soon as it is made."""

    def __init__(self, data: Path, out: Path) -> None:
        self.data, self.out = data, out
        self.manifest: dict[str, dict[str, Any]] = {"sources": {}, "validation": {}}
        self.pairs: dict[str, list[tuple[str, npt.NDArray[np.float32], npt.NDArray[np.float32]]]] = {}

    def add(self, source: Source) -> Source:
        """Write a training source."""
        self.manifest["sources"][source.name] = save_source(self.out, source)
        print(f"{source.name}: {len(source)} ({source.note})", flush=True)
        return source

    def validate(self, task: str, name: str, given: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Keep one validation pair; integers are brought to [0, 1]."""
        pair = (name, prepare.from_integers(given), prepare.from_integers(target))
        self.pairs.setdefault(task, []).append(pair)

    def finish(self) -> None:
        """Write the validation pairs and the manifest."""
        for task, items in self.pairs.items():
            names, inputs, targets = zip(*items, strict=True)
            entry = save_validation(self.out, ValidationSet(task, names, inputs, targets))
            self.manifest["validation"][task] = entry
            print(f"validation {task}: {len(items)}", flush=True)
        save_manifest(self.out, {"seed": SEED, **self._with_kept()})

    def _with_kept(self) -> dict[str, dict[str, Any]]:
        """Return the manifest with the entries of an earlier preparation that this one did not replace."""
        path = self.out / "manifest.json"
        kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return {part: {**kept.get(part, {}), **self.manifest[part]} for part in self.manifest}


def main() -> None:
    """Read the command line and prepare everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the images")
    parser.add_argument("out", type=Path, help="folder for the prepared data")
    parser.add_argument("--jobs", type=int, default=2, help="processes for the CT and PET simulations")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="redo these, keep the rest of OUT")
    arguments = parser.parse_args()
    try:
        if not arguments.data.is_dir():
            raise InputError(ErrorCode.MISSING, "there is no such folder", where=arguments.data)
        prepare_all(arguments.data, arguments.out, arguments.jobs, arguments.only)
    except DatprlError as error:
        sys.exit(str(error))


def prepare_all(data: Path, out: Path, jobs: int, groups: Sequence[str]) -> None:
    """Prepare the groups of images; what OUT has of the others stays."""
    work = Preparation(data, out)
    with ProcessPoolExecutor(jobs) as pool:
        # The two slow ones first, so that they run while the rest is made here.
        ct = [pool.submit(_ct_part, data, part, jobs) for part in range(jobs)] if "ct" in groups else []
        pet = pool.submit(_pet, data) if "pet" in groups else None
        if "photos" in groups:
            photos = prepare_natural(work)
            scenes = prepare_remote_sensing(work)
            prepare_simulators(work)
            validate_simulated(work, photos, scenes)
        if "mri" in groups:
            prepare_mri(work)
        if pet is not None:
            prepare_pet(work, pet.result())
        if ct:
            prepare_ct(work, [part.result() for part in ct])
    work.finish()
    if "variants" in groups:
        # From what was written, so that they can be made again without the rest.
        work = Preparation(data, out)
        for source in make_variants(load_prepared(out).sources, SEED):
            work.add(source)
        work.finish()
    if "phantoms" in groups:
        work, sources = Preparation(data, out), load_prepared(out).sources
        if missing := sorted({"ct", "mri"} - sources.keys()):
            raise InputError(
                ErrorCode.EMPTY,
                f"phantoms are made of CT and MR slices, and {' and '.join(missing)} is not prepared",
                where=out,
                remedy="Prepare it before, or at once: --only mri ct phantoms",
            )
        with ProcessPoolExecutor(jobs) as pool:
            work.add(pet_phantoms(sources["ct"], sources["mri"], SEED, each=pool.map))
        work.finish()


def prepare_natural(work: Preparation) -> list[tuple[str, npt.NDArray[Any]]]:
    """Photos, rain and camera shake; returns the held-out photos."""
    rain = {kind: read_images(work.data / "rain/train" / kind) for kind in ("clean", "rainL", "rainH")}
    photos = read_images(work.data / "natural_clean/train/bsds500")
    # The rain scenes are photos of the same collection: a held-out scene must not return as a clean photo.
    rain_thumbnails = [thumbnail(image) for _, image in rain["clean"]]
    distinct = [(n, i) for n, i in photos if max(float(np.vdot(thumbnail(i), t)) for t in rain_thumbnails) < 0.97]
    print(f"{len(photos) - len(distinct)} of {len(photos)} photos are rain scenes and are left out", flush=True)
    held = distinct[6 :: len(distinct) // 16][:16]
    names = {name for name, _ in held}
    training = [image for name, image in distinct if name not in names]
    work.add(prepare.super_resolution_source("photos", training, "BSDS500 train; 16 photos held out"))
    for name, image in held:
        pair = prepare.super_resolution_source("", [image])
        work.validate("natural_super_resolution", name, pair["degraded"][0], pair["clean"][0])
    clean, degraded = [], []
    for index, (name, image) in enumerate(rain["clean"]):
        for kind in ("rainL", "rainH"):
            rainy = rain[kind][index][1]
            if name in HELD_OUT_RAIN:
                work.validate("natural_deraining", f"{kind}/{name}", rainy, image)
            else:
                clean.append(image)
                degraded.append(rainy)
    note = f"Rain100L and Rain100H; scenes {', '.join(HELD_OUT_RAIN)} held out in both"
    work.add(prepare.real_rain_source(work.add(Source("rain", {"clean": clean, "degraded": degraded}, note))))
    prepare_shake(work)
    return held


def prepare_shake(work: Preparation) -> None:
    """Real camera shake: scene im01 with kernels 1-3 is trained on, scene im02 validates."""
    from scipy.io import loadmat

    clean, degraded = [], []
    for path in sorted((work.data / "motion_blur/train/levin09").glob("*.mat")):
        content = loadmat(path)
        sharp, blurred = (content[key].astype(np.float32) for key in ("x", "y"))
        if path.stem.startswith("im02"):
            work.validate("natural_deblurring", path.stem, blurred, sharp)
        elif path.stem.endswith(("1", "2", "3")):
            clean.append(prepare.to_words(sharp))
            degraded.append(prepare.to_words(blurred))
    note = "Levin 2009, im01 with kernels 1-3; im02 validates with kernels 1-5, of which 4 and 5 are never seen"
    work.add(Source("shake_pairs", {"clean": clean, "degraded": degraded}, note))


def prepare_remote_sensing(work: Preparation) -> list[tuple[str, npt.NDArray[Any]]]:
    """Tiles, scenes, haze and cloud pairs; returns the held-out clean images."""
    held = []
    tiles = read_images(work.data / "rs_tiles/train/eurosat")
    held_tiles = {name for kind in sorted({n.split("_")[0] for n, _ in tiles}) for name in last_of_class(tiles, kind)}
    roads = read_images(work.data / "rs_tiles/train/epfl_roads")
    scenes = read_scenes(work.data / "rs_scene/train")
    groups = {
        "tiles": (tiles, held_tiles, "EuroSAT; 4 of each class held out"),
        "roads": (roads, {name for name, _ in roads[-2:]}, "EPFL roads; 2 held out"),
        "scenes": (scenes, set(HELD_OUT_SCENES), "GeoTIFF scenes, 3 bands; one held out"),
    }
    for name, (images, left_out, note) in groups.items():
        training = [image for label, image in images if label not in left_out]
        work.add(prepare.super_resolution_source(f"remote_{name}", training, note))
        for label, image in images:
            if label in left_out:
                pair = prepare.super_resolution_source("", [image])
                work.validate("remote_sensing_super_resolution", label, pair["degraded"][0], pair["clean"][0])
                held.append((label, image))
    for kind, task in (("rice1", "dehazing"), ("rice2", "cloud_removal")):
        folder = work.data / "rs_cloud_haze/train" / kind
        clean, spoiled = read_images(folder / "clean"), read_images(folder / "cloud")
        for (label, target), (_, given) in zip(clean[-5:], spoiled[-5:], strict=True):
            work.validate(task, f"{kind}/{label}", given, target)
        same: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
        seasons: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
        for (_, target), (_, given) in zip(clean[:-5], spoiled[:-5], strict=True):
            other = kind == "rice2" and prepare.is_of_another_season(given, target)
            (seasons if other else same).append((target, given))
        note = f"{kind.upper()}; the last five scenes held out"
        work.add(paired(kind, same, note))
        if seasons:
            work.add(paired(f"{kind}_seasons", seasons, f"{note}; both images of a pair are of two seasons"))
    return held


def paired(name: str, pairs: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]], note: str) -> Source:
    """Return clean and degraded images as a source."""
    return Source(name, {"clean": [clean for clean, _ in pairs], "degraded": [bad for _, bad in pairs]}, note)


def prepare_simulators(work: Preparation) -> None:
    """Layers, kernels and fields that training puts over clean images."""
    work.add(prepare.rain_source(200, (320, 480), SEED))
    work.add(prepare.shake_source(600, SEED))
    work.add(prepare.sky_source(120, (320, 320), SEED))


def validate_simulated(
    work: Preparation, photos: list[tuple[str, npt.NDArray[Any]]], scenes: list[tuple[str, npt.NDArray[Any]]]
) -> None:
    """Put simulated rain, shake, cloud and haze on held-out images, with seeds that training does not use."""
    rain = prepare.rain_source(4, (480, 480), SEED + 1)["layer"]
    kernels = prepare.shake_source(4, SEED + 1)["kernel"]
    for index, (name, image) in enumerate(photos[:4]):
        clean = prepare.from_integers(image)
        layer = prepare.from_integers(rain[index])[: clean.shape[0], : clean.shape[1]]
        layer = np.pad(layer, [(0, n - m) for n, m in zip(clean.shape[:2], layer.shape, strict=True)], mode="wrap")
        work.validate("natural_deraining", f"simulated/{name}", add_rain(clean, layer), clean)
        work.validate("natural_deblurring", f"simulated/{name}", blur_linear_light(clean, kernels[index]), clean)
    sky = prepare.sky_source(4, (400, 400), SEED + 1)
    large = [item for item in scenes if min(item[1].shape[:2]) >= 300]
    for index, (name, image) in enumerate(large[:4]):
        clean = prepare.from_integers(image)
        crop = np.s_[: clean.shape[0], : clean.shape[1]]
        opacity = prepare.from_integers(sky["opacity"][index][crop])
        depth = prepare.from_integers(sky["depth"][index][crop])
        work.validate("cloud_removal", f"simulated/{name}", add_clouds(clean, 0.8 * opacity), clean)
        haze = add_haze(clean, np.exp(-0.3 - 0.7 * depth), 0.85)
        work.validate("dehazing", f"simulated/{name}", haze, clean)


def prepare_mri(work: Preparation) -> None:
    """MR: two series are trained on, the third validates."""
    training = []
    for series in ("mprage_triotim", "ge_sag_t1", "siemens_fl2d_sag"):
        slices, _ = read_dicom(work.data / "mri/train" / series)
        volume = np.stack(slices)
        low, high = float(volume.min()), float(np.percentile(volume, 99.9))
        unit = np.clip((volume - low) / (high - low), 0.0, 1.0)
        if series == "siemens_fl2d_sag":
            pairs = prepare.k_space_source("", list(unit))
            for index in range(len(pairs)):
                name = f"{series}/{index:03d}"
                work.validate("mri_super_resolution", name, pairs["degraded"][index], pairs["clean"][index])
        else:
            # Slices of air teach nothing.
            training += [image for image in unit if image.mean() > 0.02]
    work.add(prepare.k_space_source("mri", training, "MPRAGE and GE sagittal T1; the Siemens FL2D series held out"))


def prepare_pet(work: Preparation, source: Source) -> None:
    """PET: the last slices of the one patient validate."""
    total = len(source)
    keep, first = range(total - 35), total - 30
    fields = {name: [items[i] for i in keep] for name, items in source.fields.items()}
    work.add(Source("pet", fields, CT_PET_NOTE))
    for index in range(first, total, 4):
        target = np.clip(source["clean"][index] / prepare.SUV_HIGH, 0, 1)
        for level, fraction in enumerate(prepare.PET_FRACTIONS):
            given = np.clip(source["degraded"][index][level, 0] / prepare.SUV_HIGH, 0, 1)
            work.validate("pet_synthesis", f"{index:03d}/{fraction:.2f}", given, target)


def prepare_ct(work: Preparation, parts: Sequence[Source]) -> None:
    """CT: the last slices of the one patient validate."""
    count = len(parts)
    total = sum(len(part) for part in parts)
    keep, first = range(total - 19), total - 14
    fields = {name: [parts[i % count][name][i // count] for i in range(total)] for name in parts[0].fields}
    work.add(Source("ct", {name: [items[i] for i in keep] for name, items in fields.items()}, CT_PET_NOTE))
    for index in range(first, total, 3):
        for level, dose in enumerate(prepare.CT_DOSES):
            noisy = fields["clean"][index] + fields["noise"][index][level, 0].astype(np.float32)
            given, target = (
                np.clip((hu - prepare.CT_LOW) / (prepare.CT_HIGH - prepare.CT_LOW), 0, 1)
                for hu in (noisy, fields["clean"][index].astype(np.float32))
            )
            work.validate("ct_denoising", f"{index:03d}/{dose:.2f}", given, target)


def _ct_part(data: Path, part: int, parts: int) -> Source:
    slices, pixel = read_dicom(data / "ct/train/acrin042_ct")
    return prepare.ct_source("ct", slices[part::parts], pixel, SEED + 100 * part)


def _pet(data: Path) -> Source:
    slices, pixel = read_dicom(data / "pet/train/acrin042_pet_ac", scale=suv_factor)
    return prepare.pet_source("pet", slices, pixel, SEED)


def read_images(folder: Path) -> list[tuple[str, npt.NDArray[Any]]]:
    """Read all images of a folder as RGB, in the order of their names."""
    from PIL import Image as Pillow

    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in (".png", ".jpg", ".tif"))
    if not paths:
        raise InputError(ErrorCode.EMPTY, "there are no images in this folder", where=folder)
    return [(path.stem, np.asarray(Pillow.open(path).convert("RGB"))) for path in paths]


def read_scenes(folder: Path) -> list[tuple[str, npt.NDArray[Any]]]:
    """Read the first three bands of 8-bit GeoTIFF files."""
    import rasterio

    scenes = []
    for path in sorted(folder.glob("*.tif")):
        with rasterio.open(path) as dataset:
            scenes.append((path.stem, np.moveaxis(dataset.read([1, 2, 3]), 0, -1)))
    return scenes


def read_dicom(
    folder: Path, scale: Callable[[Any], float] = lambda _: 1.0
) -> tuple[list[npt.NDArray[np.float32]], float]:
    """Read a series in the order of its positions; returns rescaled slices and the pixel side in mm."""
    import pydicom

    files = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    normal = np.cross(*np.array(files[0].ImageOrientationPatient, float).reshape(2, 3))
    files.sort(key=lambda file: float(np.dot(normal, np.array(file.ImagePositionPatient, float))))
    slices = []
    for file in files:
        values = file.pixel_array * float(file.get("RescaleSlope", 1)) + float(file.get("RescaleIntercept", 0))
        slices.append((values * scale(file)).astype(np.float32))
    return slices, float(files[0].PixelSpacing[0])


def suv_factor(file: Any) -> float:
    """Return what turns Bq/ml into SUV by body weight, decay-corrected to the start of the series (QIBA)."""
    dose = file.RadiopharmaceuticalInformationSequence[0]
    elapsed = _seconds(file.SeriesTime) - _seconds(dose.RadiopharmaceuticalStartTime)
    remaining = float(dose.RadionuclideTotalDose) * 0.5 ** (elapsed / float(dose.RadionuclideHalfLife))
    factor: float = float(file.PatientWeight) * 1000.0 / remaining
    return factor


def _seconds(time: Any) -> float:
    text = str(time)
    return int(text[:2]) * 3600 + int(text[2:4]) * 60 + float(text[4:])


def last_of_class(tiles: list[tuple[str, npt.NDArray[Any]]], kind: str, count: int = 4) -> list[str]:
    """Return the names of the last tiles of a EuroSAT class."""
    return [name for name, _ in tiles if name.startswith(f"{kind}_")][-count:]


def thumbnail(image: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return a 16x16 grey picture of an image with mean 0 and norm 1: equal scenes have a product near 1."""
    grey = image[:320, :320].mean(axis=2)
    small = grey.reshape(16, 20, 16, 20).mean(axis=(1, 3)).ravel()
    small -= small.mean()
    unit: npt.NDArray[np.float64] = small / max(float(np.linalg.norm(small)), 1e-9)
    return unit


if __name__ == "__main__":
    main()
