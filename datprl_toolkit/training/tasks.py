"""The sets of tasks of the paper's settings, in the order in which tables name them."""

from __future__ import annotations

from datprl_toolkit.weights.card import TASK_DOMAINS

TASKS: tuple[str, ...] = tuple(TASK_DOMAINS)
NOISY = ("ct_denoising", "pet_synthesis")
"""The tasks in which noise is taken away."""
DOMAINS: tuple[str, ...] = tuple(dict.fromkeys(TASK_DOMAINS.values()))

_ADDED = ("natural_deblurring", "pet_synthesis", "dehazing")
# The paper adds one task per domain to its six, in this order.
TASK_SETS: dict[str, tuple[str, ...]] = {
    f"md-{6 + more}t": tuple(task for task in TASKS if task not in _ADDED[more:]) for more in range(4)
}

KINDS: dict[str, str] = {
    "natural": "This is a natural image.",
    "mri": "This is an MRI image.",
    "ct": "This is a CT image.",
    "pet": "This is a PET image.",
    "remote_sensing": "This is a remote sensing image.",
}
"""The domains of table 5 of the paper, and the sentence that stands for each."""

KIND_KEYS = tuple(f"domain/{index:04d}" for index in range(len(KINDS)))
"""Keys under which the text features of these sentences are found."""

KIND_OF_TASK: dict[str, str] = {
    task: next((kind for kind in ("mri", "ct", "pet") if task.startswith(f"{kind}_")), domain)
    for task, domain in TASK_DOMAINS.items()
}
