"""The sections of a manifest: frozen models that refuse unknown keys."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from automm.config.schema import Section
from automm.data.images.patterns import Pattern, is_pattern

SPLITS = ("train", "validation", "test")
LONGEST_INTEGER = 3322  # bits, a thousand digits; Python refuses to write more than 4,300 digits

_WHOLE = re.compile(r"([+-]?\d+)\.0+")


def plain_value(value: object) -> str:
    """Return the normal form of a label: 4, 4.0, "4" and "4.0" become "4"; booleans become "true" and "false".

    Raises:
        ValueError: infinity, or an integer of more than a thousand digits.
    """
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    if isinstance(value, float) and math.isinf(value):
        raise ValueError("infinity is not a value")
    if isinstance(value, int) and value.bit_length() > LONGEST_INTEGER:
        raise ValueError("an integer of more than a thousand digits is not a value")
    text = str(value).strip()
    if len(text) in (4, 5) and (folded := text.casefold()) in ("true", "false"):
        return folded
    whole = _WHOLE.fullmatch(text) if text.endswith("0") else None  # called for every label and group
    return whole[1] if whole else text


def known_encoding(name: str) -> str:
    """Return the name of an encoding if Python knows it.

    Raises:
        ValueError: Python does not know it, or it is not a text encoding.
    """
    try:
        "a".encode(name or "utf-8")  # Python would not look the encoding up to encode an empty text
    except (LookupError, ValueError) as error:
        raise ValueError(f"Python knows no text encoding {name!r}. Name another, such as utf-8") from error
    return name


def _one_or_several(value: object) -> object:
    if isinstance(value, Mapping):
        raise ValueError(f"expected a name, or a list of names, got {', '.join(map(str, value))}. Write [name, name]")
    return (value,) if isinstance(value, str) else value


def _columns_of_pictures(value: object) -> object:
    if isinstance(value, Mapping) and value.keys() <= {"column", "columns", "separator", "none_values"}:
        beside = [f"{key}: {value[key]}" for key in ("separator", "none_values") if key in value]
        named = value.get("column", value.get("columns", "..."))
        raise ValueError(
            f"images holds only names of columns. Write fields: {{{', '.join([f'images: {named}', *beside])}}}"
        )
    return _one_or_several(value)


def _no_empty_name(names: tuple[str, ...]) -> tuple[str, ...]:
    if any(not name.strip() for name in names):
        raise ValueError("a name is empty. Write the name of a column, or remove it")
    return names


def _legal_patterns(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if is_pattern(name):
            Pattern(name)  # raises ValueError if it is not legal
    return names


Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_several), AfterValidator(_no_empty_name)]


class LabelColumn(Section):
    """The column of labels: one per review, or several as a list or as text split at `separator`; `pick` takes one.

    `decimal` is the decimal mark of numbers written for people: "." of "$1,250.00", "," of "1.250,00 €".
    """

    column: str = Field(min_length=1)
    separator: str | None = Field(default=None, min_length=1)
    pick: Literal["first"] | None = None
    decimal: Literal[".", ","] | None = None


def _named_column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class Metadata(Section):
    """Further input columns: numbers, and values of a short list."""

    numeric: Names = ()
    categorical: Names = ()

    @model_validator(mode="after")
    def _each_once(self) -> "Metadata":
        columns = [*self.numeric, *self.categorical]
        twice = sorted({name for name in columns if columns.count(name) > 1})
        if twice:
            raise ValueError(f"columns named twice: {', '.join(twice)}. A column is either numeric or categorical")
        if not columns:
            raise ValueError("no column is named. Name a numeric or a categorical column, or remove metadata")
        return self


class History(Section):
    """A short series, the latest value last.

    It is one column that holds a list, or a text of numbers separated by `separator` (by default spaces); or several
    columns, one per step.
    """

    columns: Annotated[Names, Field(min_length=1)]
    separator: str | None = Field(default=None, min_length=1)


class Fields(Section):
    """The meaning of the columns.

    `images` names columns (each a list, or text split at `separator`) or templates such as "img/{id}.png", in which
    {column} is replaced by the value of that column, or patterns such as "{id}-*.jpg", which may find several pictures.
    A name that is one of `none_values` means no picture. With `image_kind: base64` the columns hold the pictures
    themselves: base64 text, data: URIs, bytes, {bytes, path} objects, or lists of these.
    `history` names columns, whose texts are split at the same `separator`; or it is a mapping with its own separator.
    """

    id: str | None = None
    text: Names = ()
    images: Annotated[Names, BeforeValidator(_columns_of_pictures), AfterValidator(_legal_patterns)] = ()
    image_kind: Literal["base64"] | None = None
    separator: str | None = Field(default=None, min_length=1)
    none_values: Names = ()
    label: Annotated[LabelColumn | None, BeforeValidator(_named_column)] = None
    group: str | None = None
    metadata: Metadata | None = None
    history: History | None = None

    @model_validator(mode="before")
    @classmethod
    def _names_of_history(cls, content: object) -> object:
        """Give a history without a separator that of the pictures, as in manifests before history had its own."""
        if not isinstance(content, Mapping) or not isinstance(content.get("history"), str | list | tuple):
            return content
        shared = {"columns": content["history"], "separator": content.get("separator")}
        return {**content, "history": shared if content["history"] else None}

    @model_validator(mode="after")
    def _columns_with_pictures(self) -> "Fields":
        named = [entry for entry in self.images if "{" in entry]
        if self.image_kind is not None and (named or not self.images):
            what = f"not {named[0]!r}" if named else "in fields.images"
            raise ValueError(f"image_kind: {self.image_kind} needs names of columns, {what}. Name them, or remove it")
        return self

    @property
    def patterns(self) -> tuple[str, ...]:
        """The entries of `images` that may find several pictures of a review."""
        return tuple(filter(is_pattern, self.images))

    @property
    def history_columns(self) -> tuple[str, ...]:
        """The columns of the history."""
        return self.history.columns if self.history else ()

    @property
    def numeric(self) -> tuple[str, ...]:
        """The numeric columns of metadata."""
        return self.metadata.numeric if self.metadata else ()

    @property
    def categorical(self) -> tuple[str, ...]:
        """The categorical columns of metadata."""
        return self.metadata.categorical if self.metadata else ()

    @model_validator(mode="after")
    def _something_to_learn_from(self) -> "Fields":
        if not self.text and not self.images:
            raise ValueError("neither text nor images names a column. Name at least one column of text or of images")
        return self


class Labels(Section):
    """The label set: `map` merges values into labels and fixes their order.

    `on_unlisted` decides about values that the map does not list, and `on_missing` about records without a label.
    Without `on_missing` the format decides, because some native layouts have records without a label. Labels of fewer
    than `min_count` reviews are rare: `rare` drops these reviews, or changes the labels to "other".
    """

    map: dict[str, tuple[str, ...]] | None = None
    on_unlisted: Literal["error", "drop"] = "error"
    on_missing: Literal["error", "drop"] | None = None
    min_count: int | None = Field(default=None, ge=2)
    rare: Literal["drop", "other"] | None = None

    @field_validator("map", mode="before")
    @classmethod
    def _normal_forms(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        normal: dict[str, tuple[str, ...]] = {}
        owner: dict[str, str] = {}
        for label, listed in value.items():
            name = plain_value(label)
            values = tuple(plain_value(v) for v in (listed if isinstance(listed, list | tuple) else [listed]))
            if name in normal:
                raise ValueError(f"label {name!r} is listed twice. Merge its lists")
            for listed_value in values:
                if owner.setdefault(listed_value, name) != name:
                    labels = f"{owner[listed_value]!r} and {name!r}"
                    raise ValueError(f"value {listed_value!r} belongs to both {labels}. Remove it from one of them")
            normal[name] = values
        if len(normal) < 2:
            raise ValueError("a classification needs at least two labels")
        return normal

    @model_validator(mode="after")
    def _something_unlisted(self) -> "Labels":
        if self.on_unlisted == "drop" and self.map is None:
            raise ValueError("on_unlisted: drop needs map. Without it every label is in the label set")
        return self

    @model_validator(mode="after")
    def _rule_for_rare_labels(self) -> "Labels":
        if (self.min_count is None) != (self.rare is None):
            raise ValueError("min_count and rare need each other. Write min_count: 5 and rare: drop or rare: other")
        return self


class Fractions(Section):
    """The share of reviews in each split."""

    train: float = Field(gt=0, lt=1)
    validation: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> "Fractions":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the fractions sum to {total:g}, expected 1")
        return self


LinkKind = Literal["groups", "texts", "pictures"]
LINK_KINDS: tuple[LinkKind, ...] = ("groups", "texts", "pictures")


class Splits(Section):
    """The rule that splits the reviews. One of:

    - `fractions`: shares drawn with `seed`.
    - `column`: its values, translated by `values`, name the split. If it names no validation split, `validation` is the
      share of the training reviews to draw for it.
    - `time`: a column; the oldest reviews are for training, the newest for the test.
    - `by: hash`: a hash of the id or the group.
    - `folds`: the first fold is the test split, the next one validation, and finalists are measured on all folds. With
      `fold`, only that fold is the test split.

    `fractions` and `folds` keep in one split the reviews that `keep_together` names: reviews of one group, and reviews
    with equal texts or pictures (with `near_duplicates: together` also nearly equal ones).
    """

    fractions: Fractions | None = None
    seed: int = Field(default=1, ge=0, le=2**31 - 1)
    column: str | None = None
    values: dict[str, Literal["train", "validation", "test"]] = Field(default={})
    validation: float | None = Field(default=None, gt=0, lt=1)
    time: str | None = None
    by: Literal["hash"] | None = None
    folds: int | None = Field(default=None, ge=3, le=100)
    fold: int | None = Field(default=None, ge=1)
    keep_together: tuple[LinkKind, ...] = LINK_KINDS
    near_duplicates: Literal["ignore", "together"] = "ignore"

    @field_validator("values", mode="before")
    @classmethod
    def _normal_forms(cls, value: object) -> object:
        return {plain_value(k): v for k, v in value.items()} if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _one_rule(self) -> "Splits":
        rules = [key for key in ("column", "time", "by", "folds") if getattr(self, key) is not None]
        if len(rules) > 1:
            raise ValueError(f"{' and '.join(rules)} exclude each other. Keep one")
        if self.fractions is not None and rules in (["column"], ["folds"]):
            raise ValueError(f"fractions and {rules[0]} exclude each other. Keep one")
        if self.values and self.column is None:
            raise ValueError("values needs column: it translates the values of that column")
        if self.validation is not None and self.column is None:
            raise ValueError("validation needs column: it is a share of the training reviews that column names")
        if self.fold is not None and self.fold > (self.folds or 1):
            raise ValueError(f"fold is {self.fold}, expected 1 to {self.folds or 1} (the number of folds)")
        if self.near_duplicates == "together" and self.rule not in ("fractions", "folds"):
            raise ValueError(f"near_duplicates: together needs fractions or folds; {self.rule} does not link reviews")
        if self.near_duplicates == "together" and {"texts", "pictures"}.isdisjoint(self.keep_together):
            raise ValueError(
                "near_duplicates: together has no effect while keep_together lists neither texts nor pictures. "
                "Add one of them, or remove near_duplicates"
            )
        return self

    @property
    def rule(self) -> str:
        """The key of the rule in force."""
        named = [key for key in ("column", "time", "by", "folds") if getattr(self, key) is not None]
        return named[0] if named else "fractions"

    @property
    def shares(self) -> dict[str, float]:
        """The fractions, by default 0.7, 0.15 and 0.15."""
        given = self.fractions or Fractions(train=0.7, validation=0.15, test=0.15)
        return {"train": given.train, "validation": given.validation, "test": given.test}


class Images(Section):
    """What to do with a picture that is missing or cannot be read."""

    on_bad: Literal["error", "drop-image", "drop-review"] = "error"


class Text(Section):
    """What to do with a review without text.

    If it has no picture either, `keep` makes it an error, and `drop-bare` drops it.
    """

    on_empty: Literal["keep", "drop", "drop-bare", "error"] = "keep"
