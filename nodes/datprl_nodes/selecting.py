"""Nodes that choose a part, or bring values into a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from datprl_nodes.node import Job, Node

if TYPE_CHECKING:
    from datprl_toolkit.images.picture import Picture
    from datprl_toolkit.medical import Volume
    from datprl_toolkit.remote_sensing import Scene


class SelectSlices(Node):
    """Keep the slices of a volume from one number to another, counted from 1 along the normal."""

    title: ClassVar[str] = "Select slices"
    category: ClassVar[str] = "select"

    first: int = Field(default=1, ge=1, description="First slice that is kept.")
    last: int | None = Field(default=None, ge=1, description="Last slice that is kept; left out: the last of all.")

    def run(self, *, volume: Volume) -> Volume:
        """Choose slices; no pixel is read."""
        from datprl_toolkit.medical.opening import select_slices

        return select_slices(volume, self.first, self.last)


class SelectBands(Node):
    """Keep some bands of a scene, in the given order; alpha always comes along."""

    title: ClassVar[str] = "Select bands"
    category: ClassVar[str] = "select"

    bands: tuple[int, ...] = Field(min_length=1, description="Numbers of the bands, from 1, such as [4, 3, 2].")

    def run(self, *, scene: Scene, job: Job) -> Scene:
        """Write the chosen bands."""
        from datprl_toolkit.remote_sensing.rewriting import select_scene

        return select_scene(scene, job.folder / "scene.tif", bands=self.bands, progress=job.progress)


class SelectWindow(Node):
    """Cut a rectangle of pixels out of a scene; its place on the ground stays true."""

    title: ClassVar[str] = "Select a window"
    category: ClassVar[str] = "select"

    top: int = Field(default=0, ge=0, description="First row, from 0.", json_schema_extra={"unit": "pixels"})
    left: int = Field(default=0, ge=0, description="First column, from 0.", json_schema_extra={"unit": "pixels"})
    height: int = Field(default=1024, ge=1, description="Number of rows.", json_schema_extra={"unit": "pixels"})
    width: int = Field(default=1024, ge=1, description="Number of columns.", json_schema_extra={"unit": "pixels"})

    def run(self, *, scene: Scene, job: Job) -> Scene:
        """Write the rectangle."""
        from datprl_toolkit.remote_sensing.rewriting import select_scene
        from datprl_toolkit.restoring.tiling import Window

        window = Window(self.top, self.top + self.height, self.left, self.left + self.width)
        return select_scene(scene, job.folder / "scene.tif", window=window, progress=job.progress)


class StackBands(Node):
    """Put the bands of several scenes on one grid into one scene, in the given order."""

    title: ClassVar[str] = "Stack bands"
    category: ClassVar[str] = "select"

    def run(self, *, scenes: tuple[Scene, ...], job: Job) -> Scene:
        """Write all bands of all scenes."""
        from datprl_toolkit.remote_sensing.combining import stack_scenes

        return stack_scenes(scenes, job.folder / "scene.tif", names=job.labels.get("scenes"), progress=job.progress)


class Mosaic(Node):
    """Put scenes that share a grid side by side; where they overlap, the first with data counts."""

    title: ClassVar[str] = "Make a mosaic"
    category: ClassVar[str] = "select"

    def run(self, *, scenes: tuple[Scene, ...], job: Job) -> Scene:
        """Write the area that the scenes cover together."""
        from datprl_toolkit.remote_sensing.combining import mosaic_scenes

        return mosaic_scenes(scenes, job.folder / "scene.tif", progress=job.progress)


class MapIntensities(Node):
    """Turn one slice of a volume into a 16-bit picture: a window of its unit becomes black to white."""

    title: ClassVar[str] = "Map intensities to a picture"
    category: ClassVar[str] = "select"

    number: int | None = Field(default=None, ge=1, description="Number of the slice, from 1; left out: the middle.")
    low: float = Field(
        default=-160.0, description="Value shown as black.", json_schema_extra={"unit": "HU, Bq/ml or SUV"}
    )
    high: float = Field(
        default=240.0, description="Value shown as white.", json_schema_extra={"unit": "HU, Bq/ml or SUV"}
    )

    def run(self, *, volume: Volume) -> Picture:
        """Map one slice."""
        from datprl_toolkit.jobs.look import window_slice

        return window_slice(volume, self.number, self.low, self.high)
