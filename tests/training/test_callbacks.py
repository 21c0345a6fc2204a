import keras
import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.training.callbacks import Diverged


def test_a_run_ends_at_the_first_loss_that_is_no_number():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    x = np.array([1, 1, np.nan, 1], "float32")[:, None]
    with pytest.raises(ZooError, match=r"at update 13: .* lower optimizer\.learning_rate"):
        model.fit(x, x, batch_size=1, shuffle=False, verbose=0, callbacks=[Diverged(step=10)])
