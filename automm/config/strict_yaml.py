"""Read and write YAML. All YAML of the package passes through this module.

Reading is strict: duplicate keys, tags and aliases are errors. yes, no, 010, 12:30, 1e-3 and dates are plain words; the
schema converts a word such as 1e-3 to a number for a key that expects a number.
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

# The numbers of YAML 1.2. PyYAML reads YAML 1.1, in which 010 is 8 and 12:30 is 750.
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
    """The text is not valid YAML, or uses features that are not supported.

    Args:
        faults: (line, what is wrong there), lines counted from 1.
    """

    code = "not_yaml"

    def __init__(self, faults: list[tuple[int, str]]):
        self.faults = faults
        super().__init__("; ".join(fault for _, fault in faults))


class DuplicateKeyError(NotYamlError):
    """The text is valid YAML, but a mapping has duplicate keys.

    Args:
        faults: as in `NotYamlError`, one for each repeated key.
        content: the content, with the last value of each repeated key.
    """

    code = "duplicate_key"

    def __init__(self, faults: list[tuple[int, str]], content: Any):
        self.content = content
        super().__init__(faults)


class _Loader(yaml.SafeLoader):
    """The safe loader with the booleans and numbers of YAML 1.2: labels such as `no` or 010 stay words."""

    # Set here, not by add_implicit_resolver, which would change SafeLoader for everyone.
    yaml_implicit_resolvers = _STRICT

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.composer.ComposerError(
                None, None, "aliases (*name) are not supported. Write the value out", mark
            )
        if getattr(event, "tag", None) not in (None, "!"):
            raise yaml.composer.ComposerError(None, None, f"the tag {event.tag} is not supported. Remove it", mark)
        if isinstance(event, yaml.ScalarEvent) and any("\ud800" <= char <= "\udfff" for char in event.value):
            try:  # JSON writes one character as a pair: "\ud83d\ude00"
                event.value = event.value.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError as error:
                raise yaml.composer.ComposerError(
                    None, None, "half of a surrogate pair is not a character. Write both halves, or remove it", mark
                ) from error
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """The safe dumper. It quotes every text that this reader or a YAML 1.1 reader would not read as a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and type
        first: [*resolvers, *_STRICT[first]] for first, resolvers in _OF_1_1.items()
    }

    def ignore_aliases(self, data: Any) -> bool:
        return True  # the reader refuses aliases

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # In plain or single-quoted text PyYAML reads these line breaks back as spaces.
        style = '"' if any(mark in data for mark in "\x85\u2028\u2029") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)


def write_yaml(content: Mapping[str, Any]) -> str:
    """Return the content as YAML, in its order. `parse_yaml` reads the same content back.

    Args:
        content: texts, numbers, booleans, None, and lists and mappings of them. Keys are texts.
    """
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def parse_yaml(text: str) -> tuple[Any, Lines]:
    """Return the content of a text, and the line of every key and item.

    Raises:
        DuplicateKeyError: a mapping has a key twice.
        NotYamlError: the text is not YAML, or uses features that are not supported.
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
                duplicates.append((line, f"duplicate key {key!r} (first in line {lines[place]}). Remove one of them"))
            lines.setdefault(place, line)
        content = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYamlError([(mark.line + 1 if mark else 1, f"not YAML: {error.problem}")]) from error
    except yaml.YAMLError as error:
        raise NotYamlError([(1, f"not YAML: {' '.join(str(error).split())}")]) from error
    except (ValueError, OverflowError) as error:  # a number with more digits than Python converts
        raise NotYamlError([(1, "a number has too many digits to be read. Shorten it, or put it in quotes")]) from error
    except RecursionError as error:
        raise NotYamlError(
            [(1, "nested deeper than any key needs. Check for stray brackets or wrong indentation")]
        ) from error
    finally:
        if loader is not None:
            loader.dispose()
    if duplicates:
        raise DuplicateKeyError(duplicates, content)
    return content, lines


def read_yaml(path: Path, name: str | None = None) -> tuple[dict[str, Any], Lines]:
    """Return the keys and values of a file, and the line of every key and item.

    Args:
        path: the file.
        name: the name of the file in messages; the file name by default.

    Raises:
        NotFoundError: the file does not exist or cannot be read.
        ConfigError: the file is not YAML, not keys and values, or has duplicate keys.
    """
    name = path.name if name is None else name
    try:
        if not path.is_file():
            raise NotFoundError(f"{path}: no such file. Correct the path, or write a first manifest: automm demo demo/")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:  # for example the name is too long, or no permission
        raise NotFoundError(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{name}:1: not UTF-8 ({error.reason} at byte {error.start}). Save the file as UTF-8"
        ) from error
    try:
        content, lines = parse_yaml(text)
    except NotYamlError as error:
        raise ConfigError([Problem(error.code, f"{name}:{line}", fault) for line, fault in error.faults]) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{name}:1: not keys and values. Write lines such as 'name: my-reviews'")
    return content, lines


def read_setting(flag: str, setting: str, example: str) -> tuple[str, Any]:
    """Return the key and the value of KEY=VALUE, the value parsed as YAML.

    Args:
        flag: the command-line option, for messages.
        setting: the argument of the option.
        example: a correct argument, for messages.

    Raises:
        ConfigError: the key is missing, or the value is not YAML.
    """
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"{flag} {setting}: not KEY=VALUE. Write it like {flag} {example}")
    try:
        return key.strip(), parse_yaml(text)[0]
    except NotYamlError as error:
        raise ConfigError([Problem(error.code, f"{flag} {setting}", fault) for _, fault in error.faults]) from error


def _walk(node: yaml.Node | None, place: Place) -> Iterator[tuple[Place, int]]:
    """Yield the place and the line of every key and item below a node."""
    if isinstance(node, yaml.MappingNode):
        for number, (key, value) in enumerate(node.value):
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else f"key {number}"
            if isinstance(key, yaml.ScalarNode):
                key.tag = "tag:yaml.org,2002:str"  # as numbers, the keys 1 and 1.0 would be equal
            yield (*place, name), key.start_mark.line + 1
            yield from _walk(value, (*place, name))
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*place, number), value.start_mark.line + 1
            yield from _walk(value, (*place, number))
