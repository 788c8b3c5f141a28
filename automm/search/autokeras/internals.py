"""What automm needs of AutoKeras and AutoKeras does not offer in public: no other file uses a private name of it.

Each function, and each override, has a contract test in `tests/integration/test_platform.py`, so that an upgrade of
AutoKeras that breaks one shows which.
"""

from typing import Any

import autokeras as ak
from autokeras import graph as graph_module


class UncompiledGraph(graph_module.Graph):
    """AutoKeras' graph without its own optimizer choices: three optimizers, rates from 0.1 to 1e-5.

    `build` compiles what it has built, and nothing public comes between. The harness trains with an optimizer of its
    own.
    """

    def _compile_keras_model(self, hp: Any, model: Any) -> Any:
        return model


class ModelOfGraph(ak.AutoModel):
    """An AutoModel over the graph that a subclass makes. AutoKeras makes a plain `Graph`, and takes no other."""

    def make_graph(self) -> Any:
        """The graph over `self.inputs` and `self.outputs`; called once, by the constructor."""
        raise NotImplementedError

    def _build_graph(self) -> Any:
        return self.make_graph()


def set_outputs(block: Any, count: int) -> None:
    """Say how many output nodes a block has when it is called. AutoKeras has one for every block."""
    block._num_output_node = count


def learn_shapes(tuner: Any, hp: Any, x: Any, y: Any) -> None:
    """Tell the graph of a tuner the shapes of inputs and targets, for a `search` that replaces AutoKeras' own.

    AutoKeras does it on the way to training only.
    """
    tuner._prepare_model_build(hp, x=x, y=y)
