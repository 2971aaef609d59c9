"""That the window does not stop for a full garbage collection while the engine works."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

from napari_datprl.collecting import NEVER, FullCollections, nothing_to_collect
from napari_datprl.messages import ListWeights
from napari_datprl.restore_run import EngineCall
from napari_datprl.testing import wait_for

if TYPE_CHECKING:
    from napari_datprl.engine_process import EngineProcess


def test_full_collections_wait_until_the_last_of_those_who_hold_them_back_lets_go() -> None:
    before = gc.get_threshold()
    collections = FullCollections()
    collections.hold()
    collections.hold()
    collections.release()
    assert gc.get_threshold() == (*before[:2], NEVER)
    collections.release()
    assert gc.get_threshold() == before


def test_they_wait_while_the_engine_works_and_no_longer(application: object, engine: EngineProcess) -> None:
    before = gc.get_threshold()
    call = EngineCall(engine, ListWeights())
    during: list[tuple[int, int, int]] = []
    ended: list[object] = []
    call.replied.connect(lambda _: during.append(gc.get_threshold()))
    call.ended.connect(ended.append)
    call.start()
    wait_for(lambda: bool(ended))
    assert {threshold[2] for threshold in during} == {NEVER}
    assert gc.get_threshold() == before


class Ring:
    """Something that only a collection can free."""

    def __init__(self) -> None:
        self.itself = self


def test_a_collection_that_is_asked_for_finds_nothing_and_the_next_one_finds_all() -> None:
    gc.collect()
    there = weakref.ref(Ring())
    with nothing_to_collect():
        gc.collect()
        assert there() is not None
    gc.collect()
    assert there() is None


def test_what_others_put_out_of_reach_stays_there() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with nothing_to_collect():
            pass
        assert gc.get_freeze_count() == frozen > 0
    finally:
        gc.unfreeze()
