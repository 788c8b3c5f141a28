"""The manifest of a data set: where the records are, what their columns mean, and how they are split.

`load_manifest` reads a manifest strictly. An unknown key is answered with the nearest legal one, and all problems of
the file are reported together as "manifest.yaml:LINE: ...".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from automm.config.inputs import TEXT, TOWER, Inputs
from automm.config.schema import Faults, Section, located, problems_of
from automm.config.strict_yaml import Place, read_yaml
from automm.data.layouts import LAYOUTS, RECORDS, find_layout, is_code, unknown_format
from automm.data.sections import Fields, Images, Labels, Splits, Text, known_encoding
from automm.data.source_section import Source
from automm.errors import ConfigError, nearest
from automm.tasks.base import Task
from automm.tasks.registry import TASKS


class Manifest(Section):
    """The whole file. Its paths are relative to the folder of `file`."""

    name: str = Field(min_length=1, max_length=200)
    records: str | None = Field(default=None, min_length=1)
    format: str = RECORDS
    path: str | None = Field(default=None, min_length=1)
    options: dict[str, Any] = Field(default={})
    encoding: str | None = None
    delimiter: str | None = None
    quotes: bool | None = None
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
        if value != RECORDS and value not in LAYOUTS and not is_code(value):
            raise ValueError(unknown_format(value))
        return value

    @field_validator("task")
    @classmethod
    def _known_task(cls, value: str) -> str:
        if value not in TASKS:
            raise ValueError(f"unknown task {value!r}.{nearest(value, list(TASKS))} Legal: {', '.join(TASKS)}")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        return None if value is None else known_encoding(value)

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and (len(value) != 1 or value in '\0\r\n"'):
            raise ValueError('expected one character in double quotes, such as ";" or "\\t"')
        return value

    @field_validator("records", mode="before")
    @classmethod
    def _one_pattern(cls, value: object) -> object:
        if isinstance(value, list):
            raise ValueError("expected one file, or a pattern for files with the same columns, such as 'reviews-*.csv'")
        return value

    @field_validator("records", "path", "image_root")
    @classmethod
    def _usable_path(cls, value: str | None) -> str | None:
        if value and "\0" in value:
            raise ValueError("the path has a NUL character. Remove it")
        return value

    @model_validator(mode="after")
    def _place_and_columns(self) -> "Manifest":
        if self.format == RECORDS:
            missing = [key for key in ("records", "fields") if getattr(self, key) is None]
            if missing:
                raise ValueError(f"{' and '.join(missing)} missing. Name the records file and what its columns mean")
            if self.path is not None:
                raise ValueError("path is for native formats. Name the records file in records")
        elif self.path is None:
            raise ValueError(
                f"format {self.format!r} needs the key path. Set it to the folder or file that holds the data"
            )
        elif self.records is not None:
            raise ValueError(f"records is for format 'records'. Name the folder of format {self.format!r} in path")
        elif self.fields is None:  # native layouts define their fields, so this is a custom reader
            raise ValueError(f"fields missing. Name what the columns of {self.format!r} mean")
        return self

    @model_validator(mode="after")
    def _tables_alone(self) -> "Manifest":
        given = [key for key in ("delimiter", "quotes") if getattr(self, key) is not None]
        if given and self.format != RECORDS:
            keys = " and ".join(given)
            raise ValueError(f"{keys}: only for .csv and .tsv files of format 'records', not for {self.format!r}")
        return self

    @model_validator(mode="after")
    def _labels_of_a_label_set(self) -> "Manifest":
        task = self.task_object
        if not task.has_labels and self.labels != Labels(on_missing=self.labels.on_missing):
            raise ValueError(
                f"a {task.name} predicts a {task.target} and has no labels to map. "
                "Remove all keys of labels but on_missing"
            )
        return self

    @property
    def task_object(self) -> Task:
        """The object of `task`: what is predicted, and everything that depends on it."""
        return TASKS[self.task]

    @property
    def columns(self) -> tuple[str, ...]:
        """The further inputs that the manifest names: 'metadata', 'history', both or none."""
        fields = self.fields
        return tuple(name for name in ("metadata", "history") if fields is not None and getattr(fields, name))

    def towers(self, inputs: Inputs) -> tuple[str, ...]:
        """The further inputs that models read beside the text: `columns`, without metadata that is only in the text.

        Raises:
            ConfigError: categories are to be written into the text, and the manifest names no categorical column.
        """
        fields = self.fields
        if inputs.categories != TOWER and not (fields and fields.categorical):
            raise ConfigError(
                f"inputs.categories is {inputs.categories}, but {self.file.name} names no categorical column. Name "
                "columns in fields.metadata.categorical, or remove the key"
            )
        only_text = fields is not None and inputs.categories == TEXT and not fields.numeric
        return tuple(name for name in self.columns if not (only_text and name == "metadata"))

    @property
    def file(self) -> Path:
        """The absolute path of the manifest."""
        return self._file

    @property
    def folder(self) -> Path:
        """The folder that relative paths of the manifest are relative to."""
        return self._file.parent


def parse_manifest(
    content: Mapping[str, Any],
    file: Path,
    lines: Mapping[Place, int] | None = None,
    *,
    allow_code: bool = False,
) -> Manifest:
    """Validate the content of a manifest.

    Args:
        content: keys and values.
        file: the path of the manifest, which need not exist; its paths are relative to the folder of this file.
        lines: the line of each key, by its path, for the messages.
        allow_code: whether `format: my_module:my_reader` may name a function to run.

    Raises:
        ConfigError: every problem, one per line.
    """
    rest = dict(content)
    problems = [] if allow_code else _refused_code(rest)
    problems += _of_layout(rest)
    manifest = None
    try:
        manifest = Manifest.model_validate(rest)
    except ValidationError as error:
        problems += problems_of(error, Manifest)
    if manifest is None or problems:
        raise ConfigError(located(problems, "manifest", file.name, lines or {}))
    manifest._file = file.absolute()
    return manifest


def load_manifest(path: Path, *, allow_code: bool = False) -> Manifest:
    """Read and validate a manifest; `allow_code` as in `parse_manifest`.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: every problem of the file, one per line.
    """
    content, lines = read_yaml(path)
    return parse_manifest(content, path, lines, allow_code=allow_code)


def _refused_code(content: Mapping[str, Any]) -> Faults:
    name = content.get("format")
    if not isinstance(name, str) or not is_code(name):
        return []
    text = (
        f"format {name!r} would run code of that module. If you trust it, add --allow-code to check, search or import"
    )
    return [(("format",), text)]


def _of_layout(content: dict[str, Any]) -> Faults:
    """Validate `options`, and complete `fields` with the fields of the layout."""
    name, options, fields = content.get("format", RECORDS), content.get("options", {}), content.get("fields", {})
    if not isinstance(name, str) or not isinstance(options, Mapping) or is_code(name):
        return []
    if name == RECORDS and options:
        return [(("options",), f"format {name!r} has no options. Remove the key")]
    if name not in LAYOUTS:
        return []
    layout = find_layout(name)
    if isinstance(fields, Mapping):
        content["fields"] = layout.fields.model_dump(exclude_defaults=True) | dict(fields)
    try:
        layout.options.model_validate(options)
    except ValidationError as error:
        return problems_of(error, layout.options, ("options",))
    return []
