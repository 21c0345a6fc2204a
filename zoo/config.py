"""Composing configs, ours and the plugins'. Imports no Keras."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import logging
import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra import main as hydra_main
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from zoo.download import cache_directory
from zoo.errors import PartFailed, ZooError, nearest

log = logging.getLogger(__name__)

PACKAGE = Path(__file__).resolve().parent
#: The vocabulary: inside the package once installed, beside it in a checkout.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent / "conf"
#: Plugins of Hydra for sweeps, and the extra that installs each.
PLUGINS = {"joblib": "sweep", "optuna": "sweep", "ray": "ray"}
#: What Optuna says when it is asked for the best of no trials, by storage.
NO_TRIALS = ("No trials are completed yet.", "Record does not exist.")

#: Keys, of any command, that are a path or a name of a file or folder.
PATHS = (
    "cfg", "data.annotations", "data.root", "data_root", "directory", "output", "preset",
    "reference", "resume", "run", "weights",
)  # fmt: skip
#: … or a list of such names.
PATHS_OR_LISTS = ("calibration.source", "class_names", "data.class_names", "source")

#: What Hydra says of `model=5`.
NO_CHOICE = "Config group override must be a string or a list"


# === Where YAML comes from ===


def conf_directories() -> dict[str, Path]:
    """Who provides YAML, and in which directory: zoo, then plugins by name.

    A plugin's entry point in the group `zoo.conf` names a package directory, as `"my_zoo.conf"`.

    Raises:
        ZooError: two have one name or files of one name, or one is no directory or does not load.
    """
    directories = {"zoo": CONF}
    for point in sorted(entry_points(group="zoo.conf"), key=lambda point: point.name):
        if point.name in directories:
            owner = point.dist.name if point.dist else "a plugin"
            raise ZooError(f"the YAML of {owner} is called {point.name!r}, as another's; rename it")
        try:
            spec = importlib.util.find_spec(point.value)  # imports the packages around it
        except Exception as error:  # a stranger's package may raise anything
            raise ZooError(f"the YAML of plugin {point.name!r} does not load: {error}") from error
        if spec is None or not spec.submodule_search_locations:
            raise ZooError(f"the YAML of plugin {point.name!r} ({point.value}) is not a directory")
        directories[point.name] = Path(next(iter(spec.submodule_search_locations)))
    if len(directories) > 1:
        _refuse_hidden(tuple(directories.items()))
    return directories


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


def find(group: str, name: str) -> Path:
    """The YAML file `group/name`.

    Raises:
        ZooError: there is none; the nearest name is suggested.
    """
    for directory in conf_directories().values():
        if (file := directory / group / f"{name}.yaml").is_file():
            return file
    raise ZooError(f"no {group} {name!r}; {nearest(name, options(group))}")


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
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, name) from error


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


def explain(error: Exception, name: str) -> ZooError:
    """Hydra's complaint about the config `name` as one sentence with the nearest right spelling."""
    text = str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        if option in PLUGINS and group in ("hydra/sweeper", "hydra/launcher"):
            extra = PLUGINS[option]
            return ZooError(f"{group}={option} needs: pip install 'keras-yolo-zoo[{extra}]'")
        if group:
            return ZooError(f"no {group} {option!r}; {nearest(option, options(group))}")
    if isinstance(error, OverrideParseException):
        return ZooError(
            f"cannot read {error.override!r}; a value with brackets, = or quotes needs quotes of "
            f"its own, inside those of the shell: {override(*error.override.split('=', 1))}"
        )
    if match := re.search(r"Could not override '([\w./@-]+)'", text):
        key = match[1].removesuffix(".yaml")
        parent, _, last = key.rpartition(".")
        known = _known_keys(name, parent)
        if last in known:  # a group of that name is another command's
            below = ", ".join(f"{key}.{one}=…" for one in _known_keys(name, key))
            return ZooError(f"{key} of {name} is no choice of a file; it has {below}")
        hint = nearest(last, known)
        if parent and hint.startswith("there are"):
            hint += f"; one that the YAML leaves out is given as +{key}=…"
        return ZooError(f"no key {key!r} in {name}; {hint}")
    cause = f" ({error.__cause__})" if isinstance(error.__cause__, OmegaConfBaseException) else ""
    return ZooError(" ".join((text + cause).split()))


def _known_keys(name: str, parent: str) -> list[str]:
    """The keys below `parent` in the config `name` without overrides, as full dotted keys."""
    with _composer():
        node = OmegaConf.select(hydra_compose(name), parent) if parent else hydra_compose(name)
    return [str(key) for key in node] if isinstance(node, DictConfig) else []


# === Commands ===


def command(name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], Any]]:
    """Decorator: a function of a config becomes a command line over `conf/<name>.yaml`.

    Overrides, `--cfg job`, `--help` and `-m` are Hydra's. A user's mistake (`ZooError`, a config
    that does not compose, a file that cannot be read or written) is one sentence on standard
    error and exit status 2. In a multirun it ends its own job only.
    """

    def wrap(task: Callable[[DictConfig], Any]) -> Callable[[], Any]:
        @functools.wraps(task)
        def job(cfg: DictConfig) -> Any:
            try:
                _check_mappings(cfg, name)
                overrides = list(HydraConfig.get().overrides.task)
                _keep_names(cfg, overrides)
                _tell_of_unknown_keys(cfg, name, overrides)
                return task(cfg)
            except ZooError as error:
                if is_job_of_sweep(HydraConfig.get()):
                    raise
                _complain(error)

        @functools.wraps(task)
        def run() -> Any:
            _print_what_can_be_printed()
            Plugins.instance().register(PluginYaml)
            os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors reach the lines below whole
            # Hydra shows what is told at level INFO, as by JAX that there is no TPU.
            logging.getLogger("jax").setLevel(logging.WARNING)
            _keep_compiled()
            try:
                return hydra_main(str(CONF), name, version_base="1.3")(job)()
            except (HydraException, OmegaConfBaseException) as error:
                _complain(explain(error, name))
            except ZooError as error:
                _complain(error)
            except KeyboardInterrupt:
                print("stopped", file=sys.stderr)
                raise SystemExit(130) from None
            except BrokenPipeError:  # who read our output has gone, as `head` does
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise SystemExit(1) from None
            except OSError as error:
                if error.filename is None:
                    raise
                _complain(ZooError(f"{error.filename}: {error.strerror}"))
            except ValueError as error:
                if str(error) in NO_TRIALS:
                    _complain(ZooError("all jobs of the sweep failed, see above"))
                if not str(error).startswith(NO_CHOICE):
                    raise
                _complain(ZooError("a choice like model=… or data=… is a name, not a number"))

        return run

    return wrap


def _check_mappings(cfg: DictConfig, name: str) -> None:
    """Raise a `ZooError` where an override put a value in place of several keys."""
    written: Any = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    for key, value in written.items():
        if isinstance(value, dict) and key in cfg and not isinstance(cfg[key], DictConfig):
            below = ", ".join(f"{key}.{one}=…" for one in value)
            raise ZooError(f"{key}={cfg[key]} takes the place of several keys; set {below}")


def _keep_names(cfg: DictConfig, overrides: list[str]) -> None:
    """Make texts of paths that Hydra took for numbers, as 2024 or 1_0, in the spelling given.

    Args:
        cfg: of a command; changed.
        overrides: of its command line.

    Raises:
        ZooError: true, false, or a list where there is one path.
    """
    spelt = dict(text.lstrip("+").split("=", 1) for text in overrides if "=" in text)
    for key in PATHS + PATHS_OR_LISTS:
        value = OmegaConf.select(cfg, key, throw_on_resolution_failure=False)
        listed = OmegaConf.is_config(value)
        if isinstance(value, bool) or (listed and key in PATHS):
            given = spelt.get(key, value)
            raise ZooError(f"{key}={given} is no path; quote such a name: {override(key, given)}")
        if isinstance(value, int | float):
            OmegaConf.update(cfg, key, spelt.get(key, str(value)))


def _tell_of_unknown_keys(cfg: DictConfig, name: str, overrides: list[str]) -> None:
    """Warn of a new key at the top, which may be a mistake, or be there for interpolations."""
    if any(text.startswith("+") for text in overrides):
        known = _known_keys(name, "")
        for key in map(str, cfg):
            if key not in known:
                hint = nearest(key, known)
                log.warning(
                    "zoo.%s reads no %r%s", name, key, f"; {hint}" if hint.endswith("?") else ""
                )


def _print_what_can_be_printed() -> None:
    """A terminal without `→`, or a file name that is no text, costs an escape and not the run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_job_of_sweep(hydra: Any) -> bool:
    """Whether the `hydra` part of a config is that of one job of a multirun."""
    return not OmegaConf.is_missing(hydra.job, "num")


def _keep_compiled() -> None:
    """With JAX a command finds what those before it compiled, unless the user has JAX do otherwise.

    A damaged file or a full disk costs a warning there. TensorFlow has such a cache too
    (`TF_XLA_FLAGS=--tf_xla_persistent_cache_directory=DIR`), with which a first detection comes a
    second sooner, but with either of these it fails, and on a CPU it prints for each file that it
    reads, from C++, that the machine has other features.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(cache_directory() / "compiled")
        # All of it: a detector that is built compiles a hundred small functions.
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def _complain(error: ZooError) -> None:
    if isinstance(error, PartFailed) and error.__cause__:  # its author wants to know where
        traceback.print_exception(error.__cause__)
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2)
