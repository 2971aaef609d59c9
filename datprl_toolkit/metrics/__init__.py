"""Numbers that compare two arrays. Nothing here knows files."""

from datprl_toolkit.metrics.fidelity import psnr, ssim

__all__ = ["psnr", "ssim"]
