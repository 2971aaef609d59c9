"""Everything that determines a training run: presets, and overrides from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

import numpy as np

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.network import NetworkConfig, preset
from datprl_toolkit.training.baselines import BASELINES
from datprl_toolkit.training.losses import LossWeights
from datprl_toolkit.training.makers import Variety
from datprl_toolkit.training.tasks import DOMAINS, KINDS, NOISY, TASK_SETS, TASKS
from datprl_toolkit.weights import TASK_DOMAINS

Precision = Literal["float32", "bfloat16", "float16"]
DomainPrompts = Literal["pool", "encodings", "texts"]
SHARES = ("identity", "tinted", "grey", *(each.name for each in fields(Variety) if each.name != "faint_noise"))
"""The settings that are one share from 0 to 1."""
OF_EACH_TASK = ("task_weights", "task_shares", "task_candidates", "task_identity", "task_told")
"""The settings that have a value for each task they name."""


@dataclass(frozen=True, slots=True)
class TrainingConfig(Variety):
    """Settings of a run, with those of how far its pairs are varied. The defaults are those of the paper.

    Parameters
    ----------
    network
        Configuration of the network.
    tasks
        Tasks that are trained, in the order in which batches hold them.
    steps
        Length of the run and of the cosine that the learning rate follows.
    batch_size, crop
        Images per batch, and their height and width in pixels.
    crop_sizes
        Heights and widths of which one is drawn for every step, in place of `crop`; a batch then has about as many
        pixels as `batch_size` crops of `crop` have. Images that differ in size teach the network not to rely on the
        global statistics of one.
    learning_rate, final_learning_rate
        At the first and at the last step.
    warm_up
        Steps over which the learning rate rises linearly from 0.
    betas
        Of Adam.
    gradient_clip
        Largest norm of the gradient.
    ema_decay
        Share of the old weights in the running average that is validated and shipped, per step.
    precision
        Number format of the forward and backward pass; weights stay in float32.
    seed
        Of weights, batches and crops.
    losses
        Factors of the loss terms.
    task_weights
        Factor of a task's reconstruction loss where it is not 1.
    task_shares
        Share of a task's images in the batches where it is not 1.
    task_candidates
        Crops of an image from which the most degraded is chosen, where it is not 1.
    task_identity
        Share of a task's images that are given clean, where it is not `identity`.
    task_told
        Share of a task's images that are told their task, as ``--task`` tells it, where it is not 0; clean ones never.
        It needs a factor for the loss term ``anchor``, by which a prompt comes to stand for a task.
    balance_every
        Steps between measurements of the gradient that each task alone would cause; every task's reconstruction
        loss is divided by its norm, so that no task drowns in the others. 0 for none.
    identity
        Share of the training images that are given clean.
    tinted
        Share of the colour images whose colours are changed, input and target alike.
    grey
        Share of the colour images that are made grey, input and target alike.
    left_out
        Names of prepared sources that are not used.
    frozen
        Beginnings of the names of parameters that stay as they are, such as ``backbone.encoder``.
    anchored
        Share of the run during which some images are given the prompts of their task and domain: all of them at
        the first step, none from its end on. It needs a factor for the loss term of the same name.
    clean_anchored
        Whether the loss term ``anchor`` also wants the prompt of the task for images that are clean already.
    prompt_gain
        Factor of the initial weights through which the prompt enters the blocks. Above 1, a network that is new
        treats images with different prompts differently from the first step.
    domain_prompts
        ``"pool"``: images choose among the domain pool. ``"encodings"``: the pool has one prompt for each domain of
        :data:`~datprl_toolkit.training.tasks.KINDS`, and every image is given that of its own. ``"texts"``: these
        prompts are the text features of the domains' sentences, and are not trained.
    baseline
        Name of a network of others that is trained in the place of ours; then `network` has no part.
    validate_every, checkpoint_every
        Steps between validations and checkpoints.
    validation_images
        Images per task in the validations during training, evenly spaced; 0 for all. The last one uses all.
    log_every
        Steps that one line of the log summarises.
    """

    network: NetworkConfig
    tasks: tuple[str, ...] = TASKS
    steps: int = 1_000_000
    batch_size: int = 12
    crop: int = 128
    crop_sizes: tuple[int, ...] = ()
    learning_rate: float = 4e-4
    final_learning_rate: float = 1e-6
    warm_up: int = 0
    betas: tuple[float, float] = (0.9, 0.99)
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    precision: Precision = "float16"
    seed: int = 42
    losses: LossWeights = field(default_factory=LossWeights)
    task_weights: Mapping[str, float] = field(default_factory=dict)
    task_shares: Mapping[str, float] = field(default_factory=dict)
    task_candidates: Mapping[str, int] = field(default_factory=dict)
    task_identity: Mapping[str, float] = field(default_factory=dict)
    task_told: Mapping[str, float] = field(default_factory=dict)
    balance_every: int = 0
    identity: float = 0.05
    tinted: float = 0.0
    grey: float = 0.0
    left_out: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    anchored: float = 0.0
    clean_anchored: bool = True
    prompt_gain: float = 1.0
    domain_prompts: DomainPrompts = "pool"
    baseline: str | None = None
    validate_every: int = 10_000
    checkpoint_every: int = 10_000
    validation_images: int = 0
    log_every: int = 100

    def __post_init__(self) -> None:
        named = {*self.tasks}.union(*(getattr(self, name) for name in OF_EACH_TASK))
        unknown = sorted(named - set(TASKS))
        if unknown or not self.tasks:
            raise OptionError(
                ErrorCode.OPTION,
                f"unknown tasks: {', '.join(unknown)}" if unknown else "no task is given",
                where="tasks",
                remedy=f"The tasks are {', '.join(TASKS)}",
            )
        if {*self.faint_noise} - {*NOISY}:
            raise OptionError(ErrorCode.OPTION, f"faint_noise is for {' and '.join(NOISY)}", where="faint_noise")
        for name in ("steps", "batch_size", "crop", "learning_rate", "validate_every", "checkpoint_every", "log_every"):
            if getattr(self, name) <= 0:
                raise OptionError(ErrorCode.OPTION, f"{name} must be above 0", where=getattr(self, name))
        for size in (self.crop, *self.crop_sizes):
            if size <= 0 or size % self.network.grid:
                raise OptionError(
                    ErrorCode.OPTION, f"the crop must be a multiple of {self.network.grid}, not {size}", where="crop"
                )
        if self.precision not in get_args(Precision):
            raise OptionError(ErrorCode.OPTION, f"the precision is one of {', '.join(get_args(Precision))}")
        self._check_variant()
        self._check_prompts()
        if any(share <= 0.0 for share in (*self.task_shares.values(), *self.task_candidates.values())):
            raise OptionError(ErrorCode.OPTION, "task_shares and task_candidates must be above 0")
        if not 0.0 <= self.ema_decay < 1.0:
            raise OptionError(ErrorCode.OPTION, "ema_decay is a share from 0 to less than 1", where=self.ema_decay)
        shares = {name: [getattr(self, name)] for name in SHARES}
        shares |= {name: [*getattr(self, name).values()] for name in ("faint_noise", "task_identity", "task_told")}
        wrong = [name for name, values in shares.items() if not all(_is_share(value) for value in values)]
        if wrong:
            names = f"{', '.join(wrong)} {'are shares' if len(wrong) > 1 else 'is a share'}"
            raise OptionError(ErrorCode.OPTION, f"{names} from 0 to 1", where=getattr(self, wrong[0]))

    def batch_at(self, step: int) -> tuple[int, int]:
        """Return the number of crops of a step's batch, and their height and width."""
        if not self.crop_sizes:
            return self.batch_size, self.crop
        size = int(np.random.default_rng([self.seed, 11, step]).choice(self.crop_sizes))
        return max(1, round(self.batch_size * (self.crop / size) ** 2)), size

    def _check_variant(self) -> None:
        """Raise unless the variant of the network is one that can be trained."""
        if self.baseline is not None and self.baseline not in BASELINES:
            known = ", ".join(BASELINES)
            raise OptionError(
                ErrorCode.OPTION, f"there is no baseline '{self.baseline}'", remedy=f"The baselines are {known}"
            )
        if self.domain_prompts not in get_args(DomainPrompts):
            raise OptionError(ErrorCode.OPTION, f"domain_prompts is one of {', '.join(get_args(DomainPrompts))}")
        pool = self.network.domain_pool
        if self.domain_prompts != "pool" and (pool is None or (pool.size, pool.top_k) != (len(KINDS), 1)):
            raise OptionError(
                ErrorCode.OPTION,
                f"to be told the domain takes a domain pool of {len(KINDS)} prompts of which one is chosen",
                where="domain_prompts",
            )

    def _check_prompts(self) -> None:
        """Raise if images are to be given or taught prompts that the pools do not have."""
        if self.baseline is not None:
            return
        if self.task_told and not self.losses.anchor:
            raise OptionError(
                ErrorCode.OPTION,
                "no prompt stands for a task that images could be told",
                where="task_told",
                remedy="Give losses.anchor a factor, such as 0.2",
            )
        needed = {
            "task_pool": 1 + max(TASKS.index(task) for task in self.tasks),
            "domain_pool": 1 + max(DOMAINS.index(TASK_DOMAINS[task]) for task in self.tasks),
        }
        for name, least in needed.items():
            pool = getattr(self.network, name)
            if self.losses.anchor and pool is not None and pool.size < least:
                raise OptionError(
                    ErrorCode.OPTION,
                    f"the prompts that stand for these tasks take a {name} of {least}, not of {pool.size}",
                    where="losses.anchor",
                    remedy=f"Set network.{name}.size to {least} or more, or losses.anchor to 0",
                )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON and YAML can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Build a configuration from plain values, the inverse of :meth:`to_dict`."""
        return override(cls(NetworkConfig()), values)


def training_preset(name: str) -> TrainingConfig:
    """Return the settings known under `name`: those of the paper, or of the weights that are shipped.

    Raises
    ------
    OptionError
        ``E_OPTION`` if there is none.
    """
    if name in TASK_SETS:
        return TrainingConfig(preset(name), TASK_SETS[name])
    if name == "small":
        return _small()
    names = ", ".join((*TASK_SETS, "small"))
    raise OptionError(ErrorCode.OPTION, f"there is no training preset '{name}'; there are {names}", where="preset")


def override(config: TrainingConfig, values: Mapping[str, Any]) -> TrainingConfig:
    """Return `config` with some settings replaced; nested settings are replaced one by one.

    Raises
    ------
    OptionError
        ``E_OPTION`` if a name is unknown or a value does not fit.
    """
    known = {item.name for item in fields(TrainingConfig)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise OptionError(
            ErrorCode.OPTION,
            f"unknown training settings: {', '.join(unknown)}",
            remedy=f"The settings are {', '.join(sorted(known))}",
        )
    changes = dict(values)
    try:
        if isinstance(changes.get("network"), str):
            changes["network"] = preset(changes["network"])
        elif isinstance(changes.get("network"), Mapping):
            changes["network"] = NetworkConfig.from_dict(_merged(config.network.to_dict(), changes["network"]))
        if isinstance(changes.get("losses"), Mapping):
            changes["losses"] = replace(config.losses, **changes["losses"])
        for name in (*OF_EACH_TASK, "faint_noise"):
            if not isinstance(changes.get(name, {}), Mapping):
                raise OptionError(ErrorCode.OPTION, f"{name} has a value for each task it names", where=changes[name])
        for name in ("tasks", "betas", "crop_sizes", "left_out", "frozen"):
            if isinstance(changes.get(name), str):
                # Its letters would be taken for the values.
                raise OptionError(ErrorCode.OPTION, f"{name} is a list, also of one value", where=changes[name])
            if name in changes:
                changes[name] = tuple(changes[name])
        return replace(config, **changes)
    except (TypeError, ValueError) as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(ErrorCode.OPTION, f"a training setting does not fit: {error}") from error


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and 0.0 <= value <= 1.0


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values with some replaced, one by one at every depth."""
    merged = {**values, **changes}
    for name, change in changes.items():
        before = values.get(name)
        if isinstance(change, Mapping) and isinstance(before, Mapping):
            merged[name] = _merged(before, change)
    return merged


def _small() -> TrainingConfig:
    """Return the settings for a CPU core and an hour: small crops, a high learning rate, prompts given at first."""
    sharpening = ("natural_super_resolution", "natural_deblurring", "remote_sensing_super_resolution")
    return TrainingConfig(
        preset("small"),
        steps=12_000,
        batch_size=9,
        crop=64,
        learning_rate=1.5e-3,
        final_learning_rate=3e-4,
        warm_up=100,
        precision="float32",
        anchored=0.6,
        prompt_gain=8.0,
        losses=LossWeights(pixel=10.0, fourier=0.0, pixel_epsilon=0.05, anchor=0.2, balance=0.01),
        validate_every=1_500,
        checkpoint_every=500,
        validation_images=4,
        # About the inverse square root of the mean error of the degraded crops, so that no task drowns.
        task_weights={
            "natural_super_resolution": 1.3,
            "natural_deraining": 0.85,
            "ct_denoising": 2.0,
            "pet_synthesis": 3.0,
            "remote_sensing_super_resolution": 1.3,
            "dehazing": 0.6,
        },
        # Sharpening is learnt from little, and slowly: more of it, from crops with something to sharpen.
        task_shares={**dict.fromkeys(sharpening, 1.3), "pet_synthesis": 0.7, "cloud_removal": 0.8, "dehazing": 0.7},
        task_candidates={**dict.fromkeys(sharpening, 3), "mri_super_resolution": 2},
    )
