"""Nodes that write: from values to files in a chosen format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from datprl_nodes.node import Job, Node

if TYPE_CHECKING:
    from datprl_toolkit.images.picture import Picture
    from datprl_toolkit.medical import Volume
    from datprl_toolkit.remote_sensing import Scene


class WriteDicom(Node):
    """Put the images of a series into a folder of their own."""

    title: ClassVar[str] = "Write DICOM"
    category: ClassVar[str] = "write"

    def run(self, *, volume: Volume, job: Job) -> Path:
        """Write the images as they are."""
        from datprl_nodes.values import KINDS

        target = job.folder / "series"
        KINDS["Volume"].deliver(volume, target, overwrite=False)
        return target


class WriteNifti(Node):
    """Write a series as NIfTI with its values and its place in space; nothing about the patient is carried over."""

    title: ClassVar[str] = "Write NIfTI"
    category: ClassVar[str] = "write"
    suffix: ClassVar[str] = ".nii"

    def run(self, *, volume: Volume, job: Job) -> Path:
        """Write the voxels and the affine as dcm2niix does."""
        from datprl_toolkit.medical.nifti_export import write_nifti

        target = job.folder / "volume.nii"
        write_nifti(volume, target, progress=job.progress)
        return target


class WriteGeotiff(Node):
    """Write a scene as a cloud-optimised GeoTIFF with overviews."""

    title: ClassVar[str] = "Write GeoTIFF"
    category: ClassVar[str] = "write"
    suffix: ClassVar[str] = ".tif"

    def run(self, *, scene: Scene, job: Job) -> Path:
        """Write all bands and metadata."""
        from datprl_toolkit.remote_sensing.rewriting import copy_scene

        return copy_scene(scene, job.folder / "scene.tif", progress=job.progress).path


class WriteZarr(Node):
    """Write a scene as a sharded Zarr 3 store with its georeference."""

    title: ClassVar[str] = "Write Zarr"
    category: ClassVar[str] = "write"
    suffix: ClassVar[str] = ".zarr"

    def run(self, *, scene: Scene, job: Job) -> Path:
        """Write all bands and metadata."""
        from datprl_toolkit.remote_sensing.rewriting import copy_scene

        return copy_scene(scene, job.folder / "scene.zarr", progress=job.progress).path


class WritePicture(Node):
    """Write a picture as PNG."""

    title: ClassVar[str] = "Write a picture"
    category: ClassVar[str] = "write"
    suffix: ClassVar[str] = ".png"

    def run(self, *, picture: Picture, job: Job) -> Path:
        """Write the pixels without loss, with transparency and metadata."""
        from datprl_toolkit.images.picture import write_picture

        target = job.folder / "picture.png"
        write_picture(target, picture)
        return target
