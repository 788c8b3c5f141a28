"""All uses of private names of AutoKeras; no other file uses one.

Each function and override has a contract test in `tests/integration/test_platform.py`, which fails if an upgrade of
AutoKeras breaks it.
"""

from typing import Any

import autokeras as ak
from autokeras import graph as graph_module


class UncompiledGraph(graph_module.Graph):
    """AutoKeras' graph without its optimizer choices: three optimizers, rates from 0.1 to 1e-5.

    automm trains with its own optimizer. `Graph.build` always compiles the model, and has no public way to skip this.
    """

    def _compile_keras_model(self, hp: Any, model: Any) -> Any:
        return model


class ModelOfGraph(ak.AutoModel):
    """An AutoModel with the graph of a subclass. AutoKeras itself always creates a plain `Graph`."""

    def make_graph(self) -> Any:
        """Return the graph from `self.inputs` to `self.outputs`; the constructor calls this once."""
        raise NotImplementedError

    def _build_graph(self) -> Any:
        return self.make_graph()


def set_outputs(block: Any, count: int) -> None:
    """Set the number of output nodes of a block. In AutoKeras every block has one."""
    block._num_output_node = count


def learn_shapes(tuner: Any, hp: Any, x: Any, y: Any) -> None:
    """Give the graph of a tuner the shapes of inputs and targets.

    AutoKeras does this only in its own `search`, which automm replaces.
    """
    tuner._prepare_model_build(hp, x=x, y=y)
