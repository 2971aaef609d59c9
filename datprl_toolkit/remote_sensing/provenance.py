"""What an output says about how it was made: enough to make it again, and nothing about the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit import __version__
from datprl_toolkit.remote_sensing.scaling import describe_scaling

if TYPE_CHECKING:
    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.scene import Tags

PREFIX = "DATPRL_"
JOB = f"{PREFIX}JOB"
"""The item that holds the fingerprint of the job, in a few digits."""


def provenance_tags(
    plan: Plan, model: str, weights_sha256: str, task: str | None = None, *, self_ensemble: bool = False
) -> Tags:
    """Return the metadata items that an output of `plan` carries, written as text.

    Parameters
    ----------
    plan
        What was done.
    model, weights_sha256
        Name of the weights, and the checksum of their file.
    task
        The task that was asked for; None if the network chose.
    self_ensemble
        Whether each tile is the mean over its mirror images.
    """
    product = {} if plan.product == "restored" else {f"{PREFIX}PRODUCT": "standard deviation over four flips"}
    asked = {} if task is None else {f"{PREFIX}TASK": task}
    mean = {f"{PREFIX}SELF_ENSEMBLE": "mean over four mirror images"} if self_ensemble else {}
    return (
        product
        | asked
        | mean
        | {
            f"{PREFIX}MODEL": model,
            f"{PREFIX}WEIGHTS_SHA256": weights_sha256,
            f"{PREFIX}VERSION": __version__,
            f"{PREFIX}BANDS": ",".join(map(str, plan.restored)),
            f"{PREFIX}SCALING": describe_scaling(plan.profile),
            f"{PREFIX}STRENGTH": f"{plan.strength:g}",
            f"{PREFIX}SCALE": str(plan.factor),
            f"{PREFIX}TILE": str(plan.tile),
            f"{PREFIX}HALO": str(plan.overlap),
            f"{PREFIX}CONTEXT": plan.context,
        }
    )
