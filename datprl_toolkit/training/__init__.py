"""Training: losses, balanced batches, trainer. It needs torch and numpy once the data are prepared."""

from datprl_toolkit.training.configuration import TrainingConfig, override, training_preset
from datprl_toolkit.training.losses import LossWeights
from datprl_toolkit.training.prepared import PreparedData, load_prepared
from datprl_toolkit.training.tasks import DOMAINS, TASK_SETS, TASKS
from datprl_toolkit.training.trainer import Trainer

__all__ = [
    "DOMAINS",
    "TASKS",
    "TASK_SETS",
    "LossWeights",
    "PreparedData",
    "Trainer",
    "TrainingConfig",
    "load_prepared",
    "override",
    "training_preset",
]
