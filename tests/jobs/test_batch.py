from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.jobs import RestoreOptions
from datprl_toolkit.jobs.batch import restore_batch
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring.testing import tiny_restorer
from tests.loading import load_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.restoring import Restorer


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    folder = tmp_path / "tiles"
    folder.mkdir()
    write_raster(folder / "a.tif", photograph(3, 24, 32))
    (folder / "b.tif").write_bytes((folder / "a.tif").read_bytes()[:900])
    return folder


def test_a_batch_says_what_it_found_and_draws_what_it_made(tiles: Path, tmp_path: Path) -> None:
    said: list[str] = []
    outcome = restore_batch(
        [tiles], tmp_path / "out", tiny_restorer, RestoreOptions(), previews=tmp_path / "looks", announce=said.append
    )
    assert (outcome.done, outcome.failed) == (("a",), ("b",))
    assert len(said) == 1
    assert said[0].startswith("2 scenes; weights test")
    assert [path.name for path in (tmp_path / "looks").iterdir()] == ["a.png"]


def test_previews_of_others_are_kept_and_a_batch_goes_on_beside_its_own(tiles: Path, tmp_path: Path) -> None:
    out, looks, restorer = tmp_path / "out", tmp_path / "looks", tiny_restorer()
    looks.mkdir()
    (looks / "a.png").write_bytes(b"mine")
    with pytest.raises(DatprlError) as raised:
        restore_batch([tiles], out, restorer, previews=looks)
    assert raised.value.code == ErrorCode.EXISTS
    assert (looks / "a.png").read_bytes() == b"mine"
    assert not (out / "a.tif").exists()
    restore_batch([tiles], out, restorer, RestoreOptions(overwrite=True), previews=looks)
    drawn = (looks / "a.png").read_bytes()
    assert drawn != b"mine"
    write_raster(tiles / "b.tif", photograph(3, 24, 32))
    outcome = restore_batch([tiles], out, restorer, previews=looks)
    assert (outcome.done, outcome.skipped) == (("b",), ("a",))
    assert (looks / "a.png").read_bytes() == drawn
    assert (looks / "b.png").exists()


@pytest.mark.parametrize(("output", "form"), [("out", "tif"), ("out", "zarr"), ("out.zarr", "tif")])
def test_a_pattern_does_not_find_what_the_batch_made(tmp_path: Path, output: str, form: Literal["tif", "zarr"]) -> None:
    write_raster(tmp_path / "a.tif", photograph(3, 24, 32))
    restorer, pattern = tiny_restorer(), tmp_path / "**" / "*"
    assert restore_batch([pattern], tmp_path / output, restorer, form=form).done == ("a",)
    again = restore_batch([pattern], tmp_path / output, restorer, form=form)
    assert (again.done, again.skipped) == ((), ("a",))
    (tmp_path / "a.tif").unlink()
    with pytest.raises(DatprlError, match="outputs of this batch") as raised:
        restore_batch([pattern], tmp_path / output, restorer, form=form)
    assert raised.value.code == ErrorCode.OPTION


def test_the_stac_document_given_to_a_batch_is_never_replaced(tmp_path: Path) -> None:
    restorer, chosen = tiny_restorer(), RestoreOptions(stac=True)
    restore_batch([write_raster(tmp_path / "a.tif", photograph(3, 24, 32))], tmp_path / "made", restorer, chosen)
    item = (tmp_path / "made" / "a.json").rename(tmp_path / "a.json")
    (tmp_path / "a.tif").rename(tmp_path / "b.tif")
    item.write_text(before := item.read_text().replace("./a.tif", "./b.tif"))
    with pytest.raises(DatprlError, match="never modified") as raised:
        restore_batch([item], tmp_path, restorer, RestoreOptions(stac=True, overwrite=True))
    assert raised.value.code == ErrorCode.OPTION
    assert item.read_text() == before


def test_weights_are_not_loaded_for_a_batch_without_scenes(tmp_path: Path) -> None:
    def load() -> Restorer:
        raise AssertionError("the weights were loaded")

    (tmp_path / "empty").mkdir()
    with pytest.raises(DatprlError) as raised:
        restore_batch([tmp_path / "empty"], tmp_path / "out", load)
    assert raised.value.code == ErrorCode.EMPTY
    assert not (tmp_path / "out").exists()


def test_an_output_inside_the_input_is_refused(tiles: Path) -> None:
    with pytest.raises(DatprlError, match="inside the input folder"):
        restore_batch([tiles], tiles / "out", tiny_restorer)


def test_the_recipe_restores_tiles_and_reports_failures(
    tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = load_recipe("batch_restore_satellite")
    restorer = tiny_restorer()
    monkeypatch.setattr(recipe.Restorer, "from_pretrained", lambda *_, **__: restorer)
    assert recipe.main([str(tiles / "*.tif")], str(tmp_path / "out.zarr")) == 1
    printed = capsys.readouterr().out
    assert "done    a  32 x 24 pixels restored" in printed
    assert "failed  b  E_CORRUPT" in printed
    assert "1 restored, 0 done before, 1 failed" in printed
