"""A workflow as a picture: SVG for a file, Mermaid for a terminal or a page."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from datprl_nodes.layout import Box, lay_out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datprl_nodes.checking import Plan

FONT = "Helvetica, Arial, sans-serif"
LETTER = 7.0  # mean width of a letter of 13 pixels
MARGIN = 24.0
TYPE_COLOURS = {
    "Volume": "#0b6e99",
    "Scene": "#3c7a1e",
    "Picture": "#b3541e",
    "Report": "#6a4c9c",
    "Path": "#5f6770",
}
STATE_COLOURS = {"done": "#2e7d32", "kept": "#607d8b", "failed": "#c62828", "": "#ffffff"}


@dataclass(frozen=True, slots=True)
class _Shape:
    """A box with one or two lines of text."""

    title: str
    note: str
    colour: str
    fill: str
    round: bool = False


def draw_svg(plan: Plan, states: Mapping[str, str] | None = None) -> str:
    """Return the workflow as an SVG picture: inputs, steps and outputs from left to right.

    Parameters
    ----------
    plan
        The checked workflow.
    states
        What became of each step, such as "done" or "kept, 0.3 s", by its name; None for a workflow that was not run.
    """
    shapes, edges = _shapes(plan, states or {})
    sizes = {name: (_width(shape), 46.0 if shape.note else 30.0) for name, shape in shapes.items()}
    layout = lay_out(sizes, list(edges))
    used = [kind for kind in TYPE_COLOURS if kind in edges.values()]
    width = max(layout.width, 90.0 * len(used), LETTER * 1.2 * len(plan.workflow.name)) + 2 * MARGIN
    height = layout.height + 2 * MARGIN + 64
    size = f'width="{width:.0f}" height="{height:.0f}"'
    view = f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view}>',
        f'<rect {size} fill="white"/>',
        _text(MARGIN, MARGIN + 6, plan.workflow.name, 'font-size="16" font-weight="bold"'),
        f'<g transform="translate({MARGIN} {MARGIN + 24})">',
    ]
    parts += [_line(layout.lines[edge], TYPE_COLOURS[kind]) for edge, kind in edges.items()]
    parts += [_box(layout.boxes[name], shape) for name, shape in shapes.items()]
    parts.append("</g>")
    for place, kind in enumerate(used):
        x, y = MARGIN + 90 * place, height - MARGIN + 4
        parts.append(f'<path d="M{x:.0f} {y - 4:.0f}h20" stroke="{TYPE_COLOURS[kind]}" stroke-width="2.5"/>')
        parts.append(_text(x + 26, y, kind, 'font-size="12" fill="#444"'))
    return "\n".join([*parts, "</svg>", ""])


def draw_mermaid(plan: Plan) -> str:
    """Return the workflow in the language of Mermaid, which many pages and editors draw."""
    shapes, edges = _shapes(plan, {})
    names = {name: f"n{place}" for place, name in enumerate(shapes)}
    lines = ["flowchart LR"]
    for name, shape in shapes.items():
        text = _mermaid_text(f"{shape.title}<br/>{shape.note}" if shape.note else shape.title)
        opening, closing = ("([", "])") if shape.round else ("[", "]")
        lines.append(f"    {names[name]}{opening}{text}{closing}")
    lines += [f"    {names[first]} -->|{kind}| {names[last]}" for (first, last), kind in edges.items()]
    return "\n".join(lines) + "\n"


def _shapes(plan: Plan, states: Mapping[str, str]) -> tuple[dict[str, _Shape], dict[tuple[str, str], str]]:
    """Return the boxes by name, and the type of the value on each edge between two of them."""
    shapes, edges = {}, {}
    for name, declared in plan.workflow.inputs.items():
        note = f"each {declared.each}" if declared.each else ""
        shapes[f"input {name}"] = _Shape(name, note, "#9aa3ab", "#f1f3f5", round=True)
    for name, step in plan.steps.items():
        title = name if step.each is None else f"{name}  \N{MULTIPLICATION SIGN} {step.each}"
        state = states.get(name, "")
        colour = STATE_COLOURS.get(state.split(",")[0], "#37474f") if state else "#37474f"
        note = " \N{MIDDLE DOT} ".join(filter(None, (step.node.title or step.node_name, state)))
        shapes[f"step {name}"] = _Shape(title, note, colour, "#ffffff")
        for sources in step.inputs.values():
            for source in sources:
                first = f"step {source.name}" if source.port else f"input {source.name}"
                edges[first, f"step {name}"] = _type(plan, source.name, source.port)
    for target, source in plan.outputs.items():
        shapes[f"output {target}"] = _Shape(target, "", "#9aa3ab", "#fff8e1", round=True)
        edges[f"step {source.name}", f"output {target}"] = _type(plan, source.name, source.port)
    return shapes, edges


def _type(plan: Plan, name: str, port: str) -> str:
    return plan.steps[name].outputs[port][0] if port else plan.workflow.inputs[name].type


def _width(shape: _Shape) -> float:
    return max(LETTER * 1.05 * len(shape.title), LETTER * 0.86 * len(shape.note)) + 28


def _box(box: Box, shape: _Shape) -> str:
    radius = 15 if shape.round else 5
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius}"'
    lift = 8 if shape.note else 0
    lines = [
        f'<rect {place} fill="{shape.fill}" stroke="{shape.colour}" stroke-width="1.5"/>',
        _text(box.x + 14, box.middle + 4.5 - lift, shape.title, 'font-weight="600"'),
    ]
    if shape.note:
        lines.append(_text(box.x + 14, box.middle + 14, shape.note, 'font-size="11" fill="#555"'))
    return "\n".join(lines)


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _line(points: tuple[tuple[float, float], ...], colour: str) -> str:
    path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        path.append(f"C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}")
    end = points[-1]
    head = f"M{end[0] - 7:.1f} {end[1] - 4:.1f}L{end[0]:.1f} {end[1]:.1f}L{end[0] - 7:.1f} {end[1] + 4:.1f}"
    return f'<path d="{" ".join(path)} {head}" fill="none" stroke="{colour}" stroke-width="1.8"/>'


def _mermaid_text(text: str) -> str:
    return '"' + text.replace('"', "#quot;") + '"'
