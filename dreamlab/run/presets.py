"""Where the presets lie, and YAML that is only ever data."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dreamlab.core.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[1]
_MOST_BYTES, _MOST_VALUES, _DEEPEST = 1_000_000, 100_000, 40


def presets_folder() -> Path:
    """The folder of presets: beside the modules in an installed wheel, beside the package in a checkout."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def preset_names() -> list[str]:
    """Names that `--preset` takes, sorted."""
    return sorted(path.stem for path in presets_folder().glob("*.yaml"))


def load_preset(name: str) -> dict[str, Any]:
    """The settings of a preset. Raises ConfigError for an unknown name."""
    names = preset_names()
    if name not in names:
        raise ConfigError(
            f"there is no preset {name!r}",
            expected="one of " + ", ".join(names),
            mend=did_you_mean(name, names),
        )
    return load_yaml(presets_folder() / f"{name}.yaml")


def load_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping, read safely. Raises ConfigError for a missing or damaged file, and
    for what is no file, such as a pipe that nobody writes to.
    """
    mend = "See the files in configs/ for what a config looks like"
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"cannot read the config {path}", got="no regular file", mend=mend)
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ConfigError(f"cannot read the config {path}", expected="a megabyte at most", mend=mend)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"cannot read the config {path}", got=reason, mend=mend) from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """The mapping in a YAML text; `name` is what errors call it. Raises ConfigError for what is none."""
    import yaml

    try:
        value = _loaded(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{name} is not valid YAML{where}", got=str(problem)) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(
            f"{name} does not hold settings",
            expected="a mapping such as `seed: 3`",
            got=type(value).__name__,
        )
    return value


def parse_value(text: str) -> Any:
    """A single YAML value, as `--set key=VALUE` takes it; text that is no YAML stays text."""
    import yaml

    try:
        return _loaded(text)
    except yaml.YAMLError:
        return text


def _loaded(text: str) -> Any:
    """The value in a YAML text. Whatever is wrong with it is a YAMLError."""
    import yaml

    try:
        value = yaml.load(text, Loader=_loader())
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        # PyYAML's own constructors let these through: 2001-99-99, !!int "", !!timestamp x.
        raise yaml.YAMLError(f"a value cannot be read: {error}".splitlines()[0]) from error
    _check_size(value)
    return value


def _check_size(value: Any) -> None:
    """Refuse what is nested without end, or doubles by aliases until nothing can hold it."""
    import yaml

    waiting, count = [(value, 0)], 0
    while waiting:
        item, depth = waiting.pop()
        count += 1
        if depth > _DEEPEST or count > _MOST_VALUES:
            problem = "it is nested too deeply" if depth > _DEEPEST else "it holds too many values"
            raise yaml.YAMLError(problem)
        if isinstance(item, dict):
            waiting += [(part, depth + 1) for part in item.values()]
        elif isinstance(item, list | tuple | set):
            waiting += [(part, depth + 1) for part in item]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A clause that names the nearest valid name, or nothing if none is near."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"The nearest is {near[0]}" if near else ""


def _loader() -> Any:
    """PyYAML's safe loader that also refuses a key that is given twice, reads 1e-3 as a number, and on, off,
    yes and no as words, as YAML 1.2 does: many settings are one of them, and true settings take them, too."""
    import re

    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[str] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    problem = "a key must be a word"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                if key.value in seen and key.value != "<<":
                    problem = f"the key {key.value!r} is given twice"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                seen.add(key.value)
            found = super().construct_mapping(node, deep)
            if odd := [key for key in found if not isinstance(key, str)]:
                problem = f"the key {str(odd[0])!r} is no word; put it in quotes"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
            return found

    boolean = "tag:yaml.org,2002:bool"
    Loader.yaml_implicit_resolvers = {
        first: [rule for rule in rules if rule[0] != boolean]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver(boolean, re.compile("true|True|TRUE|false|False|FALSE"), list("tTfF"))
    exponent = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")  # YAML 1.1 wants a point and a sign there
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", exponent, list("-+.0123456789"))
    return Loader
