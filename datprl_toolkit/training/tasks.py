"""The sets of tasks of the paper's settings, in the order in which tables name them."""

from __future__ import annotations

from datprl_toolkit.weights.card import TASK_DOMAINS

TASKS: tuple[str, ...] = tuple(TASK_DOMAINS)
DOMAINS: tuple[str, ...] = tuple(dict.fromkeys(TASK_DOMAINS.values()))

_ADDED = ("natural_deblurring", "pet_synthesis", "dehazing")
# The paper adds one task per domain to its six, in this order.
TASK_SETS: dict[str, tuple[str, ...]] = {
    f"md-{6 + more}t": tuple(task for task in TASKS if task not in _ADDED[more:]) for more in range(4)
}
