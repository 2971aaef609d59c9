"""The manifest that an output carries: the checksum of every piece, and which parts of the input were unreadable."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import zarr

from datprl_toolkit.errors import InputError
from datprl_toolkit.remote_sensing.journal import Fingerprint, as_entry, as_numbers, as_piece
from datprl_toolkit.remote_sensing.provenance import JOB
from datprl_toolkit.remote_sensing.windows import split, whole
from datprl_toolkit.remote_sensing.writing import Piece
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

GROUP = "_datprl"
_FORMAT = 1

CHECKSUMS_TAG, UNREADABLE_TAG = "DATPRL_CHECKSUMS", "DATPRL_UNREADABLE"

_DIGEST_BYTES = 16  # half of a SHA-256 keeps the header of a file of thousands of shards small


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an output knows of itself.

    Parameters
    ----------
    fingerprint
        Of the job that made it.
    pieces
        Every piece with its checksum.
    unreadable
        Windows of the input that could not be read.
    """

    fingerprint: Fingerprint
    pieces: tuple[Piece, ...]
    unreadable: tuple[Window, ...] = ()

    def with_pieces(self, more: Iterable[Piece]) -> Manifest:
        """Return the manifest with further pieces."""
        return replace(self, pieces=(*self.pieces, *more))


def zarr_manifest(folder: Path, manifest: Manifest, zarr_format: Any) -> None:
    """Write a manifest into a store, as the attributes of a group of its own: every reader of Zarr skips it."""
    attributes: dict[str, Any] = {
        "format": _FORMAT,
        "fingerprint": manifest.fingerprint,
        "pieces": [as_entry(piece) for piece in manifest.pieces],
        "unreadable": [as_numbers(window) for window in manifest.unreadable],
    }
    zarr.open_group(folder / GROUP, mode="w", zarr_format=zarr_format).attrs.put(attributes)


def read_zarr_manifest(folder: Path) -> Manifest | None:
    """Read what :func:`zarr_manifest` wrote; None if the store has none."""
    try:
        attributes: dict[str, Any] = dict(zarr.open_group(folder / GROUP, mode="r").attrs)
    except FileNotFoundError:
        return None
    if attributes.get("format") != _FORMAT:
        return None
    return Manifest(
        fingerprint=attributes["fingerprint"],
        pieces=tuple(as_piece(entry) for entry in attributes["pieces"]),
        unreadable=tuple(Window(*numbers) for numbers in attributes["unreadable"]),
    )


@dataclass(frozen=True, slots=True)
class Mark:
    """What a finished output says of the run that made it.

    Parameters
    ----------
    job
        The fingerprint in a few digits; None if the output carries none.
    unreadable
        Windows of the input that could not be read.
    """

    job: str | None
    unreadable: tuple[Window, ...] = ()


def read_mark(output: Path) -> Mark:
    """Read what an output says of the run that made it, without its pixels."""
    if output.is_dir():
        try:
            job: Any = zarr.open_group(output, mode="r").attrs.get(JOB)
            manifest = read_zarr_manifest(output)
        except (OSError, ValueError, KeyError):
            return Mark(None)
        return Mark(None if job is None else str(job), () if manifest is None else manifest.unreadable)
    tags = _tags(output)
    listed = json.loads(tags.get(UNREADABLE_TAG, "[]"))
    return Mark(tags.get(JOB), tuple(Window(*numbers) for numbers in listed))


def _tags(path: Path) -> dict[str, str]:
    from datprl_toolkit.remote_sensing.raster_reading import open_raster

    try:
        with open_raster(path) as dataset:
            return dict(dataset.tags())
    except InputError:
        return {}


def unreadable_tag(windows: Iterable[Window]) -> str:
    """Return windows in a line."""
    return json.dumps([as_numbers(window) for window in windows], separators=(",", ":"))


def checksums_tag(pieces: Iterable[Piece], shard: int) -> str:
    """Return the checksums of the shards of a file in a line that fits into its header.

    The side of a shard, then in base 64 the first 16 bytes of the SHA-256 of each, row by row.
    """
    ordered = sorted(pieces, key=lambda piece: (piece.window.top, piece.window.left))
    digests = b"".join(bytes.fromhex(piece.sha256)[:_DIGEST_BYTES] for piece in ordered)
    return f"sha256/{8 * _DIGEST_BYTES} {shard} {base64.b64encode(digests).decode()}"


def read_checksums_tag(text: str, shape: tuple[int, int]) -> tuple[Piece, ...] | None:
    """Return the pieces that :func:`checksums_tag` described, their checksums cut short; None if they do not fit.

    Parameters
    ----------
    text
        The line.
    shape
        Height and width of the raster.
    """
    kind, _, rest = text.partition(" ")
    side, _, encoded = rest.partition(" ")
    try:
        digests = base64.b64decode(encoded, validate=True)
        windows = list(split(whole(shape), int(side)))
    except ValueError:
        return None
    if kind != f"sha256/{8 * _DIGEST_BYTES}" or len(digests) != _DIGEST_BYTES * len(windows):
        return None
    parts = (digests[start : start + _DIGEST_BYTES] for start in range(0, len(digests), _DIGEST_BYTES))
    return tuple(Piece("", window, digest.hex()) for window, digest in zip(windows, parts, strict=True))
