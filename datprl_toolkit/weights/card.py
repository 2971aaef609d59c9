"""The card that weights carry: what network they are for, what they can restore, and where they come from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from datprl_toolkit.network import NetworkConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

Domain = Literal["natural", "medical", "remote_sensing"]

TASK_DOMAINS: Mapping[str, Domain] = {
    "natural_super_resolution": "natural",
    "natural_deraining": "natural",
    "natural_deblurring": "natural",
    "mri_super_resolution": "medical",
    "ct_denoising": "medical",
    "pet_synthesis": "medical",
    "remote_sensing_super_resolution": "remote_sensing",
    "cloud_removal": "remote_sensing",
    "dehazing": "remote_sensing",
}
"""The nine tasks of the paper and the domain of each."""

FORMAT = "datprl-weights-1"


@dataclass(frozen=True, slots=True)
class TaskCard:
    """One task that the weights were trained for, and how well they do it.

    Parameters
    ----------
    name
        One of the nine tasks of the paper.
    low, high, unit
        The values that were mapped to 0 and 1 in training; None where they depend on the image.
    images
        Number of validation images behind the figures.
    psnr_input, psnr_output
        Mean PSNR in dB of the degraded and of the restored validation images; None where not measured.
    ssim_input, ssim_output
        The same for SSIM.
    note
        What a reader must know, such as how training and validation were split.
    """

    name: str
    low: float | None = None
    high: float | None = None
    unit: str = "1"
    images: int = 0
    psnr_input: float | None = None
    psnr_output: float | None = None
    ssim_input: float | None = None
    ssim_output: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.name not in TASK_DOMAINS:
            msg = f"unknown task {self.name!r}; the tasks are {', '.join(TASK_DOMAINS)}"
            raise ValueError(msg)

    @property
    def domain(self) -> Domain:
        """Domain of the task's images."""
        return TASK_DOMAINS[self.name]


@dataclass(frozen=True, slots=True)
class WeightsCard:
    """What weights say of themselves.

    Parameters
    ----------
    name
        Short name, such as "small".
    config
        Configuration of the network.
    tasks
        What the weights were trained for; empty where nobody knows.
    description
        One line for lists.
    licence
        Licence of the weights, as strict as the strictest of their sources.
    intended_use
        What the weights may be used for.
    training_data
        One line per source, with its terms.
    training
        How they were trained: steps, schedule, losses, the command.
    version
        Version of the package that wrote them.
    sha256
        Of the file; known only of weights that were read from one.
    """

    name: str
    config: NetworkConfig
    tasks: tuple[TaskCard, ...] = ()
    description: str = ""
    licence: str = "unknown"
    intended_use: str = "Research use. Not for diagnosis."
    training_data: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    sha256: str = ""

    @property
    def domains(self) -> tuple[Domain, ...]:
        """Domains of the tasks, each once."""
        return tuple(dict.fromkeys(task.domain for task in self.tasks))

    def task(self, name: str) -> TaskCard | None:
        """Return the card of a task; None if the weights were not trained for it."""
        return next((task for task in self.tasks if task.name == name), None)

    def prompt_of(self, task: str) -> int | None:
        """Return the index of the prompt in the task pool that stands for a task; None if none is known to.

        In a training whose loss has the term "anchor" each task's images learn to choose the prompt at the task's place
        in :data:`TASK_DOMAINS`. Otherwise the prompts share the tasks among them as they like.
        """
        losses, pool = self.training.get("losses"), self.config.task_pool
        anchored = isinstance(losses, dict) and bool(losses.get("anchor"))
        if not anchored or pool is None or self.task(task) is None:
            return None
        place = list(TASK_DOMAINS).index(task)
        return place if place < pool.size else None

    def to_metadata(self) -> dict[str, str]:
        """Return the strings that stand in the header of a safetensors file."""
        content = asdict(self)
        del content["sha256"]
        return {"format": FORMAT, "card": json.dumps(content, sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], *, sha256: str = "") -> WeightsCard:
        """Read the card from a header.

        Raises
        ------
        ValueError
            If the header holds no card of this format, or one that does not fit.
        """
        if metadata.get("format") != FORMAT or "card" not in metadata:
            msg = "the file holds no card of datprl-toolkit"
            raise ValueError(msg)
        content = json.loads(metadata["card"])
        known = {item.name for item in fields(cls)}
        plain = {name: value for name, value in content.items() if name in known}
        plain["config"] = NetworkConfig.from_dict(plain["config"])
        plain["tasks"] = tuple(TaskCard(**task) for task in plain["tasks"])
        plain["training_data"] = tuple(plain["training_data"])
        plain["sha256"] = sha256
        return cls(**plain)
