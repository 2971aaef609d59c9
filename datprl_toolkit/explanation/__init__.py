"""Explanation: what a network's prompts, representations and gates do with images (section 4.4 of the paper)."""

from datprl_toolkit.explanation.explain import Explanation, explain, write_explanation
from datprl_toolkit.explanation.gather import SampleSet, find_sets

__all__ = ["Explanation", "SampleSet", "explain", "find_sets", "write_explanation"]
