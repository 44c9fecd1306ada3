"""Configuration: dataclass defaults, overridden by the YAML files of `configs/` and by `key=value` words.

Hydra composes, pydantic turns the result into the frozen dataclass and checks its types. A wrong key or a wrong
choice is an error that lists the right ones.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from robot_rl.errors import ConfigError, UnknownNameError

T = TypeVar("T")


@runtime_checkable
class Said(Protocol):
    """A config dataclass of which some values say nothing beside others. What was saved once is not asked again."""

    def check_words(self) -> None:
        """Raise ConfigError for a value that somebody has said, and nobody would look at."""
        ...


def config_directory() -> Path:
    """Folder of the YAML files: inside the installed package, or the repository's `configs/`."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "configs", package.parent / "configs"):
        if candidate.is_dir():
            return candidate
    raise ConfigError(f"No configs folder beside or inside {package}: the installation is incomplete.")


def load(schema: type[T], name: str, overrides: list[str] | tuple[str, ...] = ()) -> T:
    """Compose `configs/NAME.yaml` over the dataclass's defaults, apply `key=value` overrides, return the dataclass.

    Args:
        schema: frozen dataclass whose every field has a default.
        name: of the YAML file, whose list of defaults begins with `NAME_defaults`.
        overrides: words such as `task=peg` (choose a file of a group) or `task.scene.clearance_m=0.0003`.

    Raises:
        ConfigError: a word that cannot be read, a key that does not exist, a value of the wrong type, a number that is
            not finite, or a value that says nothing beside the others.
        UnknownNameError: a choice that does not exist.
    """
    defaults = to_plain(schema())
    ConfigStore.instance().store(name=f"{name}_defaults", node=defaults)
    directory = config_directory()
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(directory), version_base="1.3"):
            composed = compose(config_name=name, overrides=list(overrides))
        plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # Hydra's own checks raise ValueErrors, too
        _explain(overrides, defaults, _chosen_groups(directory / f"{name}.yaml"))
        raise ConfigError(_first_lines(error)) from error
    config = from_plain(schema, plain)
    if isinstance(config, Said):
        config.check_words()
    return config


def apply(config: T, group: str, overrides: Sequence[str]) -> T:
    """The values of a group that come from elsewhere, with those of the words on top that say `GROUP.KEY=VALUE`.

    Args:
        config: a config dataclass.
        group: what it is called in the words.
        overrides: all the words, which `load` has accepted.

    Raises:
        ConfigError: a value that does not go with the others.
    """
    said = OverridesParser.create().parse_overrides(list(overrides))
    return _amend(
        config,
        {
            each.key_or_group.removeprefix(f"{group}."): each.value()
            for each in said
            if each.key_or_group.startswith(f"{group}.") and not each.is_delete()
        },
    )


def amend(config: T, overrides: Sequence[str]) -> T:
    """A configuration that was saved once, with `key=value` words on top; no YAML file is looked at.

    Raises:
        ConfigError: a word that is not of that form, or a value of the wrong type.
        UnknownNameError: a key that the dataclass does not have.
    """
    _explain(overrides, to_plain(config), chosen_groups=set())
    said = OverridesParser.create().parse_overrides(list(overrides))
    if gone := [each.key_or_group for each in said if each.is_delete()]:
        raise ConfigError(f"{', '.join(gone)} cannot be taken out of a configuration that is saved.")
    return _amend(config, {each.key_or_group: each.value() for each in said})


def _amend(config: T, values: Mapping[str, Any]) -> T:
    node = OmegaConf.create(to_plain(config))
    for key, value in values.items():
        OmegaConf.update(node, key, value, merge=True)
    return from_plain(type(config), OmegaConf.to_container(node, resolve=True))


def is_said(key: str, overrides: Sequence[str]) -> bool:
    """Whether one of the words is `KEY=VALUE`."""
    return any(word.partition("=")[0].strip("+ ") == key for word in overrides)


def to_plain(config: Any) -> dict[str, Any]:
    """A config dataclass as nested dicts, lists and scalars, fit for YAML."""
    plain: dict[str, Any] = OmegaConf.to_container(OmegaConf.create(_listed(dataclasses.asdict(config))))  # type: ignore[assignment]
    return plain


def to_yaml(config: Any) -> str:
    """A config dataclass as YAML."""
    return yaml.safe_dump(to_plain(config), sort_keys=False)


def from_yaml(schema: type[T], text: str) -> T:
    """The inverse of `to_yaml`.

    Raises:
        ConfigError: a value of the wrong type.
        UnknownNameError: a key that the dataclass does not have.
    """
    try:
        plain = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"this is not YAML: {' '.join(str(error).split())}") from error
    return from_plain(schema, plain)


def read_yaml(schema: type[T], file: Path) -> T:
    """What `to_yaml` has written to a file.

    Raises:
        ConfigError: the file cannot be read, is damaged, or of another version; it says which file.
    """
    try:
        return from_yaml(schema, file.read_text())
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is damaged, or of another version: this is not text.") from error
    except (ConfigError, UnknownNameError) as error:
        raise ConfigError(f"{file} is damaged, or of another version: {error}") from error


def from_plain(schema: type[T], plain: Any) -> T:
    """The inverse of `to_plain`.

    Raises:
        ConfigError: a value of the wrong type, or a number that is not finite: a limit of infinity is none.
        UnknownNameError: a key that the dataclass does not have.
    """
    defaults = to_plain(schema())
    _check_keys(plain, defaults)
    _check_finite(plain, defaults)
    try:
        return TypeAdapter(schema).validate_python(plain)
    except ValidationError as error:
        raise ConfigError(_describe(error)) from error


def choices(group: str) -> list[str]:
    """Names of the YAML files of a group, as in `task=NAME`."""
    return sorted(path.stem for path in (config_directory() / group).glob("*.yaml"))


def groups() -> list[str]:
    """Names of the groups: the folders of `configs/`."""
    return sorted(path.name for path in config_directory().iterdir() if path.is_dir())


def _listed(value: Any) -> Any:
    """Tuples become lists: YAML and OmegaConf know no others."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(item) for item in value]
    return value


def _check_keys(plain: Any, defaults: Any, where: str = "") -> None:
    """Raise UnknownNameError for a key that the dataclass does not have, be it from a word or from a file."""
    if not (isinstance(plain, dict) and isinstance(defaults, dict)):
        return
    for key, value in plain.items():
        if key not in defaults:
            raise UnknownNameError(f"key of {where!r}" if where else "key", str(key), defaults)
        _check_keys(value, defaults[key], f"{where}.{key}" if where else str(key))


def _check_finite(plain: Any, defaults: Any, where: str = "") -> None:
    """Raise ConfigError for a number that is not finite, unless that is its default."""
    if isinstance(plain, float) and not math.isfinite(plain) and plain != defaults:
        raise ConfigError(f"{where} must be finite, got {plain}.")
    if isinstance(plain, dict):
        known = defaults if isinstance(defaults, dict) else {}
        for key, value in plain.items():
            _check_finite(value, known.get(key), f"{where}.{key}" if where else str(key))
    elif isinstance(plain, list):
        for value in plain:
            _check_finite(value, None, where)


def _chosen_groups(file: Path) -> set[str]:
    """Names of the groups that a command's YAML file chooses from; some are no key of its dataclass."""
    chosen = yaml.safe_load(file.read_text()).get("defaults", [])
    return {name for entry in chosen if isinstance(entry, dict) for name in entry}


def _explain(overrides: Sequence[str], defaults: dict[str, Any], chosen_groups: set[str]) -> None:
    """Raise the clearest error that fits one of the overrides; return if all of them look right."""
    for word in overrides:
        if "=" not in word:
            raise ConfigError(f"{word!r} is not of the form key=value, for example task=peg.")
        try:
            override = OverridesParser.create().parse_override(word)
        except HydraException as error:
            raise ConfigError(f"Cannot read {word!r}: {_first_lines(error)}") from error
        key = override.key_or_group
        if key in chosen_groups:
            value = override.value()
            for name in value if isinstance(value, list) else [value]:
                if name not in choices(key):
                    raise UnknownNameError(key, str(name), choices(key))
            continue
        node: Any = defaults
        for depth, part in enumerate(key.split(".")):
            if not isinstance(node, dict) or part not in node:
                valid = node.keys() if isinstance(node, dict) else ()
                where = ".".join(key.split(".")[:depth])
                raise UnknownNameError(f"key of {where!r}" if where else "key", part, valid)
            node = node[part]


def _first_lines(error: BaseException) -> str:
    return " ".join(line.strip() for line in str(error).splitlines()[:3] if line.strip())


def _describe(error: ValidationError) -> str:
    parts = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        value = "" if isinstance(item["input"], dict) else f"={item['input']!r}"  # a whole node says nothing
        name = f"{where}{value}: " if where else ""  # a check of the whole names its field itself
        parts.append(f"{name}{item['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)
