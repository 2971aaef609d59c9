"""Nodes that read: from files to the values that other nodes take."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from datprl_nodes.node import Job, Node

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.images.picture import Picture
    from datprl_toolkit.medical import Volume
    from datprl_toolkit.remote_sensing import Scene


class ReadDicom(Node):
    """Choose one CT, MR or PET series from a folder, a DICOM file or a DICOMDIR. Slices are sorted by position."""

    title: ClassVar[str] = "Read DICOM"
    category: ClassVar[str] = "read"

    modality: Literal["CT", "MR", "PT"] | None = Field(
        default=None, description="Look at series of this kind alone; PT is PET."
    )
    series: str | None = Field(
        default=None, description="Which one, where there are several: its number in the list, or SeriesInstanceUID."
    )
    on_error: Literal["fail", "skip"] = Field(
        default="fail", description="Whether a broken file ends the run or is left out with a warning."
    )

    def run(self, *, source: Path, job: Job) -> Volume:
        """Choose a series; pixels are decoded when they are asked for."""
        from datprl_toolkit.medical.opening import open_volume

        opened = open_volume(source, modality=self.modality, series=self.series, on_error=self.on_error)
        for line in opened.warnings:
            job.warn(line)
        return opened.volume


class ReadScene(Node):
    """Open a georeferenced raster lazily: GeoTIFF, COG, VRT, JPEG 2000 or Zarr."""

    title: ClassVar[str] = "Read a scene"
    category: ClassVar[str] = "read"

    nodata: float | None = Field(
        default=None, description="Stored value that marks missing data, where the file does not say."
    )

    def run(self, *, source: Path) -> Scene:
        """Read what the raster is; pixels are read when they are asked for."""
        from datprl_toolkit.remote_sensing import Scene

        return Scene.open(source, nodata=self.nodata)


class ReadPicture(Node):
    """Read a PNG, JPEG, WebP or BMP picture, turned upright as its EXIF orientation says."""

    title: ClassVar[str] = "Read a picture"
    category: ClassVar[str] = "read"

    def run(self, *, source: Path) -> Picture:
        """Read a picture."""
        from datprl_toolkit.images.picture import read_picture

        return read_picture(source)
