"""Restore many satellite tiles into one Zarr store, from Python.

    python recipes/batch_restore_satellite.py 'tiles/**/*.tif' restored.zarr

Each tile becomes a georeferenced group of the store. Run it again after a failure or an interruption: what is done is
skipped. The command ``datprl restore-batch`` does the same and more.
"""

from __future__ import annotations

import sys

from datprl_toolkit.jobs import RestoreOptions
from datprl_toolkit.jobs.batch import restore_batch
from datprl_toolkit.restoring import Restorer


def main(sources: list[str], destination: str) -> int:
    """Restore `sources` and say what became of them; return the number of tiles that failed."""
    restorer = Restorer.from_pretrained("small", device="auto")
    outcome = restore_batch(sources, destination, restorer, RestoreOptions(strength=1.0), announce=print)
    for record in outcome.records:
        print(f"{record.status:7} {record.name}  {record.summary or record.message}")
    print(f"{len(outcome.done)} restored, {len(outcome.skipped)} done before, {len(outcome.failed)} failed")
    return len(outcome.failed)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(min(main(sys.argv[1:-1], sys.argv[-1]), 1))
