from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
import xarray as xr

import datprl_toolkit.remote_sensing.accessor  # noqa: F401 (gives arrays their accessor)
from datprl_toolkit.errors import DatprlError
from datprl_toolkit.remote_sensing.testing import photograph
from datprl_toolkit.restoring.testing import identity_restorer, tiny_restorer

if TYPE_CHECKING:
    from datprl_toolkit.restoring import Restorer


def raster(bands: int, height: int, width: int, dtype: str = "uint8", **attributes: Any) -> xr.DataArray:
    coordinates = {"y": 100.0 - np.arange(height), "x": np.arange(width) * 1.0}
    values = photograph(bands, height, width, dtype)
    return xr.DataArray(values, coordinates, ("band", "y", "x"), name="scene", attrs=attributes)


def test_nothing_is_restored_until_it_is_needed(tiny: Restorer) -> None:
    with mock.patch.object(type(tiny), "restore_batch", autospec=True, side_effect=type(tiny).restore_batch) as calls:
        restored = raster(3, 96, 160).datprl.restore(tiny, tile=64, halo=16)
        assert calls.call_count == 0
        assert restored.chunks == ((3,), (64, 32), (64, 64, 32))
        restored.isel(y=slice(0, 8), x=slice(0, 8)).compute()
        assert calls.call_count == 1


def test_the_result_has_the_form_of_the_array_and_is_changed(tiny: Restorer) -> None:
    before = raster(3, 60, 70, units="counts")
    after = before.datprl.restore(tiny, tile=32)
    assert (after.dims, after.dtype, after.attrs, after.name) == (before.dims, before.dtype, before.attrs, "scene")
    assert after.x.equals(before.x)
    computed = after.compute()
    assert not np.array_equal(computed, before)
    flat = before[0].datprl.restore(tiny, tile=32)
    assert flat.dims == ("y", "x")
    assert flat.compute().shape == (60, 70)


@pytest.mark.parametrize("shape", [(1, 1), (7, 200), (45, 70), (130, 129)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_a_network_that_changes_nothing_leaves_every_value(shape: tuple[int, int], dtype: str) -> None:
    before = raster(3, *shape, dtype)
    after = before.datprl.restore(identity_restorer(), tile=32, halo=40, scaling="minmax:0,300").compute()
    assert after.values.tobytes() == before.values.tobytes()


def test_chunks_share_one_context_so_that_their_size_does_not_matter(tiny: Restorer) -> None:
    before = raster(3, 128, 192, "float32")
    small, large = (before.datprl.restore(tiny, tile=tile, halo=96).compute() for tile in (64, 192))
    assert float(np.abs(small - large).max()) < 2e-4


def test_what_is_no_data_stays_and_does_not_spread(tiny: Restorer) -> None:
    before = raster(1, 64, 64, "float32")
    before[0, 10:20, 10:20] = np.nan
    after = before.datprl.restore(tiny, tile=32).compute()
    assert np.array_equal(np.isnan(after), np.isnan(before))
    marked = raster(1, 64, 64, "int16", _FillValue=-1)
    marked[0, :5] = -1
    restored = marked.datprl.restore(tiny, tile=32).compute()
    assert (restored[0, :5] == -1).all()
    assert (restored[0, 5:] != -1).all()
    empty = xr.full_like(marked, -1)
    assert empty.datprl.restore(tiny).equals(empty)


def test_other_bands_are_passed_through(tiny: Restorer) -> None:
    before = raster(5, 40, 40, "uint16")
    after = before.datprl.restore(tiny, bands=(4, 2, 1), tile=32).compute()
    changed = [not np.array_equal(after[band], before[band]) for band in range(5)]
    assert changed == [True, True, False, True, False]


def test_a_lazy_array_stays_lazy_and_can_be_sent_to_a_worker(tiny: Restorer) -> None:
    lazy = raster(3, 64, 64).chunk({"y": 20, "x": 30})
    restored = lazy.datprl.restore(tiny_restorer(), tile=32, halo=8)
    assert np.array_equal(restored.compute(), lazy.compute().datprl.restore(tiny, tile=32, halo=8).compute())
    again = pickle.loads(pickle.dumps(restored))
    assert np.array_equal(again.compute(), restored.compute())


@pytest.mark.parametrize(
    ("make", "options", "code"),
    [
        (("y", "x", "time", "band"), {}, "E_UNSUPPORTED"),
        (("band", "y", "x"), {}, "E_OPTION"),
        (("band", "y", "x"), {"bands": (1, 2, 9)}, "E_OPTION"),
        (("band", "y", "x"), {"bands": (1, 2, 3), "strength": 2.0}, "E_OPTION"),
    ],
    ids=["four axes", "four bands", "no such band", "strength"],
)
def test_what_cannot_be_restored_is_refused_at_once(
    tiny: Restorer, make: tuple[str, ...], options: dict[str, Any], code: str
) -> None:
    array = xr.DataArray(np.ones((4,) * len(make), np.uint8), dims=make)
    with pytest.raises(DatprlError, match=code):
        array.datprl.restore(tiny, **options)
