"""For tests, of this package and of others: a small report with known values."""

from __future__ import annotations

import numpy as np

from datprl_toolkit.reports.gather import Images, Search, Values, add_steps, measure_noise
from datprl_toolkit.reports.measures import SliceSteps, hot_region, uptake
from datprl_toolkit.reports.report import HotPair, Measured, Network, Part, Prompts, Report, Shown
from datprl_toolkit.restoring.checks import Check

SIDE = 96
LOW, HIGH = -160.0, 240.0


def slices() -> list[Images]:
    """Return three slices: 40 HU with noise of 20 before and 10 after, and a square that rises from 40 to 140 HU."""
    generator = np.random.default_rng(0)
    images = []
    for _ in range(3):
        noise = np.rint(generator.normal(0, 20, (SIDE, SIDE)))
        before = 40.0 + noise
        after = 40.0 + np.rint(noise / 2)
        before[8:24, 8:24], after[8:24, 8:24] = 40.0, 140.0
        before[:, 60:] += 120.0
        after[:, 60:] += 120.0
        images.append(Images(before, after, np.ones((SIDE, SIDE), bool)))
    return images


def example_report(unit: str = "HU", *, fails: bool = False) -> Report:
    """Return a report of one part with everything in it."""
    pairs, values, steps = slices(), Values(LOW, HIGH), SliceSteps()
    for index, pair in enumerate(pairs):
        values.add(index, pair)
        add_steps(steps, pair, LOW, HIGH, follows=index > 0)
    search = Search(16, 13, -120.0, 200.0, LOW, HIGH, 60.0, (0.8, 0.8))
    regions, noise, edges = measure_noise(enumerate(pairs), search, lambda region: f"slice {region.frame + 1}")
    box = np.stack([pair.before for pair in pairs]) + 200.0
    region = hot_region(box, (1, 40, 40))
    hot = HotPair("slice 2", 1.5, uptake(box, region, (3.0, 0.8, 0.8)), uptake(box * 0.9, region, (3.0, 0.8, 0.8)))
    measured = Measured(values.change(), values.histogram(), regions, noise, edges, (hot,), steps)
    part = Part(
        title="CT, 3 slices of 96 x 96",
        facts=(("Convolution kernel", "<SOFT>"), ("Stored unit", unit)),
        unit=unit,
        length="mm",
        spacing=(0.8, 0.8),
        low=LOW,
        high=HIGH,
        shown=tuple(
            Shown(f"slice {index + 1} of 3", pair.before.astype(np.float32), pair.after.astype(np.float32), index)
            for index, pair in enumerate(pairs)
        ),
        measured=measured,
        checks=(
            Check("Pixel spacing", holds=not fails, found="largest difference 0 mm"),
            Check("SUV factor", holds=None, found="it cannot be computed"),
        ),
        windows=(("bone", -450.0, 1050.0),),
        network=Network(
            prompts=(Prompts("task", 15, ((4, 0.75, 0.9), (2, 0.25, -0.1))),),
            gates=(("middle.0", 0.6, 0.4),),
            sampled="3 slices",
            shared=steps,
            own=steps,
            run="slices 1 to 3 of 3",
        ),
        warnings=("W_TILT: <the slices are sheared>",),
    )
    return Report("CT, 3 slices of 96 x 96", (("Weights", "small"),), (part,), ("W_DUPLICATE: 2 copies",))
