"""AutoKeras blocks: in the graph of a search as the hand-built model, and in a graph that a user connects."""

import autokeras as ak
import keras
import keras_tuner
import numpy as np
import pytest
from advice import advises, hear

from automm.data.inputs.input_sources import InputSource, raw_names, source_of_input
from automm.models.baselines import fused
from automm.models.heads import Shapes
from automm.models.readouts import READOUTS, of_modality
from automm.search.autokeras.blocks import (
    COLUMN_BLOCKS,
    ArrayInput,
    FusionBlock,
    HistoryBlock,
    LabelHead,
    MetadataBlock,
    SimilarityBlock,
)
from automm.search.autokeras.encoder_blocks import ImageBlock, TextBlock
from automm.search.autokeras.tuner import SearchGraph, graph_of_blocks
from automm.search.space.table import TABLE, declare, points
from automm.search.space.validation import narrow
from automm.search.training.pixels import pixel_encoder

pytestmark = pytest.mark.usefixtures("eager")

REVIEWS, LENGTH, PICTURES, SIDE, WORDS = 4, 5, 2, 8, 512
TEXT, IMAGE = "text@a:mean", "image@b:average"
WIDTHS = {"a": 4, "b": 3, "both": 5}
BUILT = {"text": TextBlock, "image": ImageBlock, "fusion": FusionBlock, "label": LabelHead} | COLUMN_BLOCKS


@pytest.fixture(autouse=True)
def eager():
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


class FakeEncoder:
    """An encoder without weights: a read-out is the mean of its arrays times a number of its own."""

    def __init__(self, modality, name, place=0):
        self.modality, self.name, self.place = modality, name, place

    def whole(self):
        return self

    def named(self, first, *padding):
        found = {name: self._readout(READOUTS[name], first) for name in of_modality(self.modality, READOUTS)}
        found = {READOUTS[name].of({self.modality: self.name}).name: values for name, values in found.items()}
        if padding:
            found[InputSource("text", self.name, "token_mask").name] = padding[0]
        return found

    def _readout(self, source, array):
        values = keras.ops.cast(array, "float32")
        if self.modality == "image":
            values = keras.ops.mean(values, axis=(2, 3, 4)) / 255
            values = keras.ops.stack([values, -values], axis=2) if source.is_sequence else values
        elif not source.is_sequence:
            values = keras.ops.mean(values, axis=1)
        factors = np.linspace(0.5, 1, WIDTHS[self.name], dtype=np.float32) * (1 + len(source.how))
        return keras.ops.expand_dims(values, -1) * factors


def array(name):
    """Return an input of REVIEWS reviews: the last has no text, the third no picture."""
    rng = np.random.default_rng(len(name))
    kind = source_of_input(name).array
    if name == "text_mask":
        return np.float32([1, 1, 1, 0])
    if name == "image_mask":
        return np.float32([[1, 1], [1, 0], [0, 0], [1, 1]])
    if kind == "":
        shape = (REVIEWS, 4) if name == TEXT else (REVIEWS, PICTURES, 3)
        return rng.normal(size=shape).astype(np.float32)
    return {
        "token_ids": rng.integers(1, 9, (REVIEWS, LENGTH)).astype(np.int32),
        "padding_mask": np.tril(np.ones((REVIEWS, LENGTH), np.int32), 1),
        "text_word_ids": rng.integers(0, 99, (REVIEWS, WORDS)).astype(np.int32),
        "text_word_weights": rng.random((REVIEWS, WORDS)).astype(np.float32),
        "images": rng.integers(0, 255, (REVIEWS, PICTURES, SIDE, SIDE, 3)).astype(np.uint8),
        "metadata": rng.normal(size=(REVIEWS, 3)).astype(np.float32),
        "metadata_mask": np.float32([1, 0, 1, 1]),
        "history": rng.normal(size=(REVIEWS, 4)).astype(np.float32),
        "history_mask": np.float32([[0, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 1]]),
    }[kind]


def with_shapes(graph, outputs=3):
    """Tell the nodes of a graph the shapes of their arrays, as AutoKeras does."""
    for node in graph.inputs:
        node.shape, node.dtype = tuple(map(np.int64, array(node.name).shape[1:])), str(array(node.name).dtype)
    graph.outputs[0].in_blocks[0].shape = (np.int64(outputs),)
    return graph


def answers(model, inputs):
    return np.asarray(model([array(tensor.name) for tensor in inputs], training=False))


COLUMNS = ("metadata", "history")
CNN = {"image.source": "residual", "image.size": 8, "image.filters": 2, "image.depth": 1}
HISTORY = {"history.encoder": "gru", "history.width": 16}
SPACES = {
    "vectors": ({"image.pooling": ["text_attention", "first"], "fusion.operator": "low_rank_bilinear"}, "a", "b", ()),
    "columns": ({"fusion.operator": ["sum", "late"], "metadata.width": 16} | HISTORY, "a", "b", COLUMNS),
    "words": ({"words.width": [0, 4], "fusion.operator": "concatenation"}, "a", "b", ()),
    "sequences": ({"fusion.operator": ["cross_attention", "bottleneck"]} | HISTORY, "a", "b", ("history",)),
    "similarity": ({"fusion.similarity": ["none", "both"], "fusion.operator": "late"}, "a both", "both b", ()),
    "cnn": (CNN | {"fusion.operator": "sum"}, "a", "b", ()),
}
FEW = {"fusion.width": 8, "fusion.rank": 2, "label.layers": 1, "label.width": 4, "label.dropout": 0.5}
FEW |= {"training.learning_rate": 1e-3, "image.pooling": "mean", "text.encoder": "all", "image.encoder": ["all"]}


def space_and_graph(name):
    overrides, texts, images, columns = SPACES[name]
    encoders = {"text": texts.split(), "image": images.split()}
    few = {key: value for key, value in FEW.items() if "encoder" not in key or len(encoders[key.split(".")[0]]) > 1}
    space = narrow({**few, **overrides}, columns, encoders=encoders)
    fakes = [FakeEncoder(kind, one, place) for kind, some in encoders.items() for place, one in enumerate(some)]
    inputs, outputs = graph_of_blocks(fakes, "softmax", columns, words="words/width" in space)
    graph = SearchGraph(inputs=inputs, outputs=outputs)
    graph.space = space
    return space, with_shapes(graph), encoders


@pytest.mark.parametrize("name", SPACES)
def test_the_blocks_of_a_search_build_the_hand_built_model_of_every_point(name):
    space, graph, encoders = space_and_graph(name)
    columns = {node.name: node.shape for node in graph.inputs if node.name.startswith(("metadata", "history"))}
    of_sources = {}
    for modality, names in encoders.items():
        for one in names:
            arrays = [array("token_ids"), array("padding_mask")] if modality == "text" else [array("images")]
            found = FakeEncoder(modality, one).named(*arrays)
            of_sources |= {source_of_input(key): values.shape[1:] for key, values in found.items()}
    shapes = Shapes(4, 3, PICTURES, 3, head="softmax", columns=columns, image_size=SIDE, encoders=encoders)
    shapes = Shapes(**{**vars(shapes), "of_sources": of_sources})
    for number, point in enumerate(points(space)):
        hp = keras_tuner.HyperParameters()
        declare(hp, space)
        hp.values, declared = dict(point), [entry.name for entry in hp.space]
        keras.utils.set_random_seed(number)
        model = graph.build(hp)
        assert [entry.name for entry in hp.space] == declared, "a block has declared a hyperparameter again"
        expected = fused(shapes, point, pixel_encoder(point))
        for layer in expected.layers:
            if layer.weights:
                layer.set_weights(model.get_layer(layer.name).get_weights())
        given = {tensor.name: array(tensor.name) for tensor in model.inputs}
        for modality, names in encoders.items():
            for place, one in enumerate(names):
                raw = [given[name] for name in raw_names(modality, place)]
                given |= {key: np.asarray(values) for key, values in FakeEncoder(modality, one).named(*raw).items()}
        wanted = expected({tensor.name: given[tensor.name] for tensor in expected.inputs}, training=False)
        np.testing.assert_allclose(answers(model, model.inputs), wanted, atol=1e-6)


def test_every_hyperparameter_of_a_part_is_an_argument_of_its_block():
    for part, block in BUILT.items():
        own = {name for name in TABLE if name.startswith(f"{part}/") and name != "fusion/similarity"}
        assert own <= set(block.rows.values()), part
        assert block().arguments == dict.fromkeys(block.rows)


def graph_of_readouts(*, text=(), image=(), operator=None, head=(), with_text=True):
    """What a user connects: read-outs of one encoder of each modality."""
    nodes = [ArrayInput(name=name) for name in (TEXT, "text_mask", IMAGE, "image_mask")]
    words = TextBlock(**dict(text))(nodes[:2])
    pictures = ImageBlock(**dict(image))([*nodes[2:], words] if with_text else nodes[2:])
    label = LabelHead(**dict(head))(FusionBlock(operator, width=4)([words, pictures]))
    return with_shapes(ak.graph.Graph(inputs=nodes, outputs=label))


def build(graph, **values):
    """Build a graph at a point; returns the model and the hyperparameters."""
    hp = keras_tuner.HyperParameters()
    graph.build(hp)
    hp.values |= {name.replace("__", "/"): value for name, value in values.items()}
    return graph.build(hp), hp


def test_an_argument_that_is_left_out_is_tuned_under_its_conditions():
    image = {"pooling": ["mean", "text_attention"], "heads": [1, 4]}
    graph = graph_of_readouts(image=image, head={"layers": [0, 2], "width": [64, 128]})
    model, hp = build(graph, image__pooling="text_attention", image__heads=4, label__layers=0)
    found = {entry.name: entry for entry in hp.space}
    blocks = {name for name in found if "/" in name}
    names = {"image/pooling", "image/heads", "fusion/operator"}
    assert blocks == names | {"label/layers", "label/width", "label/dropout"}
    assert found["fusion/operator"].values == list(TABLE["fusion/operator"].choices)
    assert found["label/layers"].values == [0, 2]
    assert [condition.name for condition in found["image/heads"].conditions] == ["image/pooling"]
    assert not hp.is_active("label/width")
    assert len(hp.space) == len(found), "a name was registered twice"
    np.testing.assert_allclose(answers(model, model.inputs).sum(axis=1), 1, rtol=1e-5)


def test_poolings_that_use_the_text_need_it():
    _, hp = build(graph_of_readouts(with_text=False))
    (pooling,) = [entry for entry in hp.space if entry.name == "image/pooling"]
    assert set(TABLE["image/pooling"].choices) - set(pooling.values) == {"text_attention"}


def test_a_saved_graph_builds_the_same_model():
    graph = graph_of_readouts(image={"pooling": "mean"}, head={"dropout": 0})
    again = with_shapes(ak.graph.Graph.from_config(graph.get_config()))
    keras.utils.set_random_seed(1)
    first, hp = build(graph)
    keras.utils.set_random_seed(1)
    second, other = build(again)
    assert other.values == hp.values
    np.testing.assert_array_equal(answers(first, first.inputs), answers(second, second.inputs))


def test_raw_arrays_columns_and_words_are_read_too():
    names = ["token_ids", "padding_mask", "text_word_ids", "text_word_weights", "text_mask", "images", "image_mask"]
    names += ["metadata", "metadata_mask", "history", "history_mask"]
    nodes = {name: ArrayInput(name=name) for name in names}
    arrays = list(nodes.values())
    text = TextBlock([FakeEncoder("text", "both")], words_width=4)(arrays[:5])
    image = ImageBlock([FakeEncoder("image", "both")], pooling="text_attention")([*arrays[5:7], text])
    parts = [text, image, MetadataBlock()(arrays[7:9]), HistoryBlock("gru")(arrays[9:])]
    graph = ak.graph.Graph(inputs=arrays, outputs=LabelHead("number", layers=0)(FusionBlock("late")(parts)))
    model, hp = build(with_shapes(graph, 1))
    assert {"metadata/width", "history/width"} <= set(hp.values)
    assert model.output_shape == (None, 1)
    assert {"words", "image_pooling", "history_encoder"} <= {layer.name for layer in model.layers}
    assert answers(model, model.inputs).shape == (REVIEWS, 1)


def test_several_read_outs_encoders_and_a_similarity_are_choices():
    texts = ("text@a:mean", "text@both:mean", "text@a:cls", "text@both:cls")
    pooled = ("text@both:pooled", "image@both:pooled")
    nodes = {name: ArrayInput(name=name) for name in (*texts, "text_mask", IMAGE, "image_mask", *pooled)}
    text = TextBlock()([nodes[name] for name in (*texts, "text_mask")])
    image = ImageBlock(pooling="max")([nodes[IMAGE], nodes["image_mask"]])
    similarity = SimilarityBlock()([nodes[name] for name in (*pooled, "text_mask", "image_mask")])
    label = LabelHead()(FusionBlock("concatenation")([text, image, similarity]))
    graph = with_shapes(ak.graph.Graph(inputs=list(nodes.values()), outputs=label))
    for node in graph.inputs:
        if node.name in texts or node.name == pooled[0]:
            node.shape = (4,)
        elif node.name == pooled[1]:
            node.shape = (PICTURES, 4)
    model, hp = build(graph, text__encoder="all", text__readout="cls", text__width=128)
    assert {entry.name: entry.values for entry in hp.space if entry.name.startswith("text/")} == {
        "text/encoder": ["a", "both", "all"],
        "text/readout": ["mean", "cls"],
    }
    assert {"text_side_by_side", "similarity"} <= {layer.name for layer in model.layers}
    assert model.get_layer("text_side_by_side").output.shape == (None, 256)


def test_a_head_takes_what_a_single_block_gives():
    nodes = [ArrayInput(name=name) for name in (TEXT, "text_mask")]
    graph = with_shapes(ak.graph.Graph(inputs=nodes, outputs=LabelHead()(TextBlock()(nodes))))
    model, hp = build(graph)
    assert [entry.name for entry in hp.space if entry.name.startswith("text/")] == []
    assert answers(model, model.inputs).shape == (REVIEWS, 3)


def test_a_cnn_is_trained_on_pictures_without_an_encoder():
    nodes = [ArrayInput(name=name) for name in (TEXT, "text_mask", "images", "image_mask")]
    text = TextBlock()(nodes[:2])
    image = ImageBlock(filters=2, depth=1, pooling="mean")(nodes[2:])
    graph = with_shapes(ak.graph.Graph(inputs=nodes, outputs=LabelHead()(FusionBlock("sum")([text, image]))))
    model, hp = build(graph, image__source="residual")
    assert [entry.values for entry in hp.space if entry.name == "image/source"] == [["convolution", "residual"]]
    assert "image/size" not in hp.values, "the pictures are too small for any choice of the table"
    assert model.get_layer("image_cnn").size == SIDE


def test_sequences_are_fused_by_operators_that_take_them():
    nodes = [ArrayInput(name=name) for name in ("token_ids", "padding_mask", "text_mask", "images", "image_mask")]
    text = TextBlock([FakeEncoder("text", "a")], sequences=True)(nodes[:3])
    image = ImageBlock([FakeEncoder("image", "b")], sequences=True)([*nodes[3:], text])
    graph = with_shapes(ak.graph.Graph(inputs=nodes, outputs=LabelHead()(FusionBlock(width=4)([text, image]))))
    model, hp = build(graph, fusion__operator="bottleneck")
    assert [entry.values for entry in hp.space if entry.name == "fusion/operator"] == [
        ["cross_attention", "bottleneck"]
    ]
    assert not {"image/pooling", "text/readout"} & set(hp.values)
    assert answers(model, model.inputs).shape == (REVIEWS, 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: ImageBlock(pooling="median"),
            r"ImageBlock, argument 'pooling': 'median' is not a choice. Did you mean 'mean'",
        ),
        (lambda: LabelHead(width=[64, 0]), r"argument 'width': 0 is not a whole number from 1 to 4096"),
        (lambda: build(graph_of_readouts(text={"encoder": "x"})), r"no input 'text@x:mean' among text@a:mean"),
        (lambda: build(graph_of_readouts(text={"words_width": 4})), r"no input 'text_word_ids'"),
        (lambda: build(graph_of_readouts(operator="bottleneck")), r"takes sequences. .* with sequences=True"),
    ],
)
def test_mistakes_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def fails(make, *args):
    with pytest.raises(ValueError, match=r"\.") as error:
        make(*args)
    return str(error.value)


@advises("Add ArrayInput(name={}) to the block's inputs", "Put ArrayInput(name={}) behind its arrays")
def test_inputs_of_a_block():
    def connected(*names):
        nodes = [ArrayInput(name=name) for name in names]
        label = LabelHead()(FusionBlock()(TextBlock(readout="mean")(nodes)))
        return build(with_shapes(ak.graph.Graph(inputs=nodes, outputs=label)))

    hear(fails(connected, TEXT), "Put ArrayInput(name={}) behind its arrays")
    hear(fails(connected, "text@a:cls", "text_mask"), "Add ArrayInput(name={}) to the block's inputs")
    connected(TEXT, "text_mask")


@advises("Pass all that the blocks give: [text, image]")
def test_parts_of_a_fusion():
    def fused_as(order):
        nodes = [ArrayInput(name=name) for name in (TEXT, "text_mask", IMAGE, "image_mask")]
        text, image = TextBlock()(nodes[:2]), ImageBlock()(nodes[2:])
        return build(with_shapes(ak.graph.Graph(inputs=nodes, outputs=LabelHead()(FusionBlock()(order(text, image))))))

    hear(
        fails(fused_as, lambda text, image: [text[0], image[0], text[1], image[1]]),
        "Pass all that the blocks give: [text, image]",
    )
    fused_as(lambda text, image: [text, image])


@advises("Pass (n, outputs): keras.utils.to_categorical(labels)")
def test_targets_of_a_head():
    def of_targets(targets):
        graph = graph_of_readouts()
        graph.outputs[0].in_blocks[0].shape = targets.shape[1:]
        return build(graph)

    labels = np.array([0, 2, 1])
    hear(fails(of_targets, labels), "Pass (n, outputs): keras.utils.to_categorical(labels)")
    of_targets(keras.utils.to_categorical(labels))
