"""What the names of a product say of when and by what it was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from datprl_toolkit.remote_sensing.reading_products import product_acquisition, product_files
from datprl_toolkit.remote_sensing.reading_sources import locate

if TYPE_CHECKING:
    from pathlib import Path

SENTINEL = "S2A_MSIL2A_20240101T100421_N0510_R122_T33UUP_20240101T134256.SAFE"
LANDSAT = "LC08_L2SP_190026_20240102_20240110_02_T1"
HLS = "HLS.S30.T33UUP.2024032T100421.v2.0"


def product(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("folder", "inner", "names", "said"),
    [
        (
            SENTINEL,
            "GRANULE/L2A/IMG_DATA/R10m",
            [f"T33UUP_20240101T100421_B{band}_10m.jp2" for band in ("02", "03", "04")],
            {"datetime": "2024-01-01T10:04:21Z", "instruments": ["msi"], "platform": "sentinel-2a"},
        ),
        (
            "bands",
            ".",
            [f"T33UUP_20240101T100421_B{band}.jp2" for band in ("02", "03", "04")],
            {"datetime": "2024-01-01T10:04:21Z", "instruments": ["msi"]},
        ),
        (
            HLS,
            ".",
            [f"{HLS}.B{band}.tif" for band in ("02", "03", "04")],
            {"datetime": "2024-02-01T10:04:21Z", "instruments": ["msi"]},
        ),
        (
            LANDSAT,
            ".",
            [f"{LANDSAT}_SR_B{band}.TIF" for band in (2, 3, 4)],
            {
                "datetime": None,
                "start_datetime": "2024-01-02T00:00:00Z",
                "end_datetime": "2024-01-02T23:59:59Z",
                "platform": "landsat-8",
            },
        ),
        ("S2B_MSIL2A.SAFE", "IMG_DATA", [f"T33_B{band}_10m.tif" for band in ("02", "03", "04")], {}),
        ("odd", ".", [f"T33UUP_20241301T100421_B{band}.jp2" for band in ("02", "03", "04")], {}),
    ],
    ids=["sentinel 2", "sentinel 2 files", "hls", "landsat", "short names", "no such month"],
)
def test_the_time_and_the_satellite_are_those_in_the_names(
    tmp_path: Path, folder: str, inner: str, names: list[str], said: dict[str, Any]
) -> None:
    product(tmp_path / folder / inner, names)
    assert product_acquisition(product_files(tmp_path / folder)[0]) == said


def test_landsat_has_its_time_in_its_metadata(tmp_path: Path) -> None:
    folder = product(tmp_path / LANDSAT, [f"{LANDSAT}_SR_B{band}.TIF" for band in (2, 3, 4)])
    (folder / f"{LANDSAT}_MTL.txt").write_text('  SCENE_CENTER_TIME = "09:58:13.1234560Z"\n')
    assert locate(folder).acquisition == {"datetime": "2024-01-02T09:58:13Z", "platform": "landsat-8"}
