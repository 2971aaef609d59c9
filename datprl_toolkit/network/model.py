"""The whole network: backbone, two prompt pools, their fusion; one forward pass with or without a context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from datprl_toolkit.network.context import Context, FrozenStatistics, Grouping, MergedStatistics, OwnStatistics
from datprl_toolkit.network.fusion import GatedFusion
from datprl_toolkit.network.nafnet import NafnetBackbone
from datprl_toolkit.network.prompts import PoolFusion, PromptChoice, PromptPool, QueryProjector
from datprl_toolkit.network.restormer import GatedFeedForward, RestormerBackbone

if TYPE_CHECKING:
    from datprl_toolkit.network.configuration import NetworkConfig, PromptPoolConfig
    from datprl_toolkit.network.context import StatisticsSource

DOMAIN_QUERY_POOLS = (8, 4, 1)
TASK_QUERY_POOLS = (4, 2, 1)
HEAD_SCALE = 0.1


@dataclass(frozen=True, slots=True)
class Trace:
    """What the network chose on the way.

    Parameters
    ----------
    task, domain
        The choice from each pool; None where the pool is off.
    prompt
        The fused prompt, (images, tokens, dimension); None without pools.
    """

    task: PromptChoice | None
    domain: PromptChoice | None
    prompt: Tensor | None


@dataclass(frozen=True, slots=True)
class Anchors:
    """Prompts that images are given, whatever they would choose: for the warm start of a training, or a known task.

    Parameters
    ----------
    task, domain
        Index into the pool for each image, (images,), or (1,) for all; -1 for a free choice; None for free choices
        throughout.
    """

    task: Tensor | None = None
    domain: Tensor | None = None


class DatprlNetwork(nn.Module):
    """DATPRL-IR: restores RGB images of any size in [0, 1], guided by prompts that it chooses itself."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        backbone = RestormerBackbone if config.backbone == "restormer" else NafnetBackbone
        self.backbone = backbone(config)
        with torch.no_grad():
            # An untrained network then returns nearly its input, which is where restoring starts.
            for parameter in self.backbone.head.parameters():
                parameter.mul_(HEAD_SCALE)
        middle_width = config.width * 2 ** len(config.encoder_blocks)
        self.domain_query, self.domain_pool = self._make_pool(config.domain_pool, config.width, DOMAIN_QUERY_POOLS)
        self.task_query, self.task_pool = self._make_pool(config.task_pool, middle_width, TASK_QUERY_POOLS)
        self.pool_fusion: PoolFusion | None = None
        fused_first = config.pool_fusion == "cross_attention" and config.feature_fusion != "sequential"
        if config.domain_pool and config.task_pool and fused_first:
            self.pool_fusion = PoolFusion(config.task_pool.dimension)

    def _make_pool(
        self, pool: PromptPoolConfig | None, channels: int, pools: tuple[int, int, int]
    ) -> tuple[QueryProjector | None, PromptPool | None]:
        if pool is None:
            return None, None
        return QueryProjector(channels, pool.dimension, pools), PromptPool(pool, self.config.prompt_form)

    def forward(self, image: Tensor, context: Context | None = None) -> Tensor:
        """Restore images.

        Parameters
        ----------
        image
            (images, 3, H, W), in [0, 1]. Sizes that do not fit the grid are padded with zeros inside.
        context
            Prompt and global statistics to use for all images, or a field of them; None computes them from each image
            alone.

        Returns
        -------
        Tensor of the same shape, not clipped.
        """
        if context is None:
            return self.trace(image)[0]
        padded = self._pad(image)
        statistics = FrozenStatistics(context, padded)
        middle, skips = self.backbone.encode(self._shallow(padded), statistics)
        return self._finish(padded, middle, skips, context.prompt, statistics, image.shape[-2:])

    def trace(self, image: Tensor, anchors: Anchors | None = None) -> tuple[Tensor, Trace]:
        """Restore images, each with its own context, and tell what was chosen for each.

        `anchors` gives images fixed prompts.
        """
        return self._run(image, OwnStatistics(), anchors=anchors)

    def context(self, images: Tensor, grouping: Grouping | None = None, anchors: Anchors | None = None) -> Context:
        """Compute one context for a set of images, or one for each node of a field.

        The set is treated as the parts of one image: at every block the sums over pixels are averaged over the
        set before the statistic is made from them, and so are the queries to the pools. For a single image this is
        the image's own context.

        Parameters
        ----------
        images
            (images, 3, H, W), in [0, 1].
        grouping
            Which images count for which node; None is one context for all.
        anchors
            Prompts, one for all, that take the place of what the images would choose.

        Returns
        -------
        The context. That of several nodes has yet to be given the lattice on which they lie.
        """
        grouping = (Grouping.whole(len(images)) if grouping is None else grouping).to(images.device)
        statistics = MergedStatistics(grouping)
        _, trace = self._run(images, statistics, grouping=grouping, anchors=anchors)
        return Context(trace.prompt, tuple(statistics.recorded), trace.task, trace.domain)

    def align(self, multiple: int = 16) -> None:
        """Add channels of zeros where a layer has an odd number, for matrix products that fit the registers.

        The results stay the same; the parameters are then no longer those of a file of weights.
        """
        for module in self.modules():
            if isinstance(module, GatedFeedForward):
                module.align(multiple)

    def gates(self) -> dict[str, tuple[float, float]]:
        """Return the shares of features and prompt in each prompted block, by the block's name."""
        modules = dict(self.named_modules())
        return {
            name.removeprefix("backbone.").removesuffix(".fusion"): (
                module.gates()[0].item(),
                module.gates()[1].item(),
            )
            for name, module in modules.items()
            if isinstance(module, GatedFusion)
        }

    def _run(
        self,
        image: Tensor,
        statistics: StatisticsSource,
        *,
        grouping: Grouping | None = None,
        anchors: Anchors | None = None,
    ) -> tuple[Tensor, Trace]:
        padded = self._pad(image)
        shallow = self._shallow(padded)
        middle, skips = self.backbone.encode(shallow, statistics)
        given = anchors or Anchors()
        domain = _choose(self.domain_query, self.domain_pool, shallow, given.domain, grouping)
        task = _choose(self.task_query, self.task_pool, middle, given.task, grouping)
        prompt = self._fuse(domain, task)
        own = prompt if prompt is None or grouping is None else grouping.own(prompt)
        output = self._finish(padded, middle, skips, own, statistics, image.shape[-2:])
        return output, Trace(task, domain, prompt)

    def _pad(self, image: Tensor) -> Tensor:
        """Pad with zeros at the right and the bottom, as released; inference pads by reflection before."""
        height, width = image.shape[-2:]
        grid = self.config.grid
        padded = functional.pad(image, (0, -width % grid, 0, -height % grid))
        return padded.contiguous(memory_format=torch.channels_last)

    def _shallow(self, padded: Tensor) -> Tensor:
        """Return the first layer's features, (images, width, H / stem stride, W / stem stride)."""
        folded = functional.pixel_unshuffle(padded, self.config.stem_stride)
        shallow: Tensor = self.backbone.stem(folded)
        return shallow

    def _fuse(self, domain: PromptChoice | None, task: PromptChoice | None) -> Tensor | None:
        """Make one prompt of what the pools gave."""
        if domain is None or task is None:
            only = domain or task
            return None if only is None else only.representation
        if self.config.feature_fusion == "sequential":
            return torch.cat([domain.representation, task.representation], dim=1)
        if self.pool_fusion is None:
            return torch.cat([domain.representation, task.representation], dim=-1)
        fused: Tensor = self.pool_fusion(domain.representation, task.representation)
        return fused

    def _finish(
        self,
        padded: Tensor,
        middle: Tensor,
        skips: list[Tensor],
        prompt: Tensor | None,
        statistics: StatisticsSource,
        size: torch.Size,
    ) -> Tensor:
        residual = self.backbone.decode(middle, skips, prompt, statistics)
        output = padded + functional.pixel_shuffle(residual, self.config.stem_stride)
        return output[..., : size[0], : size[1]]


def _choose(
    projector: QueryProjector | None,
    pool: PromptPool | None,
    features: Tensor,
    anchor: Tensor | None,
    grouping: Grouping | None,
) -> PromptChoice | None:
    """Query a pool with each image's features, or with the mean query of those that belong together."""
    if projector is None or pool is None:
        return None
    query = projector(features)
    choice: PromptChoice = pool(query if grouping is None else grouping.merge(query), anchor)
    return choice
