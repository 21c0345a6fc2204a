"""A function of a config as a command line. Imports no Keras."""

from __future__ import annotations

import functools
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import yaml
from hydra import main as hydra_main
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from zoo.config import (
    CONF,
    WRITTEN,
    PluginYaml,
    as_choice,
    conf_directories,
    explain,
    known_keys,
    options,
    override,
    override_value,
)
from zoo.download import cache_directory
from zoo.errors import PartFailed, ZooError, nearest

log = logging.getLogger(__name__)

#: What Optuna says when it is asked for the best of no trials, by storage.
NO_TRIALS = ("No trials are completed yet.", "Record does not exist.")

#: Keys, of any command, that are a path or a name of a file or folder.
PATHS = (
    "cfg", "data.annotations", "data.root", "data_root", "directory", "output", "preset",
    "reference", "resume", "run", "weights",
)  # fmt: skip
#: … or a list of such names.
PATHS_OR_LISTS = ("calibration.source", "class_names", "data.class_names", "source")

#: Options of Hydra without and with a value.
FLAGS = ("help", "hydra-help", "version", "resolve", "run", "multirun", "shell-completion")
VALUED = ("cfg", "package", "config-path", "config-name", "config-dir", "experimental-rerun",
          "info")  # fmt: skip

#: What Hydra says of `model=5`.
NO_CHOICE = "Config group override must be a string or a list"


def command(name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], Any]]:
    """Decorator: a function of a config becomes a command line over `conf/<name>.yaml`.

    Overrides, `--cfg job` and `-m` are Hydra's; `--help` is the YAML with its comments. A user's
    mistake (`ZooError`, a config that does not compose, a file that cannot be read or written) is
    one sentence on standard error and exit status 2. In a multirun it ends its own job only.
    """

    def wrap(task: Callable[[DictConfig], Any]) -> Callable[[], Any]:
        @functools.wraps(task)
        def job(cfg: DictConfig) -> Any:
            try:
                _log_in_utf8()
                overrides = list(HydraConfig.get().overrides.task)
                _check_choices(overrides)
                _check_keys(cfg, name, overrides)
                _check_size(cfg, overrides)
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
                _check_dashes(sys.argv[1:])
                if {"-h", "--help"} & set(sys.argv[1:]):
                    return print(help_of(name))
                return hydra_main(str(CONF), name, version_base="1.3")(job)()
            except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
                _complain(explain(error, name, sys.argv[1:]))
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
                if isinstance(cause := error.__cause__, OSError):  # as of a log file
                    _complain(ZooError(f"{cause.filename}: {cause.strerror}"))
                if not str(error).startswith(NO_CHOICE):
                    raise
                _complain(_no_choice(name, sys.argv[1:]))

        return run

    return wrap


def help_of(name: str) -> str:
    """What `--help` prints: the YAML of a command, that which it builds on, and the choices."""
    files, groups = [], set()
    todo = [name]
    for one in todo:
        text = (CONF / f"{one}.yaml").read_text(encoding="utf-8")
        files.append(f"=== conf/{one}.yaml ===\n{text}")
        for default in yaml.safe_load(text)["defaults"]:
            if isinstance(default, dict):
                groups |= {group for group in default if not group.startswith("optional ")}
            elif default not in ("_self_", "run"):
                todo.append(default)
    for group in list(groups):  # and those of the parts of a model
        for directory in conf_directories().values():
            inner = (path for path in (directory / group).glob("*") if path.is_dir())
            groups |= {f"{group}/{path.name}" for path in inner}
    choices = [f"{group}: {', '.join(options(group))}" for group in sorted(groups)]
    listed = "\n".join(["=== choices, as GROUP=NAME ===", *choices]) if choices else ""
    usage = (
        f"python -m zoo.{name} KEY=VALUE …      # keys below; of keys in keys: data.root=DIR\n"
        "--cfg job prints all values without running; --hydra-help is Hydra's own help."
    )
    return "\n".join(["\n\n".join([usage, *files]), listed]).rstrip()


def _check_dashes(arguments: list[str]) -> None:
    """Raise a `ZooError` for an option as other programs have it, `--preset=NAME`."""
    for argument in arguments:
        name, equals, _ = argument.removeprefix("--").partition("=")
        known = VALUED if equals else FLAGS + VALUED
        if argument.startswith("--") and not any(option.startswith(name) for option in known):
            raise ZooError(f"cannot read {argument!r}; {WRITTEN}")


def _check_choices(overrides: list[str]) -> None:
    """Raise a `ZooError` where the name of a file is given to the keys in its place."""
    for text in overrides:
        key, _, value = text.lstrip("+").partition("=")
        if as_choice(key) != key and value in options(as_choice(key)):
            raise ZooError(
                f"{text} takes the place of several keys; write {as_choice(key)}={value}"
            )


def _check_keys(cfg: DictConfig, name: str, overrides: list[str]) -> None:
    """Raise a `ZooError` where a value stands in place of several keys, or a key is taken away."""
    for key, below in _mappings(name).items():
        if key in cfg and not isinstance(cfg[key], DictConfig):
            raise ZooError(f"{key}={cfg[key]} takes the place of several keys; set {below}")
    if any(text.startswith("~") or text.endswith("=[]") for text in overrides):
        for key in known_keys(name, ""):
            if key not in cfg:
                choices = _choices(key) if options(key) else f"leave ~{key} out"
                raise ZooError(f"zoo.{name} needs {key}=…; {choices}")


def _check_size(cfg: DictConfig, overrides: list[str]) -> None:
    """Raise a `ZooError` where the size of the model is set, and another one counts."""
    of_model, counts = (OmegaConf.select(cfg, key) for key in ("model.image_size", "image_size"))
    asked = any(text.lstrip("+").startswith("model.image_size=") for text in overrides)
    if asked and counts is not None and counts != of_model:
        raise ZooError(
            f"model.image_size={of_model} is overruled by image_size={counts}; set image_size=…"
        )


def _mappings(name: str) -> dict[str, str]:
    """The keys of `conf/<name>.yaml` that have others below, and how those are set."""
    written: Any = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    mappings = {key: value for key, value in written.items() if isinstance(value, dict)}
    return {key: ", ".join(f"{key}.{one}=…" for one in mappings[key]) for key in mappings}


def _choices(group: str) -> str:
    known = options(group)
    return f"{group}=none is nothing" if "none" in known else f"there are: {', '.join(known)}"


def _no_choice(name: str, arguments: list[str]) -> ZooError:
    """What is wrong with `tracker=null`, or `model=5`: Hydra does not say which override it is."""
    for text in arguments:
        key, value = text.partition("=")[0], override_value(text)
        if options(key) and isinstance(value, int | float | None):
            if key in (below := _mappings(name)):
                return ZooError(f"{text} takes the place of several keys; set {below[key]}")
            return ZooError(f"{text}: a choice is a name; {_choices(key)}")
    return ZooError("a choice like model=… or data=… is a name")


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
        known = known_keys(name, "")
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


def _log_in_utf8() -> None:
    """A locale without `→` would cost the log file that Hydra has opened each line that has one."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler) and handler.stream:
            handler.stream.reconfigure(encoding="utf-8")


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
