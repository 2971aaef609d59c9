"""Measures of image quality: pure functions of arrays, each with its formula, unit and source."""

from datprl_toolkit.reports.measures.edges import Edge, EdgeSpread, edge_spread, find_edges
from datprl_toolkit.reports.measures.hottest import HotRegion, Uptake, find_hottest, hot_region, uptake
from datprl_toolkit.reports.measures.noise import (
    NoisePower,
    Region,
    find_flat_regions,
    noise_power_spectrum,
    region_noise,
)
from datprl_toolkit.reports.measures.slices import SliceSteps

__all__ = [
    "Edge",
    "EdgeSpread",
    "HotRegion",
    "NoisePower",
    "Region",
    "SliceSteps",
    "Uptake",
    "edge_spread",
    "find_edges",
    "find_flat_regions",
    "find_hottest",
    "hot_region",
    "noise_power_spectrum",
    "region_noise",
    "uptake",
]
