"""Evaluation: restored images against the truth, per image and per set, with confidence intervals."""

from datprl_toolkit.evaluation.evaluate import Evaluation, ImageSet, evaluate
from datprl_toolkit.evaluation.report import write_report
from datprl_toolkit.evaluation.sets import read_sets

__all__ = ["Evaluation", "ImageSet", "evaluate", "read_sets", "write_report"]
