"""Chooses the engine that runs the tasks, from a name and options.

Options are the fields of an engine that state their meaning; users set them with
`--engine-option NAME=VALUE`.
"""

import dataclasses
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from .engine import RUN_TASK, Engine, EngineError

_ENGINES = {
    "process": ("engine", "ProcessEngine"),
    "local": ("local_engine", "LocalEngine"),
    "ray": ("ray_engine", "RayEngine"),
    "slurm": ("slurm_engine", "SlurmEngine"),
    "jobs": ("jobs_engine", "JobsEngine"),
}
ENGINES = tuple(_ENGINES)
"""The names of all engines."""

EXTRAS = {"ray": "ray", "slurm": "datatrove"}
"""Modules that an engine needs and the package does not install; the extra is named like the engine."""

_SWITCH = {"yes": True, "true": True, "no": False, "false": False}


def open_engine(
    name: str,
    *,
    workers: int = 1,
    options: Sequence[str] = (),
    finish: Sequence[str] = (),
    function: str = RUN_TASK,
) -> Engine:
    """Open the engine of that name.

    Args:
        name: one of `ENGINES`.
        workers: number of tasks that run at once.
        options: each is `NAME=VALUE`; `describe_options` lists them.
        finish: the command that continues once all tasks have run, for an engine that does not wait.
        function: the function that runs a task, as `package.module:name`.

    Raises:
        EngineError: there is no such engine or option, or a package that it needs is not installed.
    """
    fields = _option_fields(name)
    needed = EXTRAS.get(name)
    if needed is not None and importlib.util.find_spec(needed) is None:
        raise EngineError(
            f"engine {name!r} needs {needed}; install it with: pip install 'atari-dqn-replay[{name}]'"
        )
    if workers < 1:
        raise EngineError(f"{workers} workers: there must be at least one")
    if name == "process" and workers > 1:
        raise EngineError(f"engine 'process' is a single worker; for {workers}, use --engine local")
    settings: dict[str, Any] = {}
    for each in options:
        key, equals, text = each.partition("=")
        if not equals or key not in fields:
            known = f"its options are {', '.join(fields)}" if fields else "it has none"
            raise EngineError(f"engine {name!r} has no option {each!r}; {known}, each as NAME=VALUE")
        settings[fields[key].name] = _parse(key, text, fields[key].type)
    return _engine_class(name)(workers=workers, finish=tuple(finish), function=function, **settings)


def describe_options(name: str) -> dict[str, str]:
    """Returns the meaning of each option of an engine, with its default.

    Raises:
        EngineError: there is no such engine.
    """
    described = {}
    for key, field in _option_fields(name).items():
        default = "yes" if field.default is True else field.default
        described[key] = field.metadata["meaning"] + (f" (default: {default})" if default else "")
    return described


def _option_fields(name: str) -> Mapping[str, "dataclasses.Field[Any]"]:
    fields = dataclasses.fields(_engine_class(name))
    return {field.name.replace("_", "-"): field for field in fields if "meaning" in field.metadata}


def _engine_class(name: str) -> type[Engine]:
    if name not in _ENGINES:
        raise EngineError(f"there is no engine {name!r}; there are {', '.join(ENGINES)}")
    module, class_name = _ENGINES[name]
    return getattr(importlib.import_module(f".{module}", __package__), class_name)


def _parse(key: str, text: str, kind: Any) -> str | int | float | bool:
    kind = next((each for each in get_args(kind) if each is not type(None)), kind)
    try:
        return _SWITCH[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        wanted = {bool: "yes or no", int: "a whole number", float: "a number"}[kind]
        raise EngineError(f"option {key}={text!r}: not {wanted}") from None
