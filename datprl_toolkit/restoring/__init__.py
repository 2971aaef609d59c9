"""Arrays in [0, 1] of any size: device, precision, batches, tiles with halo, context from a sample, memory."""

from datprl_toolkit.network import Context
from datprl_toolkit.restoring.outcome import Comparison, Outcome
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent
from datprl_toolkit.restoring.restorer import Restorer

__all__ = ["Comparison", "Context", "Outcome", "Progress", "ProgressCallback", "Restorer", "silent"]
