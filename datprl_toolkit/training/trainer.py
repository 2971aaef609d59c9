"""The training loop: one step, its log, validation and checkpoints, and stopping at any moment."""

from __future__ import annotations

import copy
import json
import math
import signal
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from datprl_toolkit import __version__
from datprl_toolkit.errors import ErrorCode, InputError, ResourceError
from datprl_toolkit.network import DatprlNetwork
from datprl_toolkit.restoring.device import is_out_of_memory
from datprl_toolkit.training.balance import GradientBalance, reconstruction_gradient
from datprl_toolkit.training.baselines import GRID, Baseline, make_baseline
from datprl_toolkit.training.batches import BalancedBatches
from datprl_toolkit.training.checkpoints import load_checkpoint, save_checkpoint
from datprl_toolkit.training.configuration import TrainingConfig
from datprl_toolkit.training.given import (
    GivenPrompts,
    fix_domain_texts,
    is_changed,
    sharpen_pools,
    strengthen_prompts,
    without_clean,
)
from datprl_toolkit.training.losses import training_loss
from datprl_toolkit.training.makers import task_makers
from datprl_toolkit.training.validation import format_table, validate
from datprl_toolkit.training.warm_start import freeze
from datprl_toolkit.training.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt
    from torch import Tensor

    from datprl_toolkit.training.batches import Batch
    from datprl_toolkit.training.prepared import PreparedData
    from datprl_toolkit.training.validation import TaskScore

CHECKPOINT = "checkpoint.pt"
LOG = "metrics.jsonl"
MOST_BAD_STEPS = 20


class Trainer:
    """Trains one network on prepared data, in a folder of its own.

    Parameters
    ----------
    config
        Settings of the run.
    data
        Prepared data.
    folder
        Receives ``checkpoint.pt``, ``metrics.jsonl`` and ``config.json``.
    device
        Where the network is trained.
    text
        Text feature of each image's key, (d,), for the alignment loss; empty to train without it.
    report
        Receives a line of text now and then; prints it by default.
    """

    def __init__(
        self,
        config: TrainingConfig,
        data: PreparedData,
        folder: Path,
        *,
        device: str = "cpu",
        text: Mapping[str, npt.NDArray[np.float32]] | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self.config, self.data, self.folder = config, data.without(config.left_out), folder
        self.device = torch.device(device)
        self.text = dict(text or {})
        self.report = report or partial(print, flush=True)
        torch.manual_seed(config.seed)
        self.network = make_network(config, self.text).to(self.device)
        freeze(self.network, config.frozen)
        self.average = copy.deepcopy(self.network).requires_grad_(requires_grad=False).eval()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate, betas=config.betas)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "float16")
        makers = task_makers(self.data, config.tasks, config)
        self.batches = BalancedBatches(
            makers,
            config.batch_size,
            seed=config.seed,
            identity=config.identity,
            shares=config.task_shares,
            candidates=config.task_candidates,
            identities=config.task_identity,
            tinted=config.tinted,
            grey=config.grey,
        )
        self.balance = GradientBalance(config.tasks)
        self.given = GivenPrompts(config, self.device)
        self.step = 0
        self.bad_steps = 0
        self.stop_requested = False
        # Each is told every line of the log; each of the others every step and its loss.
        self.listeners: list[Callable[[Mapping[str, Any]], None]] = []
        self.watchers: list[Callable[[int, float], None]] = []
        self.window = Window()

    def run(self, *, minutes: float = math.inf) -> bool:
        """Train to the last step, or until the time is up or a signal arrives; a checkpoint is written then.

        Returns whether the run is complete.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.json").write_text(json.dumps(self.config.to_dict(), indent=1), encoding="utf-8")
        deadline = time.monotonic() + 60.0 * minutes
        self.window = Window()
        with self._signals():
            while self.step < self.config.steps and not self.stop_requested and time.monotonic() < deadline:
                self._guarded_advance()
        self.save()
        return self.step >= self.config.steps

    def learning_rate(self) -> float:
        """Return the learning rate of the coming step: linear warm-up, then a cosine."""
        c = self.config
        cosine = 0.5 + 0.5 * math.cos(math.pi * min(self.step / c.steps, 1.0))
        rate = c.final_learning_rate + (c.learning_rate - c.final_learning_rate) * cosine
        return rate * min(1.0, (self.step + 1) / c.warm_up) if c.warm_up else rate

    def train_step(self) -> dict[str, float]:
        """Make one step and return the loss terms."""
        began = time.perf_counter()
        count, size = self.config.batch_at(self.step)
        batch = self.batches.next(size, count)
        self.window.data_seconds += time.perf_counter() - began
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        terms, output = self._forward_backward(batch)
        self.scaler.unscale_(self.optimizer)
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip))
        self._update(norm, terms)
        self.step += 1
        self.window.add(batch.tasks, output, terms, norm)
        return terms

    def validate(self, *, limit: int | None = None, clean_images: int = 0) -> dict[str, TaskScore]:
        """Score the averaged weights; `limit` images per task, by default as configured."""
        most = self.config.validation_images if limit is None else limit
        return validate(
            self.average,
            self.data.validation,
            self.config.tasks,
            grid=GRID if self.config.baseline else self.config.network.grid,
            device=self.device,
            limit=most,
            clean_images=clean_images,
            given=lambda task: self.given.known_domain((task,)),
        )

    @property
    def aligns(self) -> bool:
        """Whether text features are aligned with what the domain pool gives (equation 2)."""
        return self.config.domain_prompts == "pool" and self.network.domain_pool is not None

    @property
    def whole_batch(self) -> int:
        """Images in a batch of all processes of the run; this is the only one."""
        return self.config.batch_size

    def any_process(self, flag: bool) -> bool:
        """Return whether any process of the run says yes; this is the only one."""
        return flag

    def autocast(self) -> torch.autocast:
        """Return the context in which the forward pass runs in the configured precision."""
        number = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[self.config.precision]
        return torch.autocast(self.device.type, dtype=number, enabled=number is not torch.float32)

    def save(self) -> None:
        """Write the checkpoint."""
        state: dict[str, Any] = {
            "config": self.config.to_dict(),
            "version": __version__,
            "data": self.data.fingerprint,
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "batches": self.batches.state,
            "balance": self.balance.state,
            "random": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["random_device"] = torch.cuda.get_rng_state(self.device)
        save_checkpoint(self.folder / CHECKPOINT, state)

    def resume(self) -> None:
        """Continue from the checkpoint in the folder.

        Raises
        ------
        InputError
            ``E_MISSING`` or ``E_CORRUPT`` for the file, ``E_UNSUPPORTED`` if it belongs to other settings or data.
        """
        path = self.folder / CHECKPOINT
        state = load_checkpoint(path)
        for what, saved, mine in (
            ("settings", _plain(TrainingConfig.from_dict(state["config"]).to_dict()), _plain(self.config.to_dict())),
            ("data", state["data"], self.data.fingerprint),
        ):
            if saved != mine:
                raise InputError(
                    ErrorCode.UNSUPPORTED,
                    f"the checkpoint was made with other {what}",
                    where=path,
                    remedy="Resume with the same ones, or train in another folder",
                )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.batches.state = state["batches"]
        self.balance.state = state["balance"]
        self.step = int(state["step"])
        torch.set_rng_state(state["random"])
        if "random_device" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["random_device"], self.device)

    def _guarded_advance(self) -> None:
        """Advance, and say what can be done where the memory does not suffice."""
        try:
            self._advance()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            c = self.config
            raise ResourceError(
                ErrorCode.MEMORY,
                f"memory ran out at step {self.step}, with {c.batch_size} crops of {c.crop}x{c.crop} in {c.precision}",
                where=self.device,
                remedy="Train in another folder with a lower batch_size or crop; --dry-run tells what a step needs",
            ) from error

    def _advance(self) -> None:
        """Make one step, and what is due after it."""
        terms = self.train_step()
        for watch in self.watchers:
            watch(self.step, terms["total"])
        c = self.config
        if self.step % c.log_every == 0:
            self._log_window()
        if self.step % c.validate_every == 0 or self.step == c.steps:
            last = self.step == c.steps
            scores = self.validate(limit=0 if last else None, clean_images=2)
            self._log({"step": self.step, "validation": {task: asdict(score) for task, score in scores.items()}})
            self.report(f"step {self.step}\n{format_table(scores)}")
            self.window = Window()
        if self.step % c.checkpoint_every == 0:
            self.save()

    def _forward_backward(self, batch: Batch) -> tuple[dict[str, float], Tensor]:
        degraded, clean = batch.degraded.to(self.device), batch.clean.to(self.device)
        anchors = self.given.anchors(batch.tasks)
        if self.config.balance_every and self.step % self.config.balance_every == 0:
            self._measure_balance(batch, degraded, clean)
        warm = self.given.warm_start(anchors, self.step)
        changed = is_changed(degraded, clean)
        told = self.given.told(batch.tasks, self.step, changed, warm)
        given = self.given.known_domain(batch.tasks, told)
        with self.autocast():
            output, trace = self.network.trace(degraded, given)
        if self.config.domain_prompts != "pool":
            # Nothing was chosen that could be regularised.
            trace = replace(trace, domain=None)
        balance = self.balance.factors()
        factors = [self.config.task_weights.get(task, 1.0) * balance[task] for task in batch.tasks]
        total, terms = training_loss(
            self.network,
            output.float(),
            clean,
            trace,
            self.config.losses,
            image_weight=torch.tensor(factors, device=self.device),
            text=self._text_features(batch.keys),
            anchors=anchors if self.config.clean_anchored else without_clean(anchors, changed),
        )
        torch.autograd.backward(self.scaler.scale(total))
        with torch.no_grad():
            error = (output.float() - clean).abs().mean(dim=(1, 2, 3)).cpu()
        return {"total": float(total.detach()), **{name: float(value.detach()) for name, value in terms.items()}}, error

    def _measure_balance(self, batch: Batch, degraded: Tensor, clean: Tensor) -> None:
        """Measure the gradient that each task of the batch would cause if it were alone, at its own prompts."""
        for task in dict.fromkeys(batch.tasks):
            index = torch.tensor([name == task for name in batch.tasks], device=self.device)
            same = tuple(name for name in batch.tasks if name == task)
            own = self.given.known_domain(same, self.given.anchors(same))
            norm = reconstruction_gradient(self.network, degraded[index], clean[index], own, self.config.losses)
            self.balance.update(task, norm)

    def _update(self, norm: float, terms: Mapping[str, float]) -> None:
        """Apply the gradient unless it is not finite; give up after many such steps in a row."""
        if math.isfinite(norm) and math.isfinite(terms["total"]):
            self.scaler.step(self.optimizer)
            self._average()
            self.bad_steps = 0
        else:
            self.bad_steps += 1
            if self.bad_steps >= MOST_BAD_STEPS:
                raise ResourceError(
                    ErrorCode.DIVERGED,
                    f"the loss was not finite in {MOST_BAD_STEPS} steps in a row, at step {self.step}",
                    where=self.folder,
                    remedy="Resume from the checkpoint with a lower learning rate or in float32",
                )
        self.scaler.update()

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights towards the present ones, faster in the beginning."""
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)

    def _text_features(self, keys: tuple[str, ...]) -> Tensor | None:
        """Return the text features of a batch; None if there are none."""
        if not self.text or not self.aligns:
            return None
        missing = [key for key in keys if key not in self.text]
        if missing:
            raise InputError(ErrorCode.MISSING, "an image has no text feature", where=missing[0])
        return torch.from_numpy(np.stack([self.text[key] for key in keys])).to(self.device)

    def _log_window(self) -> None:
        means = self.window.means()
        balance = self.balance.factors()
        self._log({"step": self.step, "learning_rate": self.learning_rate(), "balance": balance, **means})
        losses, speed = means["loss"], means["steps_per_second"]
        self.report(
            f"step {self.step}/{self.config.steps}  loss {losses['total']:.4f}  pixel {losses['pixel']:.4f}  "
            f"{speed:.2f} steps/s  data {means['data_share']:.0%}  "
            f"{timedelta(seconds=round((self.config.steps - self.step) / speed))} left"
        )
        self.window = Window()

    def _log(self, line: Mapping[str, Any]) -> None:
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for listener in self.listeners:
            listener(line)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Let the first interrupt or termination end the run after the present step."""

        def stop(*_: object) -> None:
            self.stop_requested = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def make_network(config: TrainingConfig, text: Mapping[str, npt.NDArray[np.float32]]) -> DatprlNetwork | Baseline:
    """Return the network of a run as it is before the first step.

    Parameters
    ----------
    config
        Settings of the run.
    text
        Text features; those of the domains' sentences are the domain prompts where the settings say so.
    """
    if config.baseline is not None:
        return make_baseline(config.baseline)
    network = DatprlNetwork(config.network)
    if config.losses.anchor:
        sharpen_pools(network.task_pool, network.domain_pool)
    strengthen_prompts(network, config.prompt_gain)
    if config.domain_prompts == "texts" and network.domain_pool is not None:
        fix_domain_texts(network.domain_pool, text)
    return network


def _plain(values: Mapping[str, Any]) -> Any:
    """Return values as JSON has them, so that tuples and lists compare equal."""
    return json.loads(json.dumps(values, sort_keys=True))
