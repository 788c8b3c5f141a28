"""The only reader and the only writer of YAML.

It is read strictly: no duplicate keys, tags, aliases; yes, no, 010, 12:30 and dates are plain words, and so is 1e-3: it
is the schema that makes a number of it where a number is asked for.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from automm.errors import ConfigError, NotFoundError, Problem

Key = str | int
Place = tuple[Key, ...]
Lines = dict[Place, int]  # the line of every key and item, by its path

# Of YAML 1.2: in 1.1, which PyYAML reads, 010 is 8 and 12:30 is 750.
_NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"),
    "tag:yaml.org,2002:float": re.compile(
        r"^(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
}
_WORDS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")
_OF_1_1 = yaml.SafeLoader.yaml_implicit_resolvers
_STRICT = {
    first: [
        (tag, _NUMBERS.get(tag, pattern))
        for tag, pattern in resolvers
        if tag not in _WORDS and not (tag == "tag:yaml.org,2002:bool" and first not in "tTfF")
    ]
    for first, resolvers in _OF_1_1.items()
}


class NotYamlError(ValueError):
    """A text that is not the YAML that is read here.

    Args:
        faults: (line, what is wrong there), the lines counted from 1.
    """

    code = "not_yaml"

    def __init__(self, faults: list[tuple[int, str]]):
        self.faults = faults
        super().__init__("; ".join(fault for _, fault in faults))


class DuplicateKeyError(NotYamlError):
    """YAML with duplicate keys.

    Args:
        faults: as in `NotYamlError`, one for each key that has been there before.
        content: what the text says, with the last value of each such key.
    """

    code = "duplicate_key"

    def __init__(self, faults: list[tuple[int, str]], content: Any):
        self.content = content
        super().__init__(faults)


class _Loader(yaml.SafeLoader):
    """The safe loader, with YAML 1.2's idea of booleans and numbers: labels called `no` or 010 stay words."""

    # Set here, not by add_implicit_resolver, which would change SafeLoader for everyone.
    yaml_implicit_resolvers = _STRICT

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not supported", mark)
        if getattr(event, "tag", None) not in (None, "!"):
            raise yaml.composer.ComposerError(None, None, f"the tag {event.tag} is not supported", mark)
        if isinstance(event, yaml.ScalarEvent) and any("\ud800" <= char <= "\udfff" for char in event.value):
            try:  # "\ud83d\ude00", as JSON writes one character
                event.value = event.value.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError as error:
                raise yaml.composer.ComposerError(None, None, "half a surrogate pair is not a text", mark) from error
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """The safe dumper: it quotes every text that this reader, or one of YAML 1.1, would take for something else."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and type
        first: [*resolvers, *_STRICT[first]] for first, resolvers in _OF_1_1.items()
    }

    def ignore_aliases(self, data: Any) -> bool:
        return True  # the reader refuses them

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # Plain or in single quotes, PyYAML reads another line break back as a space.
        style = '"' if any(mark in data for mark in "\x85\u2028\u2029") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)


def write_yaml(content: Mapping[str, Any]) -> str:
    """Keys and values as YAML in their order; `parse_yaml` reads equal ones, and a text stays a text.

    Args:
        content: texts, numbers, booleans, None, and lists and mappings of them. Keys are texts.
    """
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def parse_yaml(text: str) -> tuple[Any, Lines]:
    """What a text says, and the line of every key and item.

    Raises:
        DuplicateKeyError: a mapping has a key twice.
        NotYamlError: it is not YAML, or has what is not supported of it.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: Lines = {}
        duplicates = []
        for place, line in _walk(node, ()):
            if place in lines:
                key = ".".join(map(str, place))
                duplicates.append((line, f"duplicate key {key!r} (first in line {lines[place]})"))
            lines.setdefault(place, line)
        content = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYamlError([(mark.line + 1 if mark else 1, f"not YAML: {error.problem}")]) from error
    except yaml.YAMLError as error:
        raise NotYamlError([(1, f"not YAML: {' '.join(str(error).split())}")]) from error
    except (ValueError, OverflowError) as error:  # a number of more digits than Python reads
        raise NotYamlError([(1, f"a malformed number: {error}")]) from error
    except RecursionError as error:
        raise NotYamlError([(1, "nested too deeply")]) from error
    finally:
        if loader is not None:
            loader.dispose()
    if duplicates:
        raise DuplicateKeyError(duplicates, content)
    return content, lines


def read_yaml(path: Path, name: str | None = None) -> tuple[dict[str, Any], Lines]:
    """The keys and values of a file, and the line of every key and item.

    Args:
        path: the file.
        name: what messages call it; its own name without one.

    Raises:
        NotFoundError: there is no such file, or it cannot be read.
        ConfigError: not YAML, not keys and values, or duplicate keys.
    """
    name = path.name if name is None else name
    try:
        if not path.is_file():
            raise NotFoundError(f"{path}: no such file. 'automm demo demo/' writes a manifest to begin with.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:  # a name that is too long for the file system, or no permission
        raise NotFoundError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}:1: not UTF-8 ({error.reason} at byte {error.start})") from error
    try:
        content, lines = parse_yaml(text)
    except NotYamlError as error:
        raise ConfigError([Problem(error.code, f"{name}:{line}", fault) for line, fault in error.faults]) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{name}:1: expected keys and values, such as 'name: my-reviews'")
    return content, lines


def read_setting(flag: str, setting: str, example: str) -> tuple[str, Any]:
    """The key and the value of KEY=VALUE, the value as YAML.

    Args:
        flag: the option of the command line that it was given to, for the messages.
        setting: what was given.
        example: one that is right.

    Raises:
        ConfigError: no key, or the value is not YAML.
    """
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"{flag} {setting}: expected KEY=VALUE, for example {flag} {example}")
    try:
        return key.strip(), parse_yaml(text)[0]
    except NotYamlError as error:
        raise ConfigError([Problem(error.code, f"{flag} {setting}", fault) for _, fault in error.faults]) from error


def _walk(node: yaml.Node | None, place: Place) -> Iterator[tuple[Place, int]]:
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
