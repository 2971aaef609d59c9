"""The node that restores: the same function as the command line."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from datprl_nodes.node import Node
from datprl_toolkit.jobs import RestoreOptions, restore
from datprl_toolkit.restoring import Outcome, ProgressCallback, Restorer, silent


class Restore(Node):
    """Restore a DICOM series, a scene or pictures."""

    title: ClassVar[str] = "Restore"

    weights: str = Field(default="small", description="Name or path of the weights.")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1.")
    strength: float = Field(default=1.0, ge=0.0, le=1.0, description="Share of the network's change that is applied.")
    scale: int = Field(default=1, ge=1, le=8, description="Factor of enlargement (scenes and pictures).")
    overwrite: bool = Field(default=False, description="Whether an existing output may be replaced.")
    preview: Path | None = Field(default=None, description="PNG that shows input, restored and difference.")

    def run(self, *, source: Path, destination: Path, progress: ProgressCallback = silent) -> Outcome:  # type: ignore[override]
        """Restore `source` into `destination`.

        Parameters
        ----------
        source
            DICOM folder or file, raster, picture or folder of pictures.
        destination
            Folder for DICOM; ``.tif`` or ``.zarr`` for a scene; a picture or a folder.
        progress
            Told after each piece of work; an exception that it raises cancels.

        Raises
        ------
        DatprlError
            As :func:`datprl_toolkit.jobs.restore`.
        """
        options = RestoreOptions(
            strength=self.strength, scale=self.scale, overwrite=self.overwrite, preview=self.preview
        )
        load = partial(Restorer.from_pretrained, self.weights, device=self.device)
        return restore(source, destination, load, options, progress)
