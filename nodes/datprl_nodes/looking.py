"""Nodes that show and score: previews, small pictures, and tables of figures."""

from __future__ import annotations

from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from datprl_nodes.node import Job, Node
from datprl_nodes.ports import Image
from datprl_nodes.values import type_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datprl_toolkit.images.picture import Picture
    from datprl_toolkit.metrics.report import Report
    from datprl_toolkit.remote_sensing import Scene


class Preview(Node):
    """Draw an image before and after, and the difference with its scale."""

    title: ClassVar[str] = "Compare side by side"
    category: ClassVar[str] = "look"
    suffix: ClassVar[str] = ".png"

    slices: int = Field(default=1, ge=1, le=12, description="How many slices of a volume are drawn.")

    def run(self, *, before: Image, after: Image, job: Job) -> Path:
        """Draw one row for each slice, or for the scene or picture."""
        from datprl_toolkit.jobs import look
        from datprl_toolkit.reports import write_preview

        kind = type_of(before)
        if kind == "Volume":
            shown = look.compare_volumes(before, after, self.slices)  # type: ignore[arg-type]
        elif kind == "Scene":
            shown = look.compare_scenes(before, after)  # type: ignore[arg-type]
        else:
            shown = look.compare_pictures(before, after)  # type: ignore[arg-type]
        target = job.folder / "preview.png"
        write_preview(target, shown)
        return target


class Thumbnail(Node):
    """Make a small picture of an image: the middle slice, the whole scene or the picture."""

    title: ClassVar[str] = "Make a thumbnail"
    category: ClassVar[str] = "look"

    size: int = Field(
        default=256, ge=16, le=4096, description="Length of the longer side.", json_schema_extra={"unit": "pixels"}
    )

    def run(self, *, image: Image) -> Picture:
        """Shrink to the size, in the window of the modality or between percentiles."""
        from datprl_toolkit.jobs import look

        kind = type_of(image)
        if kind == "Volume":
            return look.shrink_volume(image, self.size)  # type: ignore[arg-type]
        if kind == "Scene":
            return look.shrink_scene(image, self.size)  # type: ignore[arg-type]
        return look.shrink_picture(image, self.size)  # type: ignore[arg-type]


class Score(Node):
    """Score an image against the truth: PSNR and SSIM, and errors in the unit of the values."""

    title: ClassVar[str] = "Score against the truth"
    category: ClassVar[str] = "score"

    label: str = Field(default="", description="What stands before the rows of the table, such as 'restored'.")

    def run(self, *, image: Image, reference: Image, job: Job) -> Report:
        """Compare slice by slice, band by band, or the whole picture."""
        from datprl_toolkit.jobs import score

        kind, label, told = type_of(image), self.label, job.progress
        if kind == "Volume":
            return score.score_volume(image, reference, label=label, progress=told)  # type: ignore[arg-type]
        if kind == "Scene":
            return score.score_scene(image, reference, label=label, progress=told)  # type: ignore[arg-type]
        return score.score_picture(image, reference, label=label)  # type: ignore[arg-type]


class QualityReport(Node):
    """Make a page of what was measured and checked in an image before and after: values, noise, edges, header."""

    title: ClassVar[str] = "Report on quality"
    category: ClassVar[str] = "look"
    suffix: ClassVar[str] = ".html"

    def run(self, *, before: Image, after: Image, job: Job) -> Path:
        """Read both from their files, measure, and write one HTML file."""
        import tempfile

        from datprl_nodes.values import as_file
        from datprl_toolkit.jobs.report import make_report, write_report

        target = job.folder / "report.html"
        with tempfile.TemporaryDirectory(dir=job.folder) as folder:
            files = [as_file(image, Path(folder) / name) for name, image in (("before", before), ("after", after))]
            write_report(make_report(*files, progress=job.progress), target)
        return target


class MeasureSeams(Node):
    """Measure whether the tiles of a restored scene can be seen: 1 is a scene without seams."""

    title: ClassVar[str] = "Measure seams"
    category: ClassVar[str] = "score"

    tile: int | None = Field(
        default=None, ge=16, description="Distance of the cut lines; left out: looked for in the scene.",
        json_schema_extra={"unit": "pixels"},
    )  # fmt: skip

    def run(self, *, scene: Scene, original: Scene | None = None, job: Job) -> Report:
        """Compare the steps along the edges of tiles with those beside them."""
        from datprl_toolkit.jobs.seams import find_seams
        from datprl_toolkit.metrics.report import Report

        columns = ("seam index", "standard error", "step [stored value]", "noise [stored value]")
        if self.tile is not None and max(scene.grid.shape) <= self.tile:
            return Report("seams", columns, (("scene", (nan,) * 4),), ("a single tile has no seam",))
        source = None if original is None else original.path
        found, _ = find_seams(scene.path, tile=self.tile, original=source, progress=job.progress)
        row = (found.index, found.error, found.step, found.noise)
        verdict = "no seams" if found.is_seamless else "seams"
        return Report(f"seams every {found.tile} pixels", columns, (("scene", row),), (verdict,))


class Explain(Node):
    """Draw which prompts the network chooses for images, and how alike images look to it."""

    title: ClassVar[str] = "Explain the network's choices"
    category: ClassVar[str] = "look"

    weights: str = Field(default="small", description="Name or path of the weights.")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1.")
    limit: int = Field(default=100, ge=1, description="Most images that are looked at, evenly spaced.")

    def fingerprint(self) -> Mapping[str, str]:
        """Return the checksum of the weights, whatever they are called; the device does not decide."""
        from datprl_toolkit.weights import find_weights, read_card

        return {"weights": read_card(find_weights(self.weights)).sha256, "device": "any"}

    def run(self, *, sources: tuple[Path, ...], job: Job) -> Path:
        """Look at pictures, folders of pictures or DICOM series; each is a set of its own."""
        from datprl_toolkit.explanation import explain, find_sets, write_explanation
        from datprl_toolkit.restoring import Restorer

        restorer = Restorer.from_pretrained(self.weights, device=self.device)
        explanation = explain(find_sets(list(sources)), restorer, limit=self.limit, progress=job.progress)
        target = job.folder / "explanation"
        write_explanation(target, explanation)
        return target


class JoinReports(Node):
    """Put tables of one kind into one, with the file or step that each comes from before its rows."""

    title: ClassVar[str] = "Join tables"
    category: ClassVar[str] = "score"

    name: str = Field(default="scores", description="Title of the table.")
    means: bool = Field(default=False, description="Keep of each table the means of its columns alone.")

    def run(self, *, reports: tuple[Report, ...], job: Job) -> Report:
        """Join the rows."""
        from datprl_toolkit.metrics.report import join_reports

        chosen = [report.only_means() for report in reports] if self.means else list(reports)
        return join_reports(chosen, self.name, job.labels.get("reports"))


class WriteTable(Node):
    """Write a table as CSV, for a spreadsheet or pandas."""

    title: ClassVar[str] = "Write a table"
    category: ClassVar[str] = "write"
    suffix: ClassVar[str] = ".csv"

    def run(self, *, report: Report, job: Job) -> Path:
        """Write one line for each row."""
        target = job.folder / "table.csv"
        target.write_text(report.to_csv(), encoding="utf-8")
        return target
