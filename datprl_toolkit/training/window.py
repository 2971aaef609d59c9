"""What one line of the log summarises: sums over some steps."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor


@dataclass
class Window:
    """Sums over the steps that one line of the log summarises."""

    steps: int = 0
    data_seconds: float = 0.0
    terms: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    errors: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    gradient: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def add(self, tasks: Sequence[str], error: Tensor, terms: Mapping[str, float], gradient: float) -> None:
        """Add a step: the mean absolute error of each image (B,), the loss terms and the norm of the gradient."""
        self.steps += 1
        self.gradient += gradient
        for name, value in terms.items():
            self.terms[name] += value
        for task, value in zip(tasks, error.tolist(), strict=True):
            self.errors[task].append(value)

    def means(self) -> dict[str, Any]:
        """Return speed, share of the data, and the means of what was added, as plain values."""
        seconds = time.perf_counter() - self.started
        return {
            "steps_per_second": self.steps / seconds,
            "data_share": self.data_seconds / seconds,
            "gradient_norm": self.gradient / self.steps,
            "loss": {name: value / self.steps for name, value in self.terms.items()},
            "error": {task: float(np.mean(values)) for task, values in sorted(self.errors.items())},
        }
