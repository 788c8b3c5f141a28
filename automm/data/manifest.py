"""A manifest names the reviews: where the records are, what their columns mean, how they are split.

`load_manifest` reads one strictly: an unknown key is answered with the nearest legal one, and every problem
of the file is reported at once as "manifest.yaml:LINE: ...".
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, field_validator, model_validator

from automm.data.sections import Fields, Images, Labels, Section, Source, Splits, Text
from automm.data.yaml_lines import Key, read_yaml
from automm.errors import ConfigError, NotFoundError, nearest

# A format, and the function (manifest, records) -> Source that opens it: imported only when it is asked for.
FORMATS = {
    "records": "automm.data.records:open_records",
    "mvsa": "automm.data.mvsa:open_mvsa",
}
NOT_YET = {
    ("options",): "options of native formats",
    ("fields", "metadata"): "metadata columns",
    ("fields", "history"): "history columns",
    ("splits", "time"): "splits by time",
    ("splits", "by"): "splits by another rule than fractions or a column",
    ("splits", "folds"): "folds",
}


class Manifest(Section):
    """The whole file; it knows its own place (`file`), to which its paths are relative."""

    name: str = Field(min_length=1, max_length=200)
    records: str | None = Field(default=None, min_length=1)
    format: str = "records"
    path: str | None = Field(default=None, min_length=1)
    encoding: str | None = None
    image_root: str = "."
    task: str = "classification"
    fields: Fields | None = None
    labels: Labels = Labels()
    splits: Splits = Splits()
    images: Images = Images()
    text: Text = Text()
    drop_duplicates: bool = False
    source: Source = Source()
    _file: Path = PrivateAttr(default=Path("manifest.yaml"))

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value not in FORMATS:
            hint = nearest(value, list(FORMATS))
            raise ValueError(f"format {value!r} is not supported yet.{hint} Legal: {', '.join(FORMATS)}")
        return value

    @field_validator("task")
    @classmethod
    def _known_task(cls, value: str) -> str:
        if value != "classification":
            raise ValueError(f"task {value!r} is not supported yet. Legal: classification")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        try:
            "a".encode(value or "utf-8")  # of an empty text Python would not look the encoding up
        except (LookupError, ValueError) as error:
            raise ValueError(f"{value!r} is no text encoding that Python knows, such as utf-8") from error
        return value

    @field_validator("records", "path", "image_root")
    @classmethod
    def _usable_path(cls, value: str | None) -> str | None:
        if value and "\0" in value:
            raise ValueError("a path with a NUL character")
        return value

    @model_validator(mode="after")
    def _place_and_columns(self) -> "Manifest":
        if self.format == "records":
            missing = [key for key in ("records", "fields") if getattr(self, key) is None]
            if missing:
                raise ValueError(f"{' and '.join(missing)} missing: name the file and what its columns mean")
            if self.path is not None:
                raise ValueError("path is the folder of a native format; name the file by records")
        elif self.path is None:
            raise ValueError(f"path missing: the folder of format {self.format!r}")
        elif self.records is not None:
            raise ValueError(f"records is for format records; format {self.format!r} reads path")
        return self

    @property
    def file(self) -> Path:
        """The manifest itself, absolute."""
        return self._file

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""
        return self._file.parent


def parse_manifest(
    content: Mapping[str, Any], file: Path, lines: Mapping[tuple[Key, ...], int] | None = None
) -> Manifest:
    """Validate what a manifest says.

    Args:
        content: keys and values.
        file: where it stands, or would stand: its folder is what its relative paths are relative to.
        lines: the line of each key, by its path, for the messages.

    Raises:
        ConfigError: every problem, a line each.
    """
    rest, problems = _without_unsupported(content)
    manifest = None
    try:
        manifest = Manifest.model_validate(rest)
    except ValidationError as error:
        problems += [(problem["loc"], _explain(problem)) for problem in error.errors()]
    if manifest is None or problems:
        located = sorted((_line(loc, lines or {}), message) for loc, message in problems)
        raise ConfigError([f"{file.name}:{line}: {message}" for line, message in located])
    manifest._file = file.absolute()
    return manifest


def load_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: every problem in it, a line each.
    """
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file. 'automm demo demo/' writes a manifest to begin with.")
    content, lines = read_yaml(path)
    return parse_manifest(content, path, lines)


def _without_unsupported(
    content: Mapping[str, Any],
) -> tuple[dict[str, Any], list[tuple[tuple[Key, ...], str]]]:
    rest = dict(content)
    problems: list[tuple[tuple[Key, ...], str]] = []
    for location, what in NOT_YET.items():
        section, key = (rest, location[0]) if len(location) == 1 else (rest.get(location[0]), location[1])
        if isinstance(section, dict) and key in section:
            problems.append((location, f"{'.'.join(location)}: {what}: not supported yet. Remove the key"))
            shorter = {k: v for k, v in section.items() if k != key}
            if len(location) == 1:
                rest = shorter
            else:
                rest[location[0]] = shorter
    return rest, problems


def _line(location: Iterable[Key], lines: Mapping[tuple[Key, ...], int]) -> int:
    parts = tuple(location)
    while parts and parts not in lines:
        parts = parts[:-1]
    return lines.get(parts, 1)


def _explain(problem: Any) -> str:
    """A pydantic problem as one line in the file's own words."""
    location = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        legal = _legal_keys(problem["loc"][:-1])
        hint = nearest(str(problem["loc"][-1]), legal)
        return f"unknown key {location!r}.{hint} Legal here: {', '.join(legal)}"
    message = problem["msg"].removeprefix("Value error, ")
    given = problem.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{location}: {message}{shown}" if location else f"{message}{shown}"


def _legal_keys(location: Iterable[Key]) -> list[str]:
    model: type[BaseModel] = Manifest
    for part in location:
        annotation: Any = model.model_fields[str(part)].annotation
        for option in getattr(annotation, "__args__", (annotation,)):
            if isinstance(option, type) and issubclass(option, BaseModel):
                model = option
    return list(model.model_fields)
