"""AutoKeras blocks with hyperparameters of the search space (`space/table`)."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

from automm.search.space.table import TABLE, Space, conditions, default, is_active
from automm.search.space.validation import faults

Block: Any = object  # for a mixin of AutoKeras' Block: `super()` calls methods of Block


class Tuned(Block):
    """Mixin of a block whose constructor takes hyperparameters: a value, a list of choices, or None to tune it.

    In a search of automm `space/table.declare` has declared all hyperparameters before the first block is built,
    because some depend on those of other blocks; blocks then only read the values. In an `ak.AutoModel` each block
    declares its own: `pooling` of a block that is named `image` is `image/pooling`.

    Args:
        arguments: the hyperparameters by their names in the constructor.
        declared: whether they are declared before the block is built.

    Attributes:
        rows: the row of the table of each hyperparameter.

    Raises:
        ValueError: a value is not legal.
    """

    rows: ClassVar[Mapping[str, str]] = {}

    def __init__(self, arguments: Mapping[str, Any], *, declared: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.arguments, self.declared = arguments, declared
        self.fixed = {
            self.rows[argument]: self._choices(argument, value)
            for argument, value in arguments.items()
            if value is not None
        }

    def _choices(self, argument: str, value: Any) -> tuple[Any, ...]:
        row, choices = TABLE[self.rows[argument]], tuple(value) if isinstance(value, list | tuple) else (value,)
        wrong = [] if row.encoders else faults(row, choices)
        if wrong:
            raise ValueError(f"{type(self).__name__}, argument {argument!r}: {'. '.join(wrong)}")
        # KerasTuner rejects choices of different types, for example 0 and 0.5.
        return choices if row.encoders else tuple(map(type(row.choices[0]), choices))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments, "declared": self.declared}

    def point(self, hp: Any, offered: Mapping[str, tuple[Any, ...]]) -> Mapping[str, Any]:
        """Return the values of a trial by the names of the table, those of other blocks too if they are declared.

        Args:
            offered: the choices of rows that depend on the inputs of the block, and the single choice of rows of other
                blocks; for other rows, those of the table.
        """
        if self.declared:
            values: dict[str, Any] = hp.values
            return values
        chosen = {**dict.fromkeys(self.rows.values(), ()), **offered, **self.fixed}
        return self._tune(hp, {name: chosen[name] or TABLE[name].choices for name in TABLE if name in chosen})

    def _tune(self, hp: Any, space: Space) -> dict[str, Any]:
        """Declare the hyperparameters with several choices, and return the values of the trial."""
        names = {row: argument for argument, row in self.rows.items()}
        values: dict[str, Any] = {}
        for row, choices in space.items():
            needed, value = conditions(space, row), choices[0]
            if not all(met for _, met in needed):
                continue
            if len(choices) > 1:
                with ExitStack() as stack:
                    for parent, met in needed:
                        if len(space[parent]) > 1:
                            stack.enter_context(hp.conditional_scope(names[parent], list(met)))
                    value = hp.Choice(names[row], list(choices), default=default(space, row))
            if is_active(row, values):
                values[row] = value
        return values
