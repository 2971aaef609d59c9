"""What an output says about how it was made: enough to make it again, and nothing about the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit import __version__
from datprl_toolkit.remote_sensing.scaling import describe_scaling
from datprl_toolkit.restoring.self_ensemble import SAID

if TYPE_CHECKING:
    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.scene import Tags
    from datprl_toolkit.restoring import Restorer

PREFIX = "DATPRL_"
JOB = f"{PREFIX}JOB"
"""The item that holds the fingerprint of the job, in a few digits."""


def provenance_tags(plan: Plan, restorer: Restorer) -> Tags:
    """Return the metadata items that an output of `plan` carries, written as text.

    Parameters
    ----------
    plan
        What was done.
    restorer
        With what.
    """
    product = {} if plan.product == "restored" else {f"{PREFIX}PRODUCT": "standard deviation over four flips"}
    asked = {} if restorer.task is None else {f"{PREFIX}TASK": restorer.task}
    mean = {f"{PREFIX}SELF_ENSEMBLE": SAID} if restorer.self_ensemble else {}
    return (
        product
        | asked
        | mean
        | {
            f"{PREFIX}MODEL": restorer.card.name,
            f"{PREFIX}WEIGHTS_SHA256": restorer.card.sha256,
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
