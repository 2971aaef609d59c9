"""Images of sources that no training and no validation saw, under simulated degradations: the pairs.

They come from the files with which formats are tested, and from scikit-image: CT of five manufacturers' scanners, MR of
four, PET of another size of pixel, scenes of other sensors (one of them of Mars), photos.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.degradations import (
    add_clouds,
    add_haze,
    add_rain,
    bicubic_low_resolution,
    blur_linear_light,
    cloud_opacity,
    low_count_pet,
    low_dose_ct_noise,
    rain_layer,
    resize_bicubic,
    shake_kernel,
    transmission_field,
    truncate_k_space,
)
from datprl_toolkit.training.preparation import (
    CT_DOSES,
    CT_HIGH,
    CT_LOW,
    CT_VIEWS,
    PET_COUNTS,
    PET_FRACTIONS,
    SUV_HIGH,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float32]
    Pair = tuple[str, FloatArray, FloatArray]

CT_FILES = (
    "ct_gantry_tilt_nonuniform_ge/09.dcm",
    "ct_gantry_tilt_nonuniform_ge/15.dcm",
    "ct_gantry_tilt_nonuniform_ge/19.dcm",
    "files/dwv_osirix-toutatix-100.dcm",
    "files/pdd_693_J2KR.dcm",
    "files/pdd_bad_sequence.dcm",
    "files/rtf_CT2_RLE",
    "files/pd_J2K_pixelrep_mismatch.dcm",
)
MR_FILES = (
    "files/rtf_MR1_J2KI",
    "files/rtf_MR3_JPLL",
    "files/rtf_MR4_JLSN",
    "files/extra_MR-SIEMENS-DICOM-WithOverlays.dcm",
    "files/fo_GH064.dcm",
    "multi_orientation_localizer/0001_63.80.dcm",
    "multi_orientation_localizer/0007_63.86.dcm",
    "multi_orientation_localizer/0013_63.92.dcm",
    "multi_orientation_localizer/0019_63.98.dcm",
    "multi_orientation_localizer/0026_3.105.dcm",
)
PET_FILES = ("fo_GH184.dcm", "fo_GH610.dcm")
PET_PEAK = 8.0
"""SUV that the highest values are taken for, since these files do not say what the patient was given."""
SCENES: dict[str, tuple[tuple[int, int, int], tuple[int, int, int, int] | None]] = {
    "rasterio_RGB.byte": ((1, 2, 3), (200, 200, 400, 400)),
    "rio-cogeo_image_webp": ((1, 2, 3), None),
    "rio-tiler_201404_13SED190110_201404_0x1500m_CL_1_extmask": ((1, 2, 3), None),
    "terratorch_segmentation_test_0_input": ((3, 2, 1), None),
    "rio-tiler_cog_hirise_mars": ((1, 2, 3), (390, 500, 200, 400)),
    "rasterio_corrupt": ((1, 2, 3), (100, 100, 320, 320)),
}
"""Bands, and the part that is looked at: first column and row, width and height."""
PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "camera", "brick", "grass", "gravel")
PHOTO_EDGE = 256
HAZE_DEPTHS = (0.4, 0.7, 1.1)
CLOUDS = ((0.3, 0.5), (0.5, 0.8))
"""Cover and softness."""


def pairs(task: str, data: Path) -> Iterator[Pair]:
    """Yield name, degraded and clean image of each pair of a task, in [0, 1]; `data` is the folder of the images."""
    makers = {
        "ct_denoising": lambda: _ct(data / "dicom_format"),
        "pet_synthesis": lambda: _pet(data / "pet/format"),
        "mri_super_resolution": lambda: _mr(data / "dicom_format"),
        "remote_sensing_super_resolution": lambda: _remote_sensing(data / "geotiff_format", task),
        "cloud_removal": lambda: _remote_sensing(data / "geotiff_format", task),
        "dehazing": lambda: _remote_sensing(data / "geotiff_format", task),
        "natural_super_resolution": lambda: _photos(task),
        "natural_deraining": lambda: _photos(task),
        "natural_deblurring": lambda: _photos(task),
    }
    for name, degraded, clean in makers[task]():
        yield name, np.clip(degraded, 0, 1).astype(np.float32), np.clip(clean, 0, 1).astype(np.float32)


def _read(path: Path) -> Any:
    import pydicom

    return pydicom.dcmread(path, force=True)


def _ct(folder: Path) -> Iterator[Pair]:
    for number, name in enumerate(CT_FILES):
        file = _read(folder / name)
        values = file.pixel_array * float(file.get("RescaleSlope", 1)) + float(file.get("RescaleIntercept", 0))
        hounsfield = values.astype(np.float32).clip(-1024, 3000)
        generator = np.random.default_rng([5, number])
        windows = [str(each) for each in generator.choice(["hann", "cosine", "shepp-logan"], len(CT_DOSES))]
        noise = low_dose_ct_noise(
            hounsfield, CT_DOSES, generator, pixel_mm=float(file.PixelSpacing[0]), windows=windows, views=CT_VIEWS
        )
        for dose, each in zip(CT_DOSES, noise, strict=True):
            noisy, clean = ((image - CT_LOW) / (CT_HIGH - CT_LOW) for image in (hounsfield + each, hounsfield))
            yield f"{name}/{dose:.2f}", noisy, clean


def _pet(folder: Path) -> Iterator[Pair]:
    for number, name in enumerate(PET_FILES):
        file = _read(folder / name)
        values = file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept)
        suv = (values * PET_PEAK / np.percentile(values, 99.9)).astype(np.float32)
        generator = np.random.default_rng([6, number])
        for fraction in PET_FRACTIONS:
            noisy = low_count_pet(
                suv,
                fraction,
                generator,
                pixel_mm=float(file.PixelSpacing[0]),
                counts_per_activity=PET_COUNTS,
                iterations=int(generator.integers(2, 5)),
            )
            yield f"{name}/{fraction:.2f}", noisy / SUV_HIGH, suv / SUV_HIGH


def _mr(folder: Path) -> Iterator[Pair]:
    for name in MR_FILES:
        values = _read(folder / name).pixel_array.astype(np.float32)
        low, high = values.min(), np.percentile(values, 99.9)
        clean = _fours(((values - low) / (high - low)).clip(0, 1))
        yield name, truncate_k_space(clean), clean


def _remote_sensing(folder: Path, task: str) -> Iterator[Pair]:
    for number, name in enumerate(SCENES):
        clean = _fours(_scene(folder, name))
        shape = clean.shape[0], clean.shape[1]
        if task == "remote_sensing_super_resolution":
            yield name, bicubic_low_resolution(clean), clean
        elif task == "dehazing":
            for place, depth in enumerate(HAZE_DEPTHS):
                generator = np.random.default_rng([7, number, place])
                variation = generator.uniform(0.1, 0.7)
                transmission = transmission_field(shape, generator, mean=float(np.exp(-depth)), variation=variation)
                airlight = generator.uniform(0.75, 0.95) + generator.uniform(-0.03, 0.03, 3)
                yield f"{name}/{depth}", add_haze(clean, transmission, airlight.clip(0, 1)), clean
        else:
            for place, (cover, softness) in enumerate(CLOUDS):
                generator = np.random.default_rng([8, number, place])
                opacity = 0.8 * cloud_opacity(shape, generator, cover=cover, softness=softness)
                yield f"{name}/{softness}", add_clouds(clean, opacity, brightness=0.9), clean


def _scene(folder: Path, name: str) -> FloatArray:
    import rasterio
    from rasterio.windows import Window

    bands, window = SCENES[name]
    with rasterio.open(folder / f"{name}.tif") as dataset:
        values = dataset.read(list(bands), window=None if window is None else Window(*window)).astype(np.float32)
        high = 255.0 if dataset.dtypes[0] == "uint8" else float(np.percentile(values, 99))
    unit: FloatArray = (np.moveaxis(values, 0, -1) / high).clip(0, 1)
    return unit


def _photos(task: str) -> Iterator[Pair]:
    import skimage.data

    for number, name in enumerate(PHOTOS):
        image = getattr(skimage.data, name)().astype(np.float32) / 255
        colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
        half = resize_bicubic(colour, (colour.shape[0] // 2, colour.shape[1] // 2))
        clean = _fours(half.clip(0, 1).astype(np.float32)[:PHOTO_EDGE, :PHOTO_EDGE])
        generator = np.random.default_rng([9, number])
        if task == "natural_super_resolution":
            yield name, bicubic_low_resolution(clean), clean
        elif task == "natural_deraining":
            angle = generator.normal(0, 15)
            yield name, add_rain(clean, rain_layer(clean.shape[:2], generator, density=0.001, angle=angle)), clean
        else:
            yield name, blur_linear_light(clean, shake_kernel(generator.uniform(6, 20), generator)), clean


def _fours(image: FloatArray) -> FloatArray:
    """Cut an image to multiples of four pixels."""
    return image[: image.shape[0] // 4 * 4, : image.shape[1] // 4 * 4]
