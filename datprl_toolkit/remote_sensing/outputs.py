"""The two formats of an output, from the first file to the last: what is created, who writes, how it is finished."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from datprl_toolkit.remote_sensing.provenance import PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.remote_sensing.cog import CogWriter
    from datprl_toolkit.remote_sensing.manifest import Manifest
    from datprl_toolkit.remote_sensing.options import ZarrProfile
    from datprl_toolkit.remote_sensing.scene import Scene, Tags
    from datprl_toolkit.remote_sensing.staging import Stage
    from datprl_toolkit.remote_sensing.writing import SceneWriter
    from datprl_toolkit.remote_sensing.zarr_writing import ZarrWriter


class Output(Protocol):
    """An output that is being made in a stage."""

    @property
    def writer(self) -> SceneWriter:
        """What takes the shards."""
        ...

    def create(self) -> None:
        """Make all that must be there before the first shard."""
        ...

    def finish(self, manifest: Manifest) -> None:
        """Make the output whole, once all shards are there."""
        ...


@dataclass(frozen=True, slots=True)
class ZarrOutput:
    """A Zarr store, into which the shards are written where they will stay.

    Parameters
    ----------
    stage
        Where it is made.
    target
        The scene that is written.
    provenance
        Attributes that say how it was made.
    profile
        Which readers it is for.
    """

    stage: Stage
    target: Scene
    provenance: Tags
    profile: ZarrProfile

    @property
    def writer(self) -> SceneWriter:
        """What takes the shards."""
        return self._writer()

    def create(self) -> None:
        """Create the store with all its metadata."""
        from datprl_toolkit.remote_sensing.zarr_writing import create_store

        create_store(self.stage.store, self._writer().layout, self.provenance)

    def finish(self, manifest: Manifest) -> None:
        """Make the coarsest levels and write the manifest."""
        self._writer().finish(manifest)

    def _writer(self) -> ZarrWriter:
        from datprl_toolkit.remote_sensing.zarr_layout import Layout
        from datprl_toolkit.remote_sensing.zarr_writing import ZarrWriter

        return ZarrWriter(self.stage.store, Layout(_described(self.target, self.provenance), self.profile))


@dataclass(frozen=True, slots=True)
class CogOutput:
    """A cloud-optimised GeoTIFF, made at the end from shards in files of their own.

    Parameters
    ----------
    stage, target, provenance
        As for :class:`ZarrOutput`.
    """

    stage: Stage
    target: Scene
    provenance: Tags

    @property
    def writer(self) -> SceneWriter:
        """What takes the shards."""
        return self._writer()

    def create(self) -> None:
        """Create the folder for the shards."""
        shutil.rmtree(self.stage.store, ignore_errors=True)
        self.stage.store.mkdir()

    def finish(self, manifest: Manifest) -> None:
        """Lay out the COG with the checksums in its header."""
        self._writer().finish(self.stage.output, manifest)

    def _writer(self) -> CogWriter:
        from datprl_toolkit.remote_sensing.cog import CogWriter

        return CogWriter(self.stage.store, _described(self.target, self.provenance), self.stage.destination)


def _described(target: Scene, provenance: Tags) -> Scene:
    """Return the scene with its provenance among its tags, and without that of what it was made from."""
    own = {key: value for key, value in target.tags.get("", {}).items() if not key.startswith(PREFIX)}
    return replace(target, tags={**target.tags, "": own | provenance})


def is_zarr_output(destination: Path) -> bool:
    """Tell whether an output is written as Zarr."""
    return destination.suffix.lower() == ".zarr"
