"""Whether tile and batch size want to be measured at every start, or one choice is as good as any.

    python benchmarks/bench_tiles.py --weights small

Restores an image of noise in tiles of several sizes with the default halo, and images of several sizes in batches of
several lengths, in turn. Times are those in which processors were busy, the best of the repeats, for a pixel that is
kept; a halo is restored and thrown away. The defaults are marked.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.restoring import Restorer
from datprl_toolkit.restoring.restorer import CPU_BATCH_PIXELS, DEFAULT_HALO, DEFAULT_TILE

if TYPE_CHECKING:
    from collections.abc import Callable

CONTEXT = 256
BATCHES = (1, 2, 4, 8, 16)


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--size", type=int, default=1024, help="edge of the image that is cut into tiles")
    parser.add_argument("--tiles", type=int, nargs="+", default=[128, 256, 512, 1024], help="edges of tiles")
    parser.add_argument("--images", type=int, nargs="+", default=[64, 128, 256], help="edges of images in batches")
    parser.add_argument("--repeats", type=int, default=2, help="runs of each")
    arguments = parser.parse_args()
    restorer = Restorer.from_pretrained(arguments.weights)
    noise = np.random.default_rng(0).random((BATCHES[-1], 3, arguments.size, arguments.size), dtype=np.float32)
    context = restorer.context(noise[:1, :, :CONTEXT, :CONTEXT])
    in_tiles: dict[str, Callable[[], object]] = {
        f"tiles of {tile}{' (default)' * (tile == DEFAULT_TILE)}": (
            partial(restorer.restore_tiled, noise[0], context, tile=tile, halo=DEFAULT_HALO)
        )
        for tile in arguments.tiles
    }
    show(in_tiles, arguments.size**2, arguments.repeats)
    for edge in arguments.images:
        images = noise[..., :edge, :edge]
        in_batches: dict[str, Callable[[], object]] = {}
        for length in BATCHES:
            chosen = Restorer(restorer.network, restorer.card, device=str(restorer.device), batch_size=length)
            default = min(BATCHES[-1], CPU_BATCH_PIXELS // edge**2) == length
            name = f"images of {edge} in batches of {length}{' (default)' * default}"
            in_batches[name] = partial(chosen.restore_batch, images, context)
        show(in_batches, images[:, 0].size, arguments.repeats)


def show(calls: dict[str, Callable[[], object]], pixels: int, repeats: int) -> None:
    """Time calls in turn and print each beside the best."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(repeats):
        for name, call in calls.items():
            began = time.process_time()
            call()
            best[name] = min(best[name], time.process_time() - began)
    fastest = min(best.values())
    for name, seconds in best.items():
        print(
            f"{name:<44}{seconds / pixels * 1e6:>8.2f} s a megapixel{seconds / fastest:>8.2f} of the best", flush=True
        )


if __name__ == "__main__":
    main()
