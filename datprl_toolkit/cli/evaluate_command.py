"""``datprl evaluate``: its arguments and options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    restored: Annotated[
        Path, typer.Argument(metavar="RESTORED", help="Folder of restored images or DICOM series; or a YAML of sets.")
    ],
    truth: Annotated[Path | None, typer.Argument(metavar="TRUTH", help="Folder of what they should be.")] = None,
    degraded: Annotated[
        Path | None, typer.Option("--input", help="Folder of the images before they were restored.")
    ] = None,
    match: Annotated[
        str | None, typer.Option(help="Regular expression whose first group pairs names, such as '(\\d+)'.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Restore the first folder with these weights before comparing.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    scale: Annotated[int, typer.Option(help="Enlarge by this factor when restoring pictures.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for images.csv, sets.csv and results.json.")] = None,
    per_image: Annotated[bool, typer.Option("--per-image", help="Print every image too.")] = False,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 42,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap.")] = 2000,
    also: Annotated[
        list[str] | None, typer.Option(help="niqe, musiq, maniqa, clipiqa or fid, of photographs; needs pyiqa.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Compare restored images with the truth: PSNR and SSIM as published, HU and SUV errors for DICOM."""
    from datprl_toolkit.cli.evaluate import run

    run(
        restored,
        truth,
        degraded,
        match=match,
        weights=weights,
        device=device,
        scale=scale,
        out=out,
        per_image=per_image,
        seed=seed,
        resamples=resamples,
        also=also or [],
        overwrite=overwrite,
    )
