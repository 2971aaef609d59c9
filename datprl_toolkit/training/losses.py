"""The losses of the paper, each its own function, with the number of its equation.

B images, N prompts in a pool, T tokens of dimension d.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from datprl_toolkit.network import Anchors, DatprlNetwork, PromptChoice
    from datprl_toolkit.network.model import Trace
    from datprl_toolkit.network.prompts import PromptPool
    from datprl_toolkit.training.baselines import Baseline


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Factors of the terms of equation 8; those of the paper, with 0.1 for the Fourier loss.

    The released configuration file has 1.0 for diversity where the paper has 0.1. The paper has no anchors, no
    `psnr` and no `checkerboard` term, and its pixel loss has no `pixel_epsilon`.
    """

    pixel: float = 1.0
    fourier: float = 0.1
    psnr: float = 0.0
    checkerboard: float = 0.0
    alignment: float = 1.0
    diversity: float = 0.1
    balance: float = 0.1
    contrastive: float = 0.1
    anchor: float = 0.0
    pixel_epsilon: float = 0.0
    psnr_floor: float = 1e-4
    diversity_threshold: float = 0.1
    contrastive_temperature: float = 0.1


def pixel_loss(output: Tensor, target: Tensor, weight: Tensor | None = None, epsilon: float = 0.0) -> Tensor:
    """L1 in the image domain: mean absolute difference of (B, C, H, W), each image times its `weight` (B,).

    An `epsilon` above 0 makes it smooth: ``sqrt(difference^2 + epsilon^2) - epsilon`` (Charbonnier), which forgives
    differences well below `epsilon`. L1 does not: while several tasks begin to be learnt, every trace that one
    leaves on the images of the others costs its full price, and the network stays close to the identity.
    """
    difference = output - target
    if epsilon > 0.0:
        return _weighted_mean((difference.square() + epsilon**2).sqrt() - epsilon, weight)
    return _weighted_mean(difference.abs(), weight)


def psnr_loss(output: Tensor, target: Tensor, weight: Tensor | None = None, floor: float = 1e-4) -> Tensor:
    """Logarithm of the mean squared error of each image times its weight, mean over the images: PSNR, but for sign.

    What counts is by which factor an error shrinks, however small it is: tasks that change little, such as
    super-resolution and PET, are heard beside haze and clouds. Not in the paper, and not for the beginning: a network
    that knows nothing stays close to the identity under it.

    Parameters
    ----------
    output, target
        (B, C, H, W) in [0, 1].
    weight
        (B,) factors of the images; None for 1.
    floor
        Squared error that is as good as none; 1e-4 is 40 dB. Without it images that need nothing would rule.
    """
    squared = (output - target).square().flatten(1).mean(dim=1)
    return _weighted_mean((squared + floor).log()[:, None], weight)


def fourier_loss(output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """L1 in the Fourier domain: mean absolute difference of the real and imaginary parts of ``rfft2``.

    The transform is not normalised, as released.
    """
    # Linear, so that one transform of the difference does; as float32, for half precision has no such transform.
    difference = torch.view_as_real(torch.fft.rfft2((output - target).float()))
    return _weighted_mean(difference.abs(), weight)


def checkerboard_loss(output: Tensor, target: Tensor, weight: Tensor | None = None, window: int = 16) -> Tensor:
    """Penalty on an error that differs between odd and even rows and columns over whole windows.

    What is left of noise with a period of two pixels looks like a checkerboard once all other noise is gone. It costs
    next to nothing in squared error, but an eye and a noise power spectrum see it. Not in the paper.

    Parameters
    ----------
    output, target
        (B, C, H, W) in [0, 1]; rows and columns beyond a multiple of `window` have no part.
    weight
        (B,) factors of the images; None for 1.
    window
        Edge in pixels, even.

    Returns
    -------
    The mean over the images of log(1 + r). For r, the error is averaged over the pixels of one parity in each window;
    the variance of the four averages is divided by what it would be if all errors were independent, which takes no
    part in the gradient.
    """
    edge = window // 2
    height, width = (length // window * window for length in output.shape[-2:])
    error = (output - target)[..., :height, :width]
    means = functional.avg_pool2d(functional.pixel_unshuffle(error, 2), edge)
    # The four parities of a channel follow one another.
    spread = means.reshape(len(error), -1, 4, *means.shape[-2:]).var(dim=2).flatten(1).mean(dim=1)
    independent = error.detach().square().flatten(1).mean(dim=1) / edge**2
    return _weighted_mean((spread / (independent + 1e-12)).log1p()[:, None], weight)


def alignment_loss(representation: Tensor, text: Tensor) -> Tensor:
    """Distance of the domain representations from the text features, equation 2.

    Parameters
    ----------
    representation
        (B, tokens, d); several tokens are averaged.
    text
        (B, d).
    """
    return (1.0 - functional.cosine_similarity(representation.mean(dim=1), text, dim=-1)).mean()


def diversity_loss(values: Tensor, threshold: float = 0.1) -> Tensor:
    """Penalty on prompts whose values are alike, equations 4 and 5.

    Parameters
    ----------
    values
        (N, T, d); the T tokens of a prompt are compared as one vector.
    threshold
        Cosine similarity up to which there is no penalty.
    """
    count = values.shape[0]
    unit = functional.normalize(values.flatten(1), dim=-1)
    similarity = unit @ unit.T
    others = ~torch.eye(count, dtype=torch.bool, device=values.device)
    excess = (similarity - threshold).clamp_min(0.0)[others]
    return excess.sum() / max(count * (count - 1), 1)


def balance_loss(similarity: Tensor) -> Tensor:
    """Penalty on uneven use of the prompts, equations 6 and 7, mean over the images.

    Parameters
    ----------
    similarity
        Cosine similarities of queries and keys, (B, N).
    """
    log_share = similarity.log_softmax(dim=-1)
    entropy = -(log_share.exp() * log_share).sum(dim=-1)
    return (math.log(similarity.shape[-1]) - entropy).mean()


def contrastive_loss(similarity: Tensor, selected: Tensor, temperature: float = 0.1) -> Tensor:
    """Pull queries to the keys that they selected and away from the others, equation 9.

    The paper leaves open how several positive keys share the quotient, and the temperature. Here each positive
    stands alone against all negatives, and the mean is taken over the positives and the images; the product of
    query and key is their cosine.

    Parameters
    ----------
    similarity
        Cosine similarities of queries and keys, (B, N).
    selected
        Indices of the selected prompts, (B, k).
    temperature
        Divides the similarities.
    """
    logits = similarity / temperature
    chosen = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, selected, value=True)
    positive = logits.gather(-1, selected)
    negative = logits.masked_fill(chosen, -torch.inf).logsumexp(dim=-1, keepdim=True)
    return (torch.logaddexp(positive, negative) - positive).mean()


def anchor_loss(similarity: Tensor, anchor: Tensor, temperature: float = 0.1) -> Tensor:
    """Return the cross-entropy of choosing the prompt that stands for the image's task or domain.

    Not in the paper: a warm start for short trainings, in which the pools have no time to find out by themselves
    what tells the tasks apart.

    Parameters
    ----------
    similarity
        (B, N) cosine similarities of queries and keys.
    anchor
        (B,) index of each image's prompt; -1 for images that none stands for.
    temperature
        Divides the similarities.
    """
    summed = functional.cross_entropy(similarity / temperature, anchor, ignore_index=-1, reduction="sum")
    return summed / (anchor >= 0).sum().clamp_min(1)


def reconstruction_losses(
    output: Tensor, target: Tensor, weights: LossWeights, image_weight: Tensor | None = None
) -> dict[str, Tensor]:
    """Return the terms that compare images, before their factors; those beyond L1 where they have one."""
    terms = {"pixel": pixel_loss(output, target, image_weight, weights.pixel_epsilon)}
    if weights.fourier:
        terms["fourier"] = fourier_loss(output, target, image_weight)
    if weights.psnr:
        terms["psnr"] = psnr_loss(output, target, image_weight, weights.psnr_floor)
    if weights.checkerboard:
        terms["checkerboard"] = checkerboard_loss(output, target, image_weight)
    return terms


def pool_losses(choice: PromptChoice, pool: PromptPool, weights: LossWeights) -> dict[str, Tensor]:
    """Return the three regularisations of one pool, before their factors."""
    return {
        "diversity": diversity_loss(pool.values, weights.diversity_threshold),
        "balance": balance_loss(choice.similarity),
        "contrastive": contrastive_loss(choice.similarity, choice.selected, weights.contrastive_temperature),
    }


def training_loss(
    network: DatprlNetwork | Baseline,
    output: Tensor,
    target: Tensor,
    trace: Trace,
    weights: LossWeights,
    *,
    image_weight: Tensor | None = None,
    text: Tensor | None = None,
    anchors: Anchors | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the total of equation 8 and each term before its factor.

    Parameters
    ----------
    network
        Whose pools are regularised; the terms of both are added. A pool that is off has none.
    output, target
        (B, 3, H, W) in [0, 1]; the output is not clipped.
    trace
        What the network chose.
    image_weight
        (B,) factors of the reconstruction terms, to balance tasks; None for 1.
    text
        (B, d) text features for the alignment; None leaves that term out.
    anchors
        Prompts that stand for each image's task and domain; None leaves that term out.
    """
    terms = reconstruction_losses(output, target, weights, image_weight)
    for choice, pool in ((trace.task, network.task_pool), (trace.domain, network.domain_pool)):
        if choice is not None and pool is not None:
            for name, value in pool_losses(choice, pool, weights).items():
                terms[name] = terms[name] + value if name in terms else value
    if text is not None and trace.domain is not None:
        terms["alignment"] = alignment_loss(trace.domain.representation, text)
    if anchors is not None:
        pairs = ((trace.task, anchors.task), (trace.domain, anchors.domain))
        found = [anchor_loss(choice.similarity, index) for choice, index in pairs if choice and index is not None]
        if found:
            terms["anchor"] = torch.stack(found).sum()
    factors: dict[str, float] = asdict(weights)
    total = torch.stack([factors[name] * value for name, value in terms.items() if factors[name]]).sum()
    return total, terms


def _weighted_mean(difference: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean over everything but the images, then the weighted mean over those."""
    per_image = difference.flatten(1).mean(dim=1)
    return per_image.mean() if weight is None else (weight * per_image).mean()
