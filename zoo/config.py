"""Composing configs, ours and the plugins'. Imports no Keras."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import logging
import re
import shlex
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from zoo.errors import ZooError, nearest

log = logging.getLogger(__name__)

PACKAGE = Path(__file__).resolve().parent
#: The vocabulary: inside the package once installed, beside it in a checkout.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent / "conf"
#: Plugins of Hydra for sweeps, and the extra that installs each.
PLUGINS = {"joblib": "sweep", "optuna": "sweep", "ray": "ray"}
#: Names that others have for our keys.
ALIASES = {"lr": "learning_rate", "lr0": "learning_rate"}
#: The end of an error about an option.
WRITTEN = "an option is written KEY=VALUE without dashes or spaces, as preset=yolov4-tiny-coco"


# === Where YAML comes from ===


def conf_directories() -> dict[str, Path]:
    """Who provides YAML, and in which directory: zoo, then plugins by name.

    A plugin's entry point in the group `zoo.conf` names a package directory, as `"my_zoo.conf"`.
    Nothing of it is imported. One that is no directory is told and left out.

    Raises:
        ZooError: two have one name or files of one name.
    """
    directories = {"zoo": CONF}
    for point in sorted(entry_points(group="zoo.conf"), key=lambda point: point.name):
        if point.name in directories:
            owner = point.dist.name if point.dist else "a plugin"
            raise ZooError(f"the YAML of {owner} is called {point.name!r}, as another's; rename it")
        if (directory := _package_directory(point.value)) is None:
            _warn(f"the YAML of plugin {point.name!r} ({point.value}) is not a directory")
        else:
            directories[point.name] = directory
    if len(directories) > 1:
        _refuse_hidden(tuple(directories.items()))
    return directories


def _package_directory(name: str) -> Path | None:
    """Where a package lies, as `"my_zoo.conf"`, found without importing it or those around it."""
    top, *below = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # no name of a package, or a module that hides where it is
        return None
    places = (spec and spec.submodule_search_locations) or ()
    found = (Path(place, *below) for place in places)  # a namespace may lie in several
    return next((directory for directory in found if directory.is_dir()), None)


@functools.cache  # once a process
def _warn(text: str) -> None:
    log.warning(text)


@functools.cache  # once a process: it takes some 20 ms
def _refuse_hidden(directories: tuple[tuple[str, Path], ...]) -> None:
    """Raise a `ZooError` where two have a file of one name: Hydra would take the first."""
    taken: dict[Path, str] = {}
    for owner, directory in directories:
        for file in sorted(directory.rglob("*.yaml")):
            name = file.relative_to(directory)
            if (other := taken.setdefault(name, owner)) != owner:
                raise ZooError(f"{name} of plugin {owner!r} is in {other!r} too; rename yours")


class PluginYaml(SearchPathPlugin):
    """Lets Hydra find the YAML of plugins."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the directory of each plugin to Hydra's search path."""
        for name, directory in conf_directories().items():
            if name != "zoo":
                search_path.append(provider=name, path=f"file://{directory}")


def options(group: str) -> list[str]:
    """The names that a config group offers, e.g. `options("model")`, ours and the plugins'."""
    found = (directory / group for directory in conf_directories().values())
    return sorted({file.stem for folder in found for file in folder.glob("*.yaml")})


def as_choice(key: str) -> str:
    """A key as it is given: one whose value a file of its group is has slashes, `model/loss`."""
    return group if options(group := key.replace(".", "/")) else key


def find(group: str, name: str) -> Path:
    """The YAML file `group/name`.

    Raises:
        ZooError: there is none; the nearest name is suggested.
    """
    for directory in conf_directories().values():
        if (file := directory / group / f"{name}.yaml").is_file():
            return file
    raise ZooError(f"no {group} {name!r}; {nearest(name, options(group))}")


def class_names(name: str) -> list[str]:
    """The names of a list of the group `classes`, in order.

    Raises:
        ZooError: there is no such list.
    """
    return [str(n) for n in load(find("classes", name))]


# === Overrides ===


def override_value(text: str) -> Any:
    """The value of an override as Hydra reads it; None where it cannot."""
    try:
        return OverridesParser.create().parse_override(text).value()
    except HydraException:
        return None


def override(key: str, value: Any = "") -> str:
    """`key=value` as it is typed into a shell: quoted for it and for Hydra, where that is needed.

    >>> override("resume", "runs/a")
    'resume=runs/a'
    >>> print(override("resume", "my runs/a"))
    "resume='my runs/a'"
    """
    text = str(value)
    if shlex.quote(text) == text and override_value(f"{key}={text}") == text:
        return f"{key}={text}"
    inner = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), text)
    whole = f"{key}='{inner}'"
    return shlex.quote(whole) if re.search(r'["$`\\!]', whole) else f'"{whole}"'


# === Composing ===


def compose(name: str, overrides: list[str] | None = None) -> DictConfig:
    """Compose the config `name` of the vocabulary, e.g. `compose("model/yolov4")`.

    Works inside a running Hydra job too, and leaves Hydra's global state as it was.

    Raises:
        ZooError: an override names a group option or a key that is not there.
    """
    try:
        with _composer():
            return hydra_compose(name, overrides=overrides or [])
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise explain(error, name, overrides or []) from error


@contextlib.contextmanager
def _composer() -> Iterator[None]:
    """Hydra over our vocabulary, with the job that may be running set aside."""
    Plugins.instance().register(PluginYaml)
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = running


def load(file: Path) -> Any:
    """What a YAML file holds, as `plain`.

    Raises:
        ZooError: it is no YAML, or has an interpolation that cannot be resolved.
    """
    try:
        return plain(OmegaConf.load(file))
    except yaml.YAMLError as error:
        raise _no_yaml(error) from error


def _no_yaml(error: yaml.YAMLError) -> ZooError:
    """What is wrong in a YAML file, and where, as one sentence."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    where = f"{mark.name}, line {mark.line + 1}" if mark else "a file"
    return ZooError(f"{where}: this is no YAML: {' '.join(str(problem or error).split())}")


def plain(cfg: Any) -> Any:
    """A config, resolved, as plain dictionaries, lists and numbers.

    Raises:
        ZooError: an interpolation or a mandatory value (`???`) cannot be resolved.
    """
    if not OmegaConf.is_config(cfg):
        return cfg
    try:
        return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "a key"
        raise ZooError(f"{key}: {str(error).splitlines()[0]}; set it as {key}=…") from error


def explain(error: Exception, name: str, overrides: list[str]) -> ZooError:
    """Hydra's complaint about the config `name` as one sentence with the nearest right spelling."""
    text = str(error)
    if isinstance(error, yaml.YAMLError):
        return _no_yaml(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        if option in PLUGINS and group in ("hydra/sweeper", "hydra/launcher"):
            extra = PLUGINS[option]
            return ZooError(f"{group}={option} needs: pip install 'keras-yolo-zoo[{extra}]'")
        if hint := _instead_of_a_file(error.missing_cfg_file):
            return ZooError(hint)
        if group:
            return ZooError(f"no {group} {option!r}; {nearest(option, options(group))}")
    if isinstance(error, OverrideParseException):
        given = error.override
        if "=" not in given:
            return ZooError(f"cannot read {given!r}; {WRITTEN}")
        if "=~/" in given:
            return ZooError(f"cannot read {given!r}; ~ is $HOME: {given.replace('=~/', '=$HOME/')}")
        return ZooError(
            f"cannot read {error.override!r}; a value with brackets, = or quotes needs quotes of "
            f"its own, inside those of the shell: {override(*error.override.split('=', 1))}"
        )
    if match := re.search(r"Could not override '([\w./@-]+)'", text):
        key = match[1].removesuffix(".yaml")
        parent, dot, last = key.rpartition(".")
        last = ALIASES.get(last, last)
        known = known_keys(name, parent, overrides)
        # A group of that name is another command's.
        if last in known and (deeper := known_keys(name, key, overrides)):
            below = ", ".join(f"{key}.{one}=…" for one in deeper)
            return ZooError(f"{key} of {name} is no choice of a file; it has {below}")
        hint = nearest(last, known)
        meant = f"{parent}{dot}{last}"
        above = parent or meant  # what lies elsewhere, if it is not here
        whole = _whole_keys(name, above, overrides) if not parent or not known else []
        if whole and hint.startswith("there are"):
            found = [as_choice(one + meant.removeprefix(above)) for one in whole]
            hint = f"did you mean {' or '.join(found)}?"
        elif parent and hint.startswith("there are"):
            hint += f"; one that the YAML leaves out is given as +{key}=…"
        return ZooError(f"no key {key!r} in {name}; {hint}")
    cause = f" ({error.__cause__})" if isinstance(error.__cause__, OmegaConfBaseException) else ""
    return ZooError(" ".join((text + cause).split()))


def _instead_of_a_file(missing: str) -> str:
    """What to say where `model=` names a file of weights or of Darknet; nothing of a mere name."""
    group, _, file = missing.partition("/")
    if group != "model":
        return ""
    said = f"model={file}: must be a name of conf/model, not a file"
    if file.endswith(".cfg"):
        return f"{said}; a cfg is trained in Python: zoo.load({file!r}, weights=…) has fit"
    if re.search(r"\.(weights|keras|conv\.\d+)$", file):
        return f"{said}; give weights={file} and the name of its model"
    return ""


def known_keys(name: str, parent: str, overrides: Iterable[str] = ()) -> list[str]:
    """The keys below `parent` in the config `name`, with the overrides that choose its files."""
    cfg = _with_choices(name, overrides)
    node = OmegaConf.select(cfg, parent) if parent else cfg
    return [str(key) for key in node] if isinstance(node, DictConfig) else []


def _with_choices(name: str, overrides: Iterable[str]) -> DictConfig:
    """The config `name` with those overrides that choose files, if they are right."""
    chosen = [text for text in overrides if re.match(r"[+~]{0,2}[\w/@-]+=", text)]
    with _composer():
        try:
            return hydra_compose(name, overrides=chosen)
        except (HydraException, OmegaConfBaseException):  # one of them has a mistake of its own
            return hydra_compose(name)


def _whole_keys(name: str, key: str, overrides: Iterable[str]) -> list[str]:
    """The keys of a config that end in `key` as a whole: for `loss` it is `model.loss`."""

    def keys(node: Any, above: str = "") -> Iterator[str]:
        if isinstance(node, dict):
            for one, below in node.items():
                yield f"{above}{one}"
                yield from keys(below, f"{above}{one}.")

    cfg = OmegaConf.to_container(_with_choices(name, overrides))
    return [one for one in keys(cfg) if one.endswith(f".{key}")]
