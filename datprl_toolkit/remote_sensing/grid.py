"""Where the pixels of a scene lie on the ground, and where those of an enlarged scene lie."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

if TYPE_CHECKING:
    from rasterio.crs import CRS


@dataclass(frozen=True, slots=True)
class Grid:
    """Size and georeference of a scene.

    Parameters
    ----------
    height, width
        Rows and columns.
    crs
        Coordinate reference system of `transform`, as the file gives it; None if it has none.
    transform
        From (column, row), counted from the outer corner of the first pixel, to map coordinates. May be rotated.
        None if the file has none.
    control_points, control_crs
        Ground control points with row and column in pixels from the outer corner, and their reference system.
    rpcs
        Rational polynomial coefficients; their line and sample 0 are the *centre* of the first pixel.
    """

    height: int
    width: int
    crs: CRS | None = None
    transform: Affine | None = None
    control_points: tuple[GroundControlPoint, ...] = ()
    control_crs: CRS | None = None
    rpcs: RPC | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def is_rotated(self) -> bool:
        """True if rows and columns do not run along the axes of the map."""
        return self.transform is not None and (self.transform.b != 0 or self.transform.d != 0)

    def enlarged(self, factor: int) -> Grid:
        """Return the grid whose pixels are `factor` times smaller, over exactly the same ground.

        The transform is ``T * scale(1 / factor)``, which is right for rotated scenes too. Control points, counted
        from the corner, are multiplied. RPC offsets are counted from the pixel's centre, so that
        ``offset' = (offset + 0.5) * factor - 0.5``; their scales are multiplied.
        """
        if factor == 1:
            return self
        return replace(
            self,
            height=self.height * factor,
            width=self.width * factor,
            transform=None if self.transform is None else _enlarged_transform(self.transform, factor),
            control_points=tuple(_enlarged_point(point, factor) for point in self.control_points),
            rpcs=None if self.rpcs is None else _enlarged_rpcs(self.rpcs, factor),
        )

    def reduced(self, factor: int) -> Grid:
        """Return the grid whose pixels are `factor` times larger, from the same corner.

        Where `factor` does not divide the size, the last row and column reach beyond the ground of this grid.
        """
        return replace(
            self,
            height=-(-self.height // factor),
            width=-(-self.width // factor),
            transform=None if self.transform is None else _enlarged_transform(self.transform, 1 / factor),
            control_points=tuple(_enlarged_point(point, 1 / factor) for point in self.control_points),
            rpcs=None if self.rpcs is None else _enlarged_rpcs(self.rpcs, 1 / factor),
        )


def _enlarged_transform(transform: Affine, factor: float) -> Affine:
    a, b, c, d, e, f = transform[:6]
    return Affine(a / factor, b / factor, c, d / factor, e / factor, f)


def _enlarged_point(point: GroundControlPoint, factor: float) -> GroundControlPoint:
    return GroundControlPoint(
        row=point.row * factor,
        col=point.col * factor,
        x=point.x,
        y=point.y,
        z=point.z,
        id=point.id,
        info=point.info,
    )


def _enlarged_rpcs(rpcs: RPC, factor: float) -> RPC:
    values = rpcs.to_dict()
    for axis in ("line", "samp"):
        values[f"{axis}_off"] = (values[f"{axis}_off"] + 0.5) * factor - 0.5
        values[f"{axis}_scale"] = values[f"{axis}_scale"] * factor
    return RPC(**values)
