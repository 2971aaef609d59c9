from __future__ import annotations

import pickle

import numpy as np

from datprl_toolkit.restoring.recipe import RestorerRecipe
from datprl_toolkit.restoring.testing import tiny_restorer


def test_a_restorer_made_elsewhere_gives_the_same_bits() -> None:
    restorer = tiny_restorer()
    images = np.random.default_rng(0).random((2, 3, 24, 40), dtype=np.float32)
    recipe: RestorerRecipe = pickle.loads(pickle.dumps(RestorerRecipe.of(restorer)))
    made = recipe.make("cpu")
    assert made.card == restorer.card
    assert np.array_equal(made.restore_batch(images), restorer.restore_batch(images))
