"""YAML with line numbers, read strictly: no duplicate keys, tags, aliases; yes, no, dates are plain words."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from automm.errors import ConfigError

Key = str | int

# Of YAML 1.2: in 1.1, which PyYAML reads, 010 is 8 and 12:30 is 750.
_NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"),
    "tag:yaml.org,2002:float": re.compile(
        r"^(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
}


class _Loader(yaml.SafeLoader):
    """The safe loader, with YAML 1.2's idea of booleans and numbers: labels called `no` or 010 stay words."""

    # Filled here, not by add_implicit_resolver, which would change SafeLoader for everyone.
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and type
        first: [
            (tag, _NUMBERS.get(tag, pattern))
            for tag, pattern in resolvers
            if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge")
            and not (tag == "tag:yaml.org,2002:bool" and first not in "tTfF")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not supported", mark)
        if getattr(event, "tag", None) not in (None, "!"):
            raise yaml.composer.ComposerError(None, None, f"the tag {event.tag} is not supported", mark)
        if isinstance(event, yaml.ScalarEvent) and any("\ud800" <= char <= "\udfff" for char in event.value):
            raise yaml.composer.ComposerError(None, None, "half a surrogate pair is not a text", mark)
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[tuple[Key, ...], int]]:
    """The content of a YAML file, and the line of every key and item by its path.

    Raises:
        ConfigError: not YAML, not keys and values, or a key that stands twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.name}:1: not UTF-8 ({error.reason} at byte {error.start})") from error
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{path.name}:1: expected keys and values, such as 'name: my-reviews'")
        lines: dict[tuple[Key, ...], int] = {}
        repeated = []
        for place, line in _walk(node, ()):
            if place in lines:
                key = ".".join(map(str, place))
                repeated.append(f"{path.name}:{line}: key {key!r} stands twice (also in line {lines[place]})")
            lines.setdefault(place, line)
        if repeated:
            raise ConfigError(repeated)
        content = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(f"{path.name}:{mark.line + 1 if mark else 1}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path.name}:1: not YAML: {' '.join(str(error).split())}") from error
    except (ValueError, OverflowError) as error:  # a number of more digits than Python reads
        raise ConfigError(f"{path.name}:1: a malformed number: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path.name}:1: nested too deeply") from error
    finally:
        if loader is not None:
            loader.dispose()
    return content, lines


def _walk(node: yaml.Node, place: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for number, (key, value) in enumerate(node.value):
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else f"key {number}"
            if isinstance(key, yaml.ScalarNode):
                key.tag = "tag:yaml.org,2002:str"  # as numbers, the keys 1 and 1.0 would be one
            yield (*place, name), key.start_mark.line + 1
            yield from _walk(value, (*place, name))
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*place, number), value.start_mark.line + 1
            yield from _walk(value, (*place, number))
