"""What a CT series costs beyond its network: reading, mapping, writing, each beside the time of the network.

    python benchmarks/bench_series.py CT_SERIES --slices 100 --weights small

A series of the wanted length is made of the slices of CT_SERIES, repeated at new positions under new identifiers, and
restored as `datprl restore` does. Every part is timed in the same run, without the parts within it. Times are those in
which processors were busy, which other programs on the machine disturb little.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pydicom
from pydicom.uid import generate_uid

from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.medical import restore as medical_restore
from datprl_toolkit.medical.volume import Slice
from datprl_toolkit.medical.write import SeriesWriter
from datprl_toolkit.network import DatprlNetwork
from datprl_toolkit.restoring import Restorer

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = (
    ("network", DatprlNetwork, "forward"),
    ("network for the context", DatprlNetwork, "context"),
    ("finding the files", medical_restore, "scan"),
    ("survey of the values", medical_restore, "survey"),
    ("reading", Slice, "read_stored"),
    ("mapping to [0, 1]", IntensityProfile, "to_unit"),
    ("mapping back", IntensityProfile, "apply"),
    ("writing", SeriesWriter, "write"),
)


class Stopwatch:
    """Time in which processors were busy, by part; what a part calls that is a part itself is not counted twice."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._running: list[str] = []
        self._since = 0.0

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, its time counted."""

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            self._book()
            self._running.append(name)
            try:
                return function(*arguments, **named)
            finally:
                self._book()
                self._running.pop()

        return timed

    def _book(self) -> None:
        now = time.process_time()
        if self._running:
            self.parts[self._running[-1]] = self.parts.get(self._running[-1], 0.0) + now - self._since
        self._since = now


def main() -> None:
    """Measure, print a table, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", type=Path, help="folder with a CT series of single images")
    parser.add_argument("--slices", type=int, default=100, help="slices of the series to restore")
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    restorer = Restorer.from_pretrained(arguments.weights)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        make_series(arguments.series, source, arguments.slices)
        parts = measure(source, Path(folder) / "restored", restorer)
    total = sum(parts.values())
    network = parts["network"] + parts["network for the context"]
    print(f"{arguments.slices} slices, {restorer.describe()}")
    for name, seconds in sorted(parts.items(), key=lambda part: -part[1]):
        print(f"{name:<26}{seconds:>9.2f} s{seconds / network:>9.1%} of the network")
    print(f"{'all':<26}{total:>9.2f} s, overhead over the network alone {total / network - 1:.1%}")
    if arguments.json:
        figures = {"slices": arguments.slices, "weights": restorer.card.name, "parts": parts}
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def make_series(source: Path, destination: Path, slices: int) -> None:
    """Write a series of any length from the images of one, in order of their instance numbers."""
    images = sorted((pydicom.dcmread(path) for path in source.glob("*.dcm")), key=lambda image: image.InstanceNumber)
    spacing = float(images[1].ImagePositionPatient[2]) - float(images[0].ImagePositionPatient[2])
    corner = [float(value) for value in images[0].ImagePositionPatient]
    series = generate_uid()
    destination.mkdir()
    for place, image in zip(range(slices), itertools.cycle(images), strict=False):
        image.SeriesInstanceUID = series
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.InstanceNumber = place + 1
        image.ImagePositionPatient = [corner[0], corner[1], round(corner[2] + place * spacing, 4)]
        if "SliceLocation" in image:
            image.SliceLocation = image.ImagePositionPatient[2]
        image.save_as(destination / f"{place:04d}.dcm")


def measure(source: Path, destination: Path, restorer: Restorer) -> dict[str, float]:
    """Restore a series and return the seconds of each part."""
    watch = Stopwatch()
    with ExitStack() as stack:
        for name, owner, attribute in PARTS:
            timed = watch.around(name, getattr(owner, attribute))
            stack.enter_context(patch.object(owner, attribute, timed))
        watch.around("the rest", medical_restore.restore_dicom)(source, destination, restorer)
    return watch.parts


if __name__ == "__main__":
    main()
