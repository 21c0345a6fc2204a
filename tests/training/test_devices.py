"""Several devices train as one does; see devices.py."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny import TINY

from zoo.data.loader import training_batches
from zoo.data.sources.shapes import Shapes
from zoo.data.training import TrainingSamples
from zoo.errors import ZooError
from zoo.training.checkpoint import FOLDER, load_newest
from zoo.training.devices import Devices, devices_of
from zoo.training.manifest import FILE, read_manifest

HERE = Path(__file__).parent
CONFIG = {"batch_size": 4, "precision": "float32"}
COORDINATED = keras.backend.backend() in ("jax", "tensorflow")


def script(*arguments):
    done = subprocess.run(
        [sys.executable, HERE / "devices.py", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


# === Whole trainings ===


@pytest.mark.slow
def test_five_updates_on_two_devices_are_those_on_one():
    lines = script()
    assert lines[0] == "devices: 2"
    assert lines[1].startswith("furthest:")


@pytest.mark.slow
def test_a_run_on_two_devices_goes_on_with_the_same_bits():
    """It is killed, and goes on between the two parts of an update."""
    assert script("--resume")[1] == "[-9, 0], 3: equal True"


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="shown with JAX' own collectives")
def test_two_processes_train_as_one(tmp_path):
    """`python -m zoo.train` twice at the same time, as on two hosts.

    In float64: in float32 what optimizers remember differs by up to 6e-3 on some processors.
    """
    folders = [tmp_path / "several", tmp_path / "alone"]
    (tmp_path / "keras.json").write_text(json.dumps({"floatx": "float64"}))
    here = {
        **os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_PLATFORMS": "cpu",
        "KERAS_HOME": str(tmp_path), "JAX_ENABLE_X64": "true",
    }  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    job = {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": address, "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    }  # fmt: skip
    overrides = [*TINY, "epochs=1", "threads=1", "precision=float64"]
    command = [sys.executable, "-m", "zoo.train", *overrides]
    together = [
        subprocess.Popen(
            [*command, "devices=all", f"hydra.run.dir={folders[0]}"],
            env={**here, **job, "KERAS_DISTRIBUTION_PROCESS_ID": str(number)},
            stdout=subprocess.DEVNULL,
        )
        for number in range(2)
    ]
    assert [process.wait() for process in together] == [0, 0]
    subprocess.run([*command, f"hydra.run.dir={folders[1]}"], env=here, check=True)
    assert read_manifest(folders[0])["config"]["devices"] == 2
    several, alone = (load_newest(folder / FOLDER).arrays for folder in folders)
    for name, array in alone.items():
        furthest = 1e-6 * max(1.0, np.abs(array).max())  # the loss is of float32
        np.testing.assert_allclose(several[name], array, rtol=0, atol=furthest, err_msg=name)


# === Which devices ===


@pytest.mark.parametrize("wanted", [None, 1])
def test_one_device_needs_nothing(wanted):
    assert devices_of({**CONFIG, "devices": wanted}) == Devices()


def test_a_config_of_an_older_run_has_one_device():
    assert devices_of(CONFIG) == Devices()


@pytest.mark.parametrize("wanted", ["both", 0, -1, 1.5])
def test_a_number_that_is_none(wanted):
    with pytest.raises(ZooError, match=rf"devices={wanted} is neither a number of devices nor all"):
        devices_of({**CONFIG, "devices": wanted})


@pytest.mark.skipif(not COORDINATED, reason="one device on this backend")
def test_more_devices_than_there_are():
    with pytest.raises(
        ZooError, match=r"devices=99, but there are \d+; set devices=all or fewer, but go on"
    ):
        devices_of({**CONFIG, "devices": 99})


@pytest.mark.skipif(not COORDINATED, reason="one device on this backend")
def test_a_batch_that_cannot_be_shared_evenly(monkeypatch):
    several = Devices(count=3)
    monkeypatch.setattr("zoo.training.devices._on_jax", lambda wanted: several)
    monkeypatch.setattr("zoo.training.devices._on_tensorflow", lambda wanted, precision: several)
    assert devices_of({**CONFIG, "devices": 3, "batch_size": 6}) is several
    with pytest.raises(ZooError, match="batch_size 4 cannot be shared out evenly among 3 devices"):
        devices_of({**CONFIG, "devices": 3})


@pytest.mark.skipif(COORDINATED, reason="several devices train together on this backend")
def test_the_backend_has_one_device():
    with pytest.raises(ZooError, match="set KERAS_BACKEND=jax"):
        devices_of({**CONFIG, "devices": "all"})


# === Several processes ===


@pytest.mark.parametrize(
    ("process", "parts", "rows"),
    [
        pytest.param(0, 1, [[12, 13, 14], [18, 19, 20]], id="first process"),
        pytest.param(1, 1, [[15, 16, 17], [21, 22, 23]], id="second process"),
        pytest.param(1, 3, [[15], [16], [17], [21]], id="of three devices, one by one"),
    ],
)
def test_a_process_makes_its_share_of_each_batch(process, parts, rows):
    """From batch 2 of six images on, so from position 12."""
    samples = TrainingSamples(
        Shapes(split="train", images=30, size=(32, 32)), size=(32, 32), mode="stretch",
        batch_size=6, max_boxes=8,
    )  # fmt: skip
    asked = []

    class Noted:
        source, max_boxes, batch_size = samples.source, samples.max_boxes, samples.batch_size

        def __call__(self, position):
            asked.append(position)
            return samples(position)

    batches = training_batches(
        Noted(), start=2, num_threads=0, process=process, processes=2, parts=parts
    )
    for (x, _), positions in zip(itertools.islice(batches, len(rows)), rows, strict=True):
        assert asked[: len(positions)] == positions
        del asked[: len(positions)]
        expected = np.stack([samples(position)[0] for position in positions])
        np.testing.assert_array_equal(x, expected)


def test_processes_agree_on_any_signal_and_on_what_the_first_one_has_saved(monkeypatch):
    pytest.importorskip("jax")
    gather = "jax.experimental.multihost_utils.process_allgather"
    monkeypatch.setattr(gather, lambda mine: np.stack([[0, 1], mine]))  # the first is this
    agree = Devices(count=2, process=1, processes=2).agree
    assert agree(signal.SIGTERM, False) == (signal.SIGTERM, True)
    assert agree(None, False) == (None, True)
    assert Devices().agree is None


def test_the_first_process_writes_into_the_run(tmp_path):
    with Devices(count=2, processes=2).place(tmp_path) as place:
        assert place == tmp_path


def test_another_process_writes_where_it_is_thrown_away(tmp_path):
    (tmp_path / FILE).write_text("{}")
    with Devices(count=2, process=1, processes=2).place(tmp_path) as place:
        assert (place / FILE).read_text() == "{}"
        (place / "last.keras").write_text("")
    assert not place.exists()
    assert os.listdir(tmp_path) == [FILE]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TF_CONFIG is TensorFlow's")
def test_several_hosts_of_tensorflow_are_refused(monkeypatch):
    jobs = {"chief": ["a:1"], "worker": ["b:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": jobs, "task": {"type": "worker"}}))
    with pytest.raises(
        ZooError, match=r"TF_CONFIG of several processes: Keras .*KERAS_BACKEND=jax"
    ):
        devices_of({**CONFIG, "devices": "all"})
    assert devices_of({**CONFIG, "devices": None}) == Devices()  # trains by itself


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TF_CONFIG is TensorFlow's")
@pytest.mark.parametrize("value", ['{"cluster": {"worker": ["a:1"]}}', "{}", "no JSON", "[]"])
def test_a_tf_config_of_one_process_is_none(monkeypatch, value):
    monkeypatch.setenv("TF_CONFIG", value)
    with pytest.raises(ZooError, match="devices=99, but there are"):
        devices_of({**CONFIG, "devices": 99})
