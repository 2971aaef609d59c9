from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rio_cogeo.cogeo import cog_validate

from datprl_toolkit.errors import ErrorCode, OutputError
from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.cog import CogWriter
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from datprl_toolkit.restoring import Restorer


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 600, 1300), (5, 513, 64)])
def test_the_output_is_a_valid_cog_with_overviews(
    tmp_path: Path, untouched: Restorer, shape: tuple[int, int, int], dtype: str
) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(*shape, dtype=dtype), nodata=0)
    output = restore_scene(source, tmp_path / "out.tif", untouched).output
    assert cog_validate(output, strict=True) == (True, [], [])
    with rasterio.open(output) as dataset:
        assert dataset.block_shapes[0] == (512, 512)
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert bool(dataset.overviews(1)) == (max(shape[1:]) > 512)


def test_a_mask_stays_inside_the_file_and_the_cog_valid(tmp_path: Path, untouched: Restorer) -> None:
    mask = np.full((700, 600), 255, np.uint8)
    mask[100:300] = 0
    source = write_raster(tmp_path / "scene.tif", photograph(3, 700, 600), mask=mask, photometric="RGB")
    output = restore_scene(source, tmp_path / "out" / "out.tif", untouched).output
    assert [path.name for path in output.parent.iterdir()] == ["out.tif"]
    assert cog_validate(output, strict=True)[0]
    with rasterio.open(output) as dataset:
        assert np.array_equal(dataset.dataset_mask(), mask)
        assert [flag.name for flag in dataset.mask_flag_enums[0]] == ["per_dataset"]


@pytest.mark.parametrize("scale", [1, 4])
def test_gdal_of_the_system_reads_the_same_geometry(
    tmp_path: Path, untouched: Restorer, run_tool: Callable[..., str], scale: int
) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(3, 130, 170, "uint16"), nodata=0, photometric="RGB")
    output = restore_scene(source, tmp_path / "out.tif", untouched, SceneOptions(scale=scale)).output
    before, after = (json.loads(run_tool("gdalinfo", "-json", str(path))) for path in (source, output))
    assert after["coordinateSystem"]["wkt"] == before["coordinateSystem"]["wkt"]
    assert after["size"] == [scale * length for length in before["size"]]
    assert after["cornerCoordinates"] == before["cornerCoordinates"]
    divided = [1, scale, scale, 1, scale, scale]
    expected = [term / divisor for term, divisor in zip(before["geoTransform"], divided, strict=True)]
    assert after["geoTransform"] == pytest.approx(expected, rel=1e-12)
    assert [band["colorInterpretation"] for band in after["bands"]] == ["Red", "Green", "Blue"]
    assert after["bands"][0]["noDataValue"] == 0
    assert "LAYOUT=COG" in run_tool("gdalinfo", str(output))
    run_tool("gdal_translate", "-q", "-of", "PNG", "-outsize", "64", "0", str(output), str(tmp_path / "small.png"))


@pytest.mark.shared
def test_gdal_of_the_system_reads_every_training_scene_as_it_was(
    tmp_path: Path, shared_data: Path, tiny: Restorer, run_tool: Callable[..., str]
) -> None:
    for source in sorted((shared_data / "rs_scene" / "train").glob("*.tif")):
        output = restore_scene(source, tmp_path / source.name, tiny, SceneOptions(tile=1024, halo=16)).output
        before, after = (json.loads(run_tool("gdalinfo", "-json", str(path))) for path in (source, output))
        for key in ("size", "geoTransform", "cornerCoordinates", "coordinateSystem"):
            assert after[key] == before[key]
        for key in ("type", "colorInterpretation", "noDataValue"):
            assert [band.get(key) for band in after["bands"]] == [band.get(key) for band in before["bands"]]
        assert cog_validate(output, strict=True)[0]
        with rasterio.open(source) as first, rasterio.open(output) as second:
            assert np.array_equal(first.dataset_mask(), second.dataset_mask())
            assert not np.array_equal(first.read(1), second.read(1))


@pytest.mark.parametrize(
    "colours",
    [("gray", "undefined", "undefined"), ("blue", "green", "red"), ("red", "green", "blue"), ("nir", "red", "green")],
)
def test_colours_are_kept_whatever_gdal_would_assume(
    tmp_path: Path, untouched: Restorer, colours: tuple[str, ...]
) -> None:
    if not all(colour in ColorInterp.__members__ for colour in colours):
        pytest.skip("this GDAL does not know the colour")
    source = write_raster(
        tmp_path / "scene.tif",
        photograph(3, 20, 20),
        photometric="MINISBLACK",
        colours=[ColorInterp[colour] for colour in colours],
    )
    output = restore_scene(source, tmp_path / "out.tif", untouched, SceneOptions(bands=(1,))).output
    assert [band.colour for band in Scene.open(output).bands] == list(colours)


def test_what_does_not_read_back_as_it_was_written_is_refused(
    tmp_path: Path, untouched: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = CogWriter.write

    def lossy(self: CogWriter, window: Any, values: Any, mask: Any) -> Any:
        written = write(self, window, values, mask)
        return replace(written, pieces=tuple(replace(piece, sha256="0" * 64) for piece in written.pieces))

    monkeypatch.setattr(CogWriter, "write", lossy)
    (tmp_path / "in").mkdir()
    source = write_raster(tmp_path / "in" / "scene.tif", photograph(1, 20, 20))
    with pytest.raises(OutputError) as caught:
        restore_scene(source, tmp_path / "out.tif", untouched)
    assert caught.value.code is ErrorCode.OUTPUT
    assert not (tmp_path / "out.tif").exists()


def test_a_failure_of_gdal_on_a_full_disk_says_that_the_disk_is_full(
    tmp_path: Path, untouched: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise rasterio.errors.RasterioIOError("write failed")

    monkeypatch.setattr("rasterio.shutil.copy", fail)
    (tmp_path / "out").mkdir()
    source = write_raster(tmp_path / "scene.tif", photograph(1, 20, 20))
    codes = []
    for free in (0, 10**12):
        usage = shutil.disk_usage(tmp_path)._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda path, usage=usage: usage)
        with pytest.raises(OutputError) as caught:
            restore_scene(source, tmp_path / "out" / "out.tif", untouched, SceneOptions(resume=True))
        codes.append(caught.value.code)
    assert codes == [ErrorCode.DISK_FULL, ErrorCode.OUTPUT]
    assert not (tmp_path / "out" / "out.tif").exists()
