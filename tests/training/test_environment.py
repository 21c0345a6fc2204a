import pytest

from zoo.training.environment import Meter, environment


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
