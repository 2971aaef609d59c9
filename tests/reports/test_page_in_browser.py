"""The page in a real browser: what it shows are the values, at any width, dark and light."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from datprl_toolkit.reports.page import render
from datprl_toolkit.reports.pictures import DIVERGING
from datprl_toolkit.reports.testing import HIGH, LOW, SIDE, example_report, slices

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Waits until the viewer stands, does what a test asks for, then says where things are.
PROBE = """<script>(async () => {
  const root = document.documentElement;
  while (!root.dataset.ready) await new Promise((done) => setTimeout(done, 20));
  const find = (selector) => document.querySelector(selector);
  const key = (selector, name) => find(selector).dispatchEvent(new KeyboardEvent("keydown", {key: name}));
  %s
  await new Promise((done) => setTimeout(done, 200));
  const box = (selector) => { const b = find(selector).getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; };
  root.dataset.probe = JSON.stringify({
    ready: root.dataset.ready, pair: box(".pair canvas"), change: box(".change canvas"),
    readout: find(".readout").textContent, title: find("output.title").textContent,
    split: find(".split").getAttribute("aria-valuenow"), overflow: root.scrollWidth - innerWidth,
    still: find(".still").hidden, profile: find('[data-chart="row"] path.after').getAttribute("d"),
    marks: [...document.querySelectorAll(".change .over .mark")].map((mark) => {
      const b = mark.getBoundingClientRect(); return [b.width, b.height]; }),
  });
})();</script></body>"""
Seen = tuple[dict[str, Any], npt.NDArray[np.int64]]


@pytest.fixture(scope="session")
def browser() -> str:
    """Find a browser; skip without one, or fail where DATPRL_REQUIRE_TOOLS says that it must be there."""
    for name in PROGRAMS:
        path = shutil.which(name)
        if path is not None:
            return path
    message = "no Chromium is installed (Debian package chromium)"
    if os.environ.get("DATPRL_REQUIRE_TOOLS"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def look(browser: str, tmp_path: Path) -> Callable[..., Seen]:
    """Open a page, do something, and return what it says and what it looks like, (H, W, 3)."""

    def open_page(
        act: str = "", *, width: int = 1280, dark: bool = False, text: str | None = None, picture: bool = True
    ) -> Seen:
        page = tmp_path / "report.html"
        page.write_text((text or render(example_report())).replace("</body>", PROBE % act), encoding="utf-8")
        options = [
            "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking",
            f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},2600", "--virtual-time-budget=4000",
            *(["--force-dark-mode"] if dark else []),
        ]  # fmt: skip
        shot = tmp_path / "shot.png"
        taken = [f"--screenshot={shot}"] if picture else []
        command = [browser, *options, "--dump-dom", *taken, page.as_uri()]
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
        found = re.search(r'data-probe="([^"]*)"', result.stdout)
        assert found is not None, result.stderr[-500:]
        says = json.loads(unescape(found[1]))
        if not picture:
            return says, np.zeros((0, 0, 3), np.int64)
        if not shot.exists():  # some releases give one of the two at a time
            subprocess.run([browser, *options, *taken, page.as_uri()], capture_output=True, check=True, timeout=200)
        with Image.open(shot) as image:
            return says, np.asarray(image.convert("RGB")).astype(np.int64)

    return open_page


def pixel(seen: Seen, panel: str, row: int, column: int) -> npt.NDArray[np.int64]:
    """Return the colour of the middle of an image pixel on the screen."""
    x, y, width, height = seen[0][panel]
    colour: npt.NDArray[np.int64] = seen[1][
        int(y + (row + 0.5) * height / SIDE), int(x + (column + 0.5) * width / SIDE)
    ]
    return colour


def grey(value: float) -> float:
    return float(np.clip(255 * (value - LOW) / (HIGH - LOW), 0, 255))


def test_the_left_half_shows_before_the_right_half_restored_and_the_map_the_difference(
    look: Callable[..., Seen],
) -> None:
    seen = look()
    pair = slices()[1]
    assert seen[0]["ready"] == "yes"
    assert seen[0]["still"] is True
    assert seen[0]["title"] == "slice 2 of 3"
    # The middle of the square is 40 HU before and 140 HU restored; left of the boundary it is before.
    assert pixel(seen, "pair", 16, 12) == pytest.approx(grey(40.0), abs=2)
    for row, column in ((30, 70), (70, 80), (88, 90)):
        assert pixel(seen, "pair", row, column) == pytest.approx(grey(pair.after[row, column]), abs=2)
    assert tuple(pixel(seen, "change", 16, 12)) == DIVERGING[-1]
    marks = np.array(seen[0]["marks"])
    regions = example_report().parts[0].measured.regions
    assert len(marks) >= sum(each.region.frame == 1 for each in regions) > 0
    assert marks[:, 0] == pytest.approx(marks[:, 1], rel=0.05)
    middle = SIDE // 2
    before, after = pair.before[middle, middle], pair.after[middle, middle]
    assert str(seen[0]["readout"]).replace("−", "-") == (
        f"row {middle}, column {middle}: before {before:g}, restored {after:g}, "
        f"change {'+' if after > before else ''}{after - before:g} HU"
    )


def test_keys_and_buttons_move_the_boundary_the_cross_and_the_slice(look: Callable[..., Seen]) -> None:
    keys = look(
        'key(".split", "ArrowRight"); key(".split", "ArrowRight");'
        'key(".change .stage", "ArrowDown"); key(".change .stage", "ArrowRight");',
        picture=False,
    )
    assert keys[0]["split"] == "54"
    assert f"row {SIDE // 2 + 1}, column {SIDE // 2 + 1}:" in str(keys[0]["readout"])
    restored = look(
        'find("[data-split=\\"0\\"]").click(); find("input.frame").value = 2;'
        'find("input.frame").dispatchEvent(new Event("input"));'
    )
    assert restored[0]["title"] == "slice 3 of 3"
    assert pixel(restored, "pair", 16, 12) == pytest.approx(grey(140.0), abs=2)
    largest = look('find(".largest").click();', picture=False)
    assert largest[0]["title"] == "slice 1 of 3"
    assert "change +100 HU" in str(largest[0]["readout"])
    assert largest[0]["profile"] != keys[0]["profile"]


def test_window_buttons_and_inversion_change_the_grey_of_a_value(look: Callable[..., Seen]) -> None:
    seen = look(
        '[...document.querySelectorAll("button")].find((b) => b.textContent === "bone").click();'
        'find(".invert").click();'
    )
    assert pixel(seen, "pair", 16, 12) == pytest.approx(255 - 255 * (40 + 450) / 1500, abs=2)


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (500, False)])
def test_it_fits_a_narrow_and_a_dark_screen(look: Callable[..., Seen], width: int, dark: bool) -> None:
    seen = look(width=width, dark=dark)
    assert seen[0]["overflow"] == 0
    paper = seen[1][5, 5].mean()
    assert paper < 60 if dark else paper > 240
    x, y, wide, _ = seen[0]["pair"]
    other_x, other_y, *_ = seen[0]["change"]
    side_by_side = other_y == y and other_x >= x + wide
    assert side_by_side == (width > 720)
    assert pixel(seen, "pair", 16, 12) == pytest.approx(grey(40.0), abs=2)


def test_a_browser_that_cannot_decompress_keeps_the_still_picture(look: Callable[..., Seen]) -> None:
    page = render(example_report()).replace("<body>", "<body><script>delete globalThis.DecompressionStream;</script>")
    seen = look(text=page, picture=False)
    assert str(seen[0]["ready"]).startswith("failed")
    assert seen[0]["still"] is False
