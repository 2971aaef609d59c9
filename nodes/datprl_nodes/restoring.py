"""Nodes that restore: the same functions as the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from datprl_nodes.node import Job, Node

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from datprl_toolkit.images.picture import Picture
    from datprl_toolkit.medical import Volume
    from datprl_toolkit.remote_sensing import Scene
    from datprl_toolkit.restoring import Outcome, Restorer


class Restoration(Node):
    """What all nodes that restore have in common."""

    category: ClassVar[str] = "restore"

    weights: str = Field(default="small", description="Name or path of the weights.")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Precision of the network; auto is float32."
    )
    strength: float = Field(default=1.0, ge=0.0, le=1.0, description="Share of the network's change that is applied.")
    self_ensemble: bool = Field(
        default=False, description="Mean over four mirror images: closer to the truth, four times as long."
    )

    def fingerprint(self) -> Mapping[str, str]:
        """Return the checksum of the weights, whatever they are called; the device does not decide."""
        from datprl_toolkit.weights import find_weights, read_card

        return {"weights": read_card(find_weights(self.weights)).sha256, "device": "any"}

    def device_used(self) -> str:
        """Return the device on which the network runs; it is used to capacity."""
        from datprl_toolkit.restoring.device import choose_device

        return str(choose_device(self.device))

    @property
    def asked_task(self) -> str | None:
        """The task that the network is asked for; None where it chooses."""
        return None

    def restorer(self) -> Restorer:
        """Load the weights."""
        from datprl_toolkit.restoring import Restorer

        return Restorer.from_pretrained(
            self.weights,
            device=self.device,
            precision=self.precision,
            task=self.asked_task,
            self_ensemble=self.self_ensemble,
        )


class Enlargement(Restoration):
    """What nodes share that restore in tiles and may enlarge."""

    task: (
        Literal[
            "natural_super_resolution",
            "natural_deraining",
            "natural_deblurring",
            "remote_sensing_super_resolution",
            "cloud_removal",
            "dehazing",
        ]
        | None
    ) = Field(default=None, description="What is wrong with the image; left out: the network sees for itself.")
    scale: int = Field(default=1, ge=1, le=4, description="Factor of enlargement of both axes.")
    tile: int = Field(
        default=512, ge=64, le=8192, description="Edge of a tile of the output.", json_schema_extra={"unit": "pixels"}
    )
    halo: int = Field(
        default=64, ge=0, le=1024, description="How far a tile looks beyond its edge.",
        json_schema_extra={"unit": "pixels"},
    )  # fmt: skip

    @property
    def asked_task(self) -> str | None:
        """The task that a person sees to be one."""
        return self.task


class RestoreVolume(Restoration):
    """Restore a CT, MR or PET series: noise, resolution or counts, by modality. The unit and geometry stay."""

    title: ClassVar[str] = "Restore a volume"

    private: Literal["keep", "quant", "drop"] = Field(
        default="quant", description="Private tags to carry over: all, those that quantities need, or none."
    )

    def run(self, *, volume: Volume, job: Job) -> Volume:
        """Restore a volume into a new, derived series."""
        from datprl_toolkit.medical import DicomOptions
        from datprl_toolkit.medical.opening import open_volume
        from datprl_toolkit.medical.restore import restore_volume

        options = DicomOptions(strength=self.strength, private=self.private)
        folder = job.folder / "series"
        _warn(restore_volume(volume, folder, self.restorer(), options, job.progress), job)
        return open_volume(folder).volume


class RestoreScene(Enlargement):
    """Restore a georeferenced scene of any size in tiles that share one context. Grid and metadata stay."""

    title: ClassVar[str] = "Restore a scene"

    bands: tuple[int, ...] | None = Field(
        default=None, description="The three bands to restore as red, green, blue, or the one; left out: found."
    )
    other_bands: Literal["copy", "drop"] = Field(default="copy", description="What happens to the other bands.")
    scaling: str | None = Field(
        default=None,
        description="Stored values seen as [0, 1]: uint8, reflectance:10000[,offset:-1000], minmax:a,b, percentile; "
        "left out: by type.",
    )
    format: Literal["tif", "zarr"] = Field(default="tif", description="Cloud-optimised GeoTIFF or Zarr store.")

    def run(self, *, scene: Scene, job: Job) -> Scene:
        """Restore a scene into a new one on the same ground."""
        from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
        from datprl_toolkit.remote_sensing.storage import as_stored

        options = SceneOptions(
            strength=self.strength,
            bands=self.bands,
            other_bands=self.other_bands,
            scaling=self.scaling,
            scale=self.scale,
            tile=self.tile,
            halo=self.halo,
            nodata=as_stored(scene.nodata, scene.dtype),
        )
        target = job.folder / f"scene.{self.format}"
        _warn(restore_scene(scene.path, target, self.restorer(), options, job.progress), job)
        return Scene.open(target)


class RestorePicture(Enlargement):
    """Restore a photo or any other picture: rain, blur, haze, resolution. Transparency and metadata stay."""

    title: ClassVar[str] = "Restore a picture"

    def run(self, *, picture: Picture, job: Job) -> Picture:
        """Restore a picture."""
        from datprl_toolkit.images.restore import ImageOptions, restore_picture

        options = ImageOptions(strength=self.strength, scale=self.scale, tile=self.tile, halo=self.halo)
        return restore_picture(picture, self.restorer(), options, job.progress)


class Restore(Restoration):
    """Restore whatever it is, found out from its content: DICOM, NIfTI, a scene, a picture or a folder of them."""

    title: ClassVar[str] = "Restore files"
    suffix: ClassVar[str | None] = None

    scale: int = Field(default=1, ge=1, le=4, description="Factor of enlargement of both axes (scenes, pictures).")
    quantity: Literal["hu", "suv", "bqml", "mr"] | None = Field(
        default=None, description="What the values are, which NIfTI does not say."
    )

    def run(self, *, source: Path, job: Job) -> Path:
        """Restore a file or folder as ``datprl restore`` does."""
        from datprl_toolkit.jobs import RestoreOptions, restore
        from datprl_toolkit.jobs.identify import identify

        options = RestoreOptions(strength=self.strength, scale=self.scale, quantity=self.quantity)
        known = {"dicom": "", "raster": ".tif", "nifti": ".nii"}
        suffix = known.get(identify(source), source.suffix if source.is_file() else "")
        target = job.folder / f"restored{suffix}"
        _warn(restore(source, target, self.restorer, options, job.progress), job)
        return target


def _warn(outcome: Outcome, job: Job) -> None:
    for line in outcome.warnings:
        job.warn(line)
