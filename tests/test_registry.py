import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from zoo import registry as registry_module
from zoo.errors import ZooError
from zoo.registry import BACKBONES, KINDS, Registry


def part(x, *, width=1, depth=2):
    return x * width + depth


@pytest.fixture
def registry():
    registry = Registry("backbone", "zoo.backbone")
    registry.register("part")(part)
    return registry


def test_build_calls_the_part_with_its_keys(registry):
    assert registry.build({"name": "part", "width": 3}, 10) == 3 * 10 + 2


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(ZooError, match=r"no backbone 'darknt53'; did you mean .*darknet53"):
        BACKBONES["darknt53"]


@pytest.mark.parametrize("name", [["part"], {"part": 1}, 5, None])
def test_a_name_that_is_no_text(registry, name):
    with pytest.raises(ZooError, match=r"^no backbone .*; a name is a text, as cspdarknet"):
        registry.build({"name": name}, 10)
    assert name not in registry
    assert registry.origin(name) == "registered at run time"


def test_a_misspelt_key_gets_the_nearest(registry):
    with pytest.raises(ZooError, match=r"backbone 'part' takes no 'widht'; did you mean width\?"):
        registry.build({"name": "part", "widht": 3}, 10)


def test_a_key_that_the_caller_sets_cannot_be_configured(registry):
    with pytest.raises(ZooError, match="'depth' is set by zoo"):
        registry.build({"name": "part", "depth": 3}, 10, depth=1)


def test_a_missing_argument_is_named(registry):
    with pytest.raises(ZooError, match="'x'"):
        registry.build({"name": "part"})


def test_a_config_without_a_name_is_refused(registry):
    with pytest.raises(ZooError, match="needs a `name`"):
        registry.build({"width": 1})


def test_a_taken_name_is_refused(registry):
    with pytest.raises(ZooError, match="'darknet53' exists"):
        registry.register("darknet53")(part)


def test_temporary_parts_go_away(registry):
    with registry.temporarily("mine", part):
        assert "mine" in registry.names()
    assert "mine" not in registry.names()


def test_settings_are_the_defaults_and_what_the_config_says_instead(registry):
    assert registry.settings({"name": "part", "depth": 5}) == {
        "name": "part",
        "width": 1,
        "depth": 5,
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [("raise RuntimeError('no licence')", "no licence"), ("", "has no attribute 'Part'")],
)
def test_a_strangers_part_that_does_not_load_is_named(tmp_path, monkeypatch, body, message):
    (tmp_path / "strange_part.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "strange_part", raising=False)
    stranger = Registry("neck", "zoo.neck")
    stranger.__dict__["_listed"] = {"odd": [("strange_part:Part", "odd-zoo")]}
    with pytest.raises(ZooError, match=rf"neck 'odd' of odd-zoo .* does not load: .*{message}"):
        stranger["odd"]


def test_a_part_may_be_an_attribute_of_a_class_and_ask_for_an_extra():
    stranger = Registry("neck", "zoo.neck")
    reference = "collections:OrderedDict.fromkeys [more]"
    stranger.__dict__["_listed"] = {"odd": [(reference, "odd-zoo")]}
    assert stranger["odd"](["a"]) == {"a": None}


def test_a_name_of_two_distributions_blocks_itself_alone():
    necks = Registry("neck", "zoo.neck")
    ours = sorted(necks.names())
    necks._listed[ours[0]].append(("collections:OrderedDict", "odd-zoo"))
    assert callable(necks[ours[1]])
    with pytest.raises(
        ZooError, match=rf"neck '{ours[0]}' is provided by zoo and odd-zoo; uninstall one"
    ):
        necks[ours[0]]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_listed_part_loads(kind):
    for name in KINDS[kind].names():
        assert callable(KINDS[kind][name]), name


@pytest.mark.parametrize("module", ["zoo", "zoo.registry", "zoo.config", "zoo.cards"])
def test_importing_and_listing_loads_no_backend(module):
    code = (
        f"import sys, {module}, zoo; [zoo.parts(kind) for kind in zoo.KINDS]; zoo.presets();"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def acme(monkeypatch):
    """A backbone of a distribution that is not zoo."""

    def broken(images, *, width: int = 1):
        return {}["width"]

    monkeypatch.setitem(BACKBONES._listed, "broken", [("zoo_acme:broken", "zoo-acme")])
    monkeypatch.setitem(BACKBONES._registered, "broken", broken)


def test_a_strangers_part_that_fails_is_named_with_its_distribution(acme):
    with pytest.raises(ZooError, match=r"^backbone 'broken' of zoo-acme failed: KeyError: 'width'"):
        BACKBONES.build({"name": "broken"}, 1)
    with pytest.raises(ZooError, match=r"^backbone 'broken' of zoo-acme takes no 'widht'; did you"):
        BACKBONES.build({"name": "broken", "widht": 1}, 1)
    with pytest.raises(ZooError, match=r"^backbone 'broken' of zoo-acme: too many positional arg"):
        BACKBONES.build({"name": "broken"}, 1, 2)


def test_an_entry_point_that_is_a_module_is_named(monkeypatch):
    monkeypatch.setitem(BACKBONES._listed, "odd", [("json", "zoo-acme")])
    with pytest.raises(ZooError, match=r"'odd' of zoo-acme \(json\) is a module, not a function"):
        BACKBONES["odd"]


def test_a_part_in_a_group_that_nobody_reads_is_found(monkeypatch):
    point = EntryPoint("acme", "zoo_acme:backbone", "zoo.backbones")
    monkeypatch.setattr(registry_module, "entry_points", lambda **keys: [point])
    with pytest.raises(ZooError, match=r"no backbone 'acme'; .* group 'zoo.backbones', where a ba"):
        BACKBONES["acme"]
