import hashlib
import subprocess

import pytest

from zoo.training import determinism
from zoo.training import environment as machine
from zoo.training.environment import Meter, environment, environment_changes


@pytest.fixture
def rapl(tmp_path):
    folder = tmp_path / "intel-rapl:0"
    folder.mkdir()
    (folder / "energy_uj").write_text("1000000\n")
    (folder / "max_energy_range_uj").write_text("9000000\n")
    return tmp_path


def test_energy_adds_up_over_a_turn_of_the_counter(rapl):
    meter = Meter(joules=10, rapl=rapl)
    (rapl / "intel-rapl:0" / "energy_uj").write_text("4000000\n")
    assert meter.joules() == 10 + 3
    (rapl / "intel-rapl:0" / "energy_uj").write_text("500000\n")  # 4 → 9, then 0 → 0.5
    assert meter.joules() == 10 + 3 + 5.5


def test_a_machine_that_does_not_say(tmp_path):
    assert Meter(rapl=tmp_path).joules() is None


def test_seconds_are_those_of_all_parts():
    assert 100 <= Meter(seconds=100).seconds() < 160


def test_environment():
    found = environment()
    assert found["packages"]["keras"].startswith("3.")
    assert found["hardware"]["cores"] >= 1


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of one committed file, in which zoo finds itself."""
    monkeypatch.setattr(machine, "CHECKOUT", tmp_path.resolve())
    (tmp_path / "part.py").write_text("x = 1\n")
    own = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*own, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def test_uncommitted_bytes_that_are_no_text_are_recorded(checkout):
    assert (machine.code()[0]["dirty"], machine.code()[1]) == (False, b"")
    (checkout / "part.py").write_bytes(b"x = 1  # \xe9\n")
    found, patch = machine.code()
    assert b"+x = 1  # \xe9" in patch
    assert found["dirty"] is True
    assert found["patch_sha256"] == hashlib.sha256(patch).hexdigest()


def test_where_git_does_not_answer_nothing_is_called_clean(checkout, monkeypatch):
    ask = machine._git
    monkeypatch.setattr(machine, "_git", lambda *w: None if w[0] == "diff" else ask(*w))
    assert machine.code()[0]["dirty"] is None
    (checkout / "new.py").write_text("")
    assert machine.code()[0]["dirty"] is True


def test_what_may_change_a_number_is_told_from_what_does_not(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", determinism.XLA_FLAG)
    before = environment()
    assert before["settings"].get("XLA_FLAGS") is None  # `deterministic` of the config says that
    monkeypatch.setenv("XLA_FLAGS", f"--xla_cpu_multi_thread_eigen=false {determinism.XLA_FLAG}")
    now = environment()
    now["hardware"] = {**now["hardware"], "memory_gib": 1.5}
    now["packages"] = {**now["packages"], "keras": "9"}
    now["code"] = {**before["code"], "untracked": ["notes.txt", "zoo/head/own.py"]}
    before["code"] = {**before["code"], "untracked": []}
    assert environment_changes(before, {**now, "accelerators": ["H200"]}) == [
        f"packages.keras: {before['packages']['keras']} → 9",
        "code.untracked: none → ['zoo/head/own.py']",
        "settings.XLA_FLAGS: none → --xla_cpu_multi_thread_eigen=false",
    ]
    assert environment_changes({k: before[k] for k in before if k != "settings"}, before) == []
