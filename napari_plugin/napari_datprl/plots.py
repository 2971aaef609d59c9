"""Small plots, painted with Qt alone: curves over a common axis, and bars with names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPainterPath, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

COLOURS = ("#5aa9e6", "#ffb000", "#7bd389", "#e06c60")
BACKGROUND = "#1b1d23"
INK = "#d0d4dc"
FAINT = "#4a4f5a"
LEFT, RIGHT, TOP, BOTTOM = 72, 12, 22, 34
ROW = 18
HEIGHT = 190


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve: its name, and its points; where y is not finite the line is broken."""

    name: str
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]


class LinePlot(QWidget):
    """Curves with axes.

    Parameters
    ----------
    title, x_label
        What is shown, over what.
    """

    def __init__(self, title: str, x_label: str) -> None:
        super().__init__()
        self.title, self.x_label = title, x_label
        self.curves: tuple[Curve, ...] = ()
        self.setMinimumHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_curves(self, *curves: Curve) -> None:
        """Show these curves instead."""
        self.curves = curves
        self.update()

    def ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the ends of the two axes."""
        x, y = (np.concatenate([getattr(curve, axis) for curve in self.curves] or [[]]) for axis in "xy")
        return _ends(x, margin=0.0), _ends(y, margin=0.05)

    def paintEvent(self, event: Any) -> None:
        """Paint."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(BACKGROUND))
        frame = QRectF(LEFT, TOP, self.width() - LEFT - RIGHT, self.height() - TOP - BOTTOM)
        painter.setPen(QColor(INK))
        painter.drawText(QRectF(LEFT, 2, frame.width(), TOP - 4), Qt.AlignmentFlag.AlignLeft, self.title)
        painter.drawText(QRectF(LEFT, self.height() - 18, frame.width(), 16), Qt.AlignmentFlag.AlignRight, self.x_label)
        x_ends, y_ends = self.ranges()
        self._draw_axes(painter, frame, x_ends, y_ends)
        painter.setClipRect(frame)
        for curve, colour in zip(self.curves, COLOURS, strict=False):
            painter.setPen(QPen(QColor(colour), 1.6))
            painter.drawPath(_path(curve, frame, x_ends, y_ends))
        painter.setClipping(False)
        self._draw_names(painter, frame)
        painter.end()

    def _draw_axes(
        self, painter: QPainter, frame: QRectF, x_ends: tuple[float, float], y_ends: tuple[float, float]
    ) -> None:
        painter.setPen(QColor(FAINT))
        painter.drawRect(frame)
        for share in (0.0, 0.5, 1.0):
            y, x = frame.bottom() - share * frame.height(), frame.left() + share * frame.width()
            painter.setPen(QColor(FAINT))
            painter.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
            painter.setPen(QColor(INK))
            value = y_ends[0] + share * (y_ends[1] - y_ends[0])
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(2, y - 8, LEFT - 8, 16), right, f"{value:.3g}")
            side = (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignRight)
            where = QRectF(x - 40 * (2 * share if share != 0.5 else 1), frame.bottom() + 2, 80, 14)
            if share == 0.0:
                where = QRectF(x, frame.bottom() + 2, 80, 14)
            position = x_ends[0] + share * (x_ends[1] - x_ends[0])
            painter.drawText(where, side[round(2 * share)], f"{position:.3g}")

    def _draw_names(self, painter: QPainter, frame: QRectF) -> None:
        for row, (curve, colour) in enumerate(zip(self.curves, COLOURS, strict=False)):
            painter.setPen(QColor(colour))
            painter.drawText(
                QRectF(frame.left() + 6, frame.top() + 4 + 14 * row, frame.width() - 12, 14),
                Qt.AlignmentFlag.AlignRight,
                curve.name,
            )


class BarPlot(QWidget):
    """Horizontal bars from 0 to 1, each with a name and its value."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.bars: tuple[tuple[str, float], ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_bars(self, bars: tuple[tuple[str, float], ...]) -> None:
        """Show these bars instead."""
        self.bars = bars
        self.setMinimumHeight(self.sizeHint().height())
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Return the size that all bars need."""
        return QSize(260, TOP + ROW * max(1, len(self.bars)) + 6)

    def paintEvent(self, event: Any) -> None:
        """Paint."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(BACKGROUND))
        painter.setPen(QColor(INK))
        painter.drawText(QRectF(6, 2, self.width() - 12, TOP - 4), Qt.AlignmentFlag.AlignLeft, self.title)
        names = 0.42 * self.width()
        room = self.width() - names - 52
        for row, (name, value) in enumerate(self.bars):
            top = TOP + ROW * row
            painter.setPen(QColor(INK))
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            elided = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideLeft, int(names - 12))
            painter.drawText(QRectF(6, top, names - 12, ROW), right, elided)
            painter.fillRect(QRectF(names, top + 3, room, ROW - 6), QColor(FAINT))
            painter.fillRect(QRectF(names, top + 3, room * min(max(value, 0.0), 1.0), ROW - 6), QColor(COLOURS[0]))
            painter.drawText(QRectF(names + room + 4, top, 46, ROW), Qt.AlignmentFlag.AlignVCenter, f"{value:.3f}")
        painter.end()


def _ends(values: npt.NDArray[np.float64], margin: float) -> tuple[float, float]:
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    wide = (high - low) or abs(high) or 1.0
    return low - margin * wide, (high if high > low else low + wide) + margin * wide


def _path(curve: Curve, frame: QRectF, x_ends: tuple[float, float], y_ends: tuple[float, float]) -> QPainterPath:
    path, drawing = QPainterPath(), False
    x = frame.left() + (curve.x - x_ends[0]) / (x_ends[1] - x_ends[0]) * frame.width()
    y = frame.bottom() - (curve.y - y_ends[0]) / (y_ends[1] - y_ends[0]) * frame.height()
    for left, top in zip(x.tolist(), y.tolist(), strict=True):
        if not np.isfinite(top):
            drawing = False
        elif drawing:
            path.lineTo(left, top)
        else:
            path.moveTo(left, top)
            drawing = True
    return path
