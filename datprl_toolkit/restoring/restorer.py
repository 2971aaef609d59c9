"""The Restorer: arrays in [0, 1] of any size through the network, on any device, within memory."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from datprl_toolkit.errors import ErrorCode, OptionError, ResourceError
from datprl_toolkit.network import Anchors
from datprl_toolkit.restoring.arrays import check_batch, pad_to_grid, profile_of_image
from datprl_toolkit.restoring.device import (
    choose_device,
    choose_precision,
    describe_device,
    is_out_of_memory,
)
from datprl_toolkit.restoring.memory import keep_freed_memory
from datprl_toolkit.restoring.onnx_engine import OnnxEngine
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent
from datprl_toolkit.restoring.resize import enlarge
from datprl_toolkit.restoring.self_ensemble import mean_of_mirrored
from datprl_toolkit.restoring.tiling import Tile, Window, plan_tiles, sample_windows
from datprl_toolkit.weights import TASK_DOMAINS, load_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datprl_toolkit.network import Context, DatprlNetwork, Grouping
    from datprl_toolkit.weights import WeightsCard

FloatArray = npt.NDArray[np.float32]

CPU_BATCH_PIXELS = 512 * 512
GPU_BATCH_PIXELS = 16 * 512 * 512
SAMPLE_TILE = 256
SAMPLE_COUNT = 16
DEFAULT_TILE = 512
DEFAULT_HALO = 64


class Restorer:
    """A network with its weights on a device.

    Parameters
    ----------
    network
        The network, its weights loaded.
    card
        What the weights say of themselves.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    precision
        ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``.
    batch_size
        Images per call of the network; None chooses by their size. The result does not depend on it.
    engine
        Runs in place of the network, with the contexts that the network makes; on the CPU, in float32.
    task
        One of the nine tasks, whose prompt all images are given; None lets the network choose for each image. Where
        images are unlike what it was trained on, it may not see what is wrong with them, and a person does.
    self_ensemble
        Take the mean over each image and its three mirror images, which takes four times as long and comes closer to
        the truth; see :mod:`datprl_toolkit.restoring.self_ensemble`.

    Raises
    ------
    ResourceError
        ``E_DEVICE`` if the device is not there.
    OptionError
        ``E_OPTION`` for a device, precision or batch size that cannot be, or not with the engine, and for a task that
        no prompt of the weights stands for.
    """

    def __init__(
        self,
        network: DatprlNetwork,
        card: WeightsCard,
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        engine: OnnxEngine | None = None,
        task: str | None = None,
        self_ensemble: bool = False,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise OptionError(ErrorCode.OPTION, f"a batch has at least one image, not {batch_size}")
        # onnxruntime runs on the CPU, whatever else there is.
        self.device = choose_device("cpu" if engine is not None and device == "auto" else device)
        self.precision = choose_precision(precision, self.device)
        if engine is not None and (self.device.type, self.precision) != ("cpu", "float32"):
            raise OptionError(
                ErrorCode.OPTION,
                "an ONNX file is run on the CPU in float32",
                where=f"{self.device}, {self.precision}",
                remedy="Leave out --device and --precision, or --onnx",
            )
        if self.device.type == "cpu":
            keep_freed_memory()
        self.engine = engine
        self.card = card
        self.task = task
        self.self_ensemble = self_ensemble
        self._anchors = None if task is None else self._anchors_of(task)
        self.network = network.eval().to(self.device).to(memory_format=torch.channels_last)
        self.grid = network.config.grid
        self._batch_size = batch_size

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path = "small",
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        onnx: str | Path | None = None,
        task: str | None = None,
        self_ensemble: bool = False,
    ) -> Restorer:
        """Load weights by name or path.

        `onnx` is a file that ``datprl weights export`` made of them, to be run by onnxruntime.

        Raises
        ------
        WeightsError
            ``E_WEIGHTS`` if there are no such weights or they are damaged.
        OptionError
            ``E_OPTION`` as for :class:`Restorer`.
        """
        network, card = load_weights(name_or_path)
        network.align()
        engine = None if onnx is None else OnnxEngine.of_file(onnx, card)
        return cls(
            network,
            card,
            device=device,
            precision=precision,
            batch_size=batch_size,
            engine=engine,
            task=task,
            self_ensemble=self_ensemble,
        )

    def with_self_ensemble(self, wanted: bool) -> Restorer:
        """Return the same restorer, its network shared, with a self-ensemble or without."""
        other = copy.copy(self)
        other.self_ensemble = wanted
        return other

    def given(self, task: str | None) -> Restorer:
        """Return the same restorer, its network shared, that is given the prompt of a task.

        It chooses itself if `task` is None, or if no prompt of the weights is known to stand for it.
        """
        if task is None or self.card.prompt_of(task) is None:
            return self
        other = copy.copy(self)
        other.task, other._anchors = task, self._anchors_of(task)
        return other

    def _anchors_of(self, task: str) -> Anchors:
        return Anchors(torch.tensor([_prompt_of(self.card, task)], device=self.device))

    @property
    def arithmetic(self) -> str:
        """Return in what the network runs: its precision, or ``"onnxruntime"``."""
        return self.precision if self.engine is None else "onnxruntime"

    def describe(self) -> str:
        """Return weights, the task if it is given, device, precision and the rest of the way in one line."""
        engine = "" if self.engine is None else ", onnxruntime"
        task = "" if self.task is None else f", task {self.task}"
        mean = ", self-ensemble" if self.self_ensemble else ""
        return f"weights {self.card.name}{task}, {describe_device(self.device)}, {self.precision}{engine}{mean}"

    def restore(
        self,
        image: npt.NDArray[np.generic],
        *,
        scale: int = 1,
        strength: float = 1.0,
        tile: int = DEFAULT_TILE,
        halo: int = DEFAULT_HALO,
        progress: ProgressCallback = silent,
    ) -> npt.NDArray[np.generic]:
        """Restore one image.

        An image larger than a tile is restored in tiles that share one context, so that they fit without a seam.

        Parameters
        ----------
        image
            (H, W) or (H, W, 3); uint8, uint16, or floating point in [0, 1].
        scale
            Factor of enlargement: the image is interpolated (bicubic) before it is restored.
        strength
            Share of the network's change that is applied.
        tile, halo
            Edge of a tile and pixels read around it, for large images.
        progress
            Told after each batch of tiles.

        Returns
        -------
        Array of the same type, `scale` times as high and wide.

        Raises
        ------
        InputError
            ``E_UNSUPPORTED`` for another shape or type.
        """
        profile = profile_of_image(image)
        planes = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
        values = enlarge(planes.astype(np.float32), scale)
        before = profile.to_unit(values)
        after = self._restore_large(before, tile=tile, halo=halo, progress=progress)
        restored = profile.apply(values, before, after, strength=strength)
        if np.issubdtype(image.dtype, np.integer):
            restored = np.clip(np.rint(restored), profile.low, profile.high)
        result = restored.astype(image.dtype)
        return result[0] if image.ndim == 2 else np.moveaxis(result, 0, -1)

    @property
    def takes_fields(self) -> bool:
        """Whether it restores with fields of contexts; an engine has one context for all pixels."""
        return self.engine is None

    def context(self, images: FloatArray, grouping: Grouping | None = None) -> Context:
        """Compute one context for a set of images: prompt and global statistics merged over all of them.

        Parameters
        ----------
        images
            (N, C, H, W) in [0, 1], C 1 or 3.
        grouping
            For the contexts of a field: which images count for which node.
        """
        check_batch(images)
        while True:
            try:
                batch = self._to_device(pad_to_grid(images, self.grid))
                with torch.inference_mode():
                    return self.network.context(batch, grouping, self._anchors)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(images) == 1:
                    raise _no_memory(images.shape) from error
                # Every other image of an even sample is again an even sample.
                images = images[::2]
                grouping = None if grouping is None else grouping.thinned()

    def restore_batch(self, images: FloatArray, context: Context | None = None) -> FloatArray:
        """Restore images of one size.

        Parameters
        ----------
        images
            (N, C, H, W) in [0, 1], C 1 or 3, any H and W.
        context
            Shared prompt and statistics, or a field of them whose lattice says where the images lie; None gives each
            image its own.

        Returns
        -------
        Array of the same shape, clipped to [0, 1].

        Raises
        ------
        ResourceError
            ``E_MEMORY`` if not even one image fits into memory.
        """
        check_batch(images)
        result = np.empty(images.shape, dtype=np.float32)
        size = self._batch_size or self._choose_batch_size(images.shape[-2] * images.shape[-1])
        start = 0
        while start < len(images):
            try:
                now = slice(start, start + size)
                result[now] = self._call(images[now], None if context is None else context.of(now))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if size == 1:
                    raise _no_memory(images.shape) from error
                size = max(1, size // 2)
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
            else:
                start += size
        return result

    def restore_tiled(
        self,
        image: FloatArray,
        context: Context | None,
        *,
        tile: int = DEFAULT_TILE,
        halo: int = DEFAULT_HALO,
        margins: tuple[int, int, int, int] = (0, 0, 0, 0),
        progress: ProgressCallback = silent,
    ) -> FloatArray:
        """Restore a large image, or a window of one, in tiles that share a context.

        Parameters
        ----------
        image
            (C, H, W) in [0, 1].
        context
            Shared prompt and statistics, or a field of them whose lattice says where `image` lies; None gives each tile
            its own, so that their edges may show.
        tile, halo
            Edge of a tile's core and pixels read around it, rounded up to the network's grid.
        margins
            Pixels at the top, bottom, left and right of `image` that only serve as halo. The corner of the core
            must lie on the grid, counted from the corner of `image`.

        Returns
        -------
        The core, (C, H - top - bottom, W - left - right).
        """
        top, bottom, left, right = margins
        whole = Window(0, image.shape[-2], 0, image.shape[-1])
        core = Window(top, whole.bottom - bottom, left, whole.right - right)
        if top % self.grid or left % self.grid:
            raise OptionError(
                ErrorCode.OPTION, f"margins {margins} move the core off the network's grid of {self.grid}"
            )
        result = np.empty((image.shape[0], core.height, core.width), dtype=np.float32)
        tiles = plan_tiles(core, whole, tile=tile, halo=halo, grid=self.grid)
        done = 0
        for group in self._same_sized(tiles):
            batch = np.stack([image[(slice(None), *each.read.slices)] for each in group])
            shared = None if context is None else context.at([(each.read.top, each.read.left) for each in group])
            for each, restored in zip(group, self.restore_batch(batch, shared), strict=True):
                kept = restored[(slice(None), *each.core.relative_to(each.read).slices)]
                result[(slice(None), *each.core.relative_to(core).slices)] = kept
            done += len(group)
            progress(Progress("restoring", done, len(tiles), "tiles"))
        return result

    def _restore_large(self, image: FloatArray, *, tile: int, halo: int, progress: ProgressCallback) -> FloatArray:
        height, width = image.shape[-2:]
        if max(height, width) <= tile + halo:
            result: FloatArray = self.restore_batch(image[None])[0]
            progress(Progress("restoring", 1, 1, "tiles"))
            return result
        windows = sample_windows(height, width, size=SAMPLE_TILE, count=SAMPLE_COUNT, grid=self.grid)
        context = self.context(np.stack([image[(slice(None), *window.slices)] for window in windows]))
        return self.restore_tiled(image, context, tile=tile, halo=halo, progress=progress)

    def _same_sized(self, tiles: list[Tile]) -> Iterator[list[Tile]]:
        """Group tiles into batches of one size each, in order."""
        waiting: dict[tuple[int, int], list[Tile]] = {}
        for tile in tiles:
            shape = (tile.read.height, tile.read.width)
            group = waiting.setdefault(shape, [])
            group.append(tile)
            if len(group) >= (self._batch_size or self._choose_batch_size(shape[0] * shape[1])):
                yield waiting.pop(shape)
        yield from waiting.values()

    def _choose_batch_size(self, pixels: int) -> int:
        budget = CPU_BATCH_PIXELS if self.device.type == "cpu" else GPU_BATCH_PIXELS
        return max(1, budget // max(1, pixels))

    def _call(self, images: FloatArray, context: Context | None) -> FloatArray:
        height, width = images.shape[-2:]
        batch = self._to_device(pad_to_grid(images, self.grid))
        reduced = self.precision != "float32"
        dtype = getattr(torch, self.precision)
        shared = None if context is None else context.to(self.device)
        with torch.inference_mode(), torch.autocast(self.device.type, dtype=dtype, enabled=reduced):
            output = mean_of_mirrored(self._run, batch, shared) if self.self_ensemble else self._run(batch, shared)
        output = output.float()[..., :height, :width].clamp(0.0, 1.0)
        if images.shape[1] == 1:
            # The mean of three equal channels by way of their differences is exactly the channel.
            first = output[:, :1]
            output = first + (output - first).mean(dim=1, keepdim=True)
        restored: FloatArray = output.cpu().numpy()
        return restored

    def _run(self, batch: Tensor, context: Context | None) -> Tensor:
        """Restore a batch; an engine is given the context, which without a shared one each image has of its own."""
        if self.engine is None:
            own_with_task = context is None and self._anchors is not None
            restored: Tensor = (
                self.network.trace(batch, self._anchors)[0] if own_with_task else self.network(batch, context)
            )
            return restored
        if context is not None:
            return self.engine(batch, context)
        contexts = (self.network.context(image, anchors=self._anchors) for image in batch[:, None])
        return torch.cat([self.engine(image, own) for image, own in zip(batch[:, None], contexts, strict=True)])

    def _to_device(self, images: FloatArray) -> Tensor:
        """Move images to the device as RGB; grey ones get three equal channels."""
        tensor = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        return tensor.expand(-1, 3, -1, -1)


def _prompt_of(card: WeightsCard, task: str) -> int:
    """Return the index of the prompt that stands for a task, or say why there is none."""
    if task not in TASK_DOMAINS:
        raise OptionError(
            ErrorCode.OPTION, "there is no such task", where=task, remedy=f"The tasks are {', '.join(TASK_DOMAINS)}"
        )
    prompt = card.prompt_of(task)
    if prompt is None:
        raise OptionError(
            ErrorCode.OPTION,
            f"no prompt of the weights '{card.name}' is known to stand for this task",
            where=task,
            remedy="Let the network choose: leave the task out",
        )
    return prompt


def _no_memory(shape: tuple[int, ...]) -> ResourceError:
    return ResourceError(
        ErrorCode.MEMORY,
        f"memory does not suffice for a single image of {shape[-1]} x {shape[-2]} pixels",
        remedy="Use a smaller --tile, or smaller weights",
    )
