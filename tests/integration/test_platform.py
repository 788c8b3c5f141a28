"""What the code works around in the pinned libraries: a test that fails after an upgrade shows what can go.

Each asserts the misbehaviour itself, in the library alone. The tests at the end are of the private names that the code
uses: each asserts what the code needs of the name, through the one file that reads it.
"""

import importlib.util
import pkgutil
import types

import autokeras as ak
import keras
import keras_tuner
import numpy as np
import pytest

import automm
from automm.models import keras_internals
from automm.search.autokeras import internals, keras_tuner_internals
from automm.tracking.run_folder import EPOCHS

pytestmark = pytest.mark.usefixtures("eager")

X = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)


def auto_model(folder, *, head=None, inputs=None, **options):
    """AutoKeras' own model over one small dense block."""
    node = inputs or ak.Input(name="x")
    hidden = ak.DenseBlock(num_layers=1, num_units=2, dropout=0.0, use_batchnorm=False)(node)
    output = (head or ak.RegressionHead(dropout=0.0))(hidden)
    return ak.AutoModel(node, output, directory=str(folder), project_name="p", max_trials=1, **options)


def known_oracle(scores, *, objective="val_loss", direction="min", **options):
    """A random oracle that knows trials with these scores; None is a failed one."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("width", [1, 2, 3, 4, 5])
    oracle = keras_tuner.oracles.RandomSearchOracle(
        objective=keras_tuner.Objective(objective, direction), max_trials=10, hyperparameters=hp, **options
    )
    for number, score in enumerate(scores):
        status = "FAILED" if score is None else "COMPLETED"
        trial = keras_tuner.engine.trial.Trial(hp.copy(), trial_id=str(number), status=status)
        trial.score = score
        oracle.trials[trial.trial_id] = trial
        oracle.end_order.append(trial.trial_id)
    return oracle


def test_classification_head_hands_numpy_integers_to_dense():
    """LabelHead and ArrayInput: Keras 3.13 and later reject numpy integers."""
    with pytest.raises((ValueError, TypeError), match=r"units|int"):
        keras.layers.Dense(np.int64(3))
    from autokeras.utils import data_utils

    assert any(isinstance(size, np.integer) for size in data_utils.dataset_shape(X))


def test_every_trial_needs_tensorboard():
    """HarnessTuner.run_trial does not go through KerasTuner's own, which imports what TensorFlow does not install.

    keras_tuner_internals.WithoutTensorBoard does not import it.
    """
    from keras_tuner.src.engine import tuner

    if importlib.util.find_spec("tensorboard") is not None:
        pytest.skip("something else has installed tensorboard here")
    with pytest.raises(ModuleNotFoundError, match="tensorboard"):
        tuner.Tuner._configure_tensorboard_dir(None, [], None)

    class Without(keras_tuner_internals.WithoutTensorBoard, tuner.Tuner):
        pass

    Without._configure_tensorboard_dir(None, [], None)


def test_the_best_trials_are_padded_with_failed_ones():
    """runs.rank takes COMPLETED candidates only."""
    oracle = known_oracle([0.5, None, 0.1])
    assert [trial.status for trial in oracle.get_best_trials(3)] == ["COMPLETED", "COMPLETED", "FAILED"]


def test_fit_takes_arrays_in_memory_only(tmp_path):
    """`tune` passes zeros in the shape of the pixels; automm builds its own batches."""
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, X[:, :1])).batch(4)
    with pytest.raises(ValueError, match=r"(?i)numpy|array|type|expect"):
        auto_model(tmp_path).fit(data, epochs=1, verbose=0)


def test_a_search_ends_with_a_second_training(tmp_path, monkeypatch):
    """HarnessTuner.search overrides AutoKeras' own, which fits the best model again, validation rows and all."""
    tuner = auto_model(tmp_path, objective="val_loss").tuner
    monkeypatch.setattr(tuner.hypermodel, "set_fit_args", lambda *args, **options: None)
    fitted = []

    def final_fit(x=None, **options):
        fitted.append(len(x))
        raise InterruptedError("seen")

    for name in ("_prepare_model_build", "_try_build"):
        monkeypatch.setattr(tuner, name, lambda *args, **options: None)
    monkeypatch.setattr(keras_tuner.engine.base_tuner.BaseTuner, "search", lambda *args, **options: None)
    monkeypatch.setattr(tuner, "final_fit", final_fit)
    with pytest.raises(InterruptedError):
        tuner.search(x=X, y=X, validation_data=(X, X), epochs=1, callbacks=[], validation_split=0.2)
    assert fitted == [24]


def test_the_seed_zero_is_ignored():
    """build_search adds one to the seed."""
    drawn = {keras_tuner.oracles.RandomSearchOracle(seed=0).seed for _ in range(3)}
    assert drawn != {0}
    assert keras_tuner.oracles.RandomSearchOracle(seed=1).seed == 1


def test_greedy_draws_from_the_global_generator():
    """HarnessTuner.pre_create_trial seeds numpy before each proposal; the oracle's own seed is not used."""
    from autokeras.tuners.greedy import GreedyOracle

    def choices(global_seed):
        hp = keras_tuner.HyperParameters()
        for name in ("text/a", "image/b", "fusion/c", "label/d"):
            hp.Choice(name, [1, 2, 3])
        oracle = GreedyOracle(objective=keras_tuner.Objective("val_loss", "min"), seed=1, hyperparameters=hp)
        trial = keras_tuner.engine.trial.Trial(hp.copy(), trial_id="0", status="COMPLETED")
        trial.score = 0.5
        oracle.trials["0"] = trial
        oracle.end_order.append("0")
        np.random.seed(global_seed)
        return [tuple(oracle._select_hps()) for _ in range(12)]

    assert choices(1) == choices(1)
    assert choices(1) != choices(2)


def test_a_two_class_head_is_a_sigmoid():
    """LabelHead is a softmax for two classes too: (n, 2), on which argmax and macro-F1 are what they say."""
    head = ak.ClassificationHead(num_classes=2, dropout=0.0)
    head.shape = (1,)
    output = head.build(keras_tuner.HyperParameters(), keras.Input((4,)))
    assert isinstance(head.loss, keras.losses.BinaryCrossentropy)
    assert output.shape == (None, 1)


def test_only_greedy_takes_known_values():
    """HarnessTuner._enter_finished adds finished candidates to any oracle as completed trials."""
    import inspect

    takes = {
        name: "initial_hps" in inspect.signature(getattr(ak.tuners, name).__init__).parameters
        for name in ("Greedy", "BayesianOptimization", "RandomSearch")
    }
    assert takes == {"Greedy": True, "BayesianOptimization": False, "RandomSearch": False}


def test_auto_tuner_switches_the_initial_space_off():
    """HarnessTuner.search declares the space to the oracle itself (`space/table.declare`)."""
    from autokeras.engine import tuner

    assert "_populate_initial_space" in vars(tuner.AutoTuner)
    empty = types.SimpleNamespace()
    assert tuner.AutoTuner._populate_initial_space(empty) is None


def test_a_condition_on_another_block_cannot_be_said_inside_a_block():
    """`space/table.declare` declares all hyperparameters outside of the blocks."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("fusion/operator", ["mutan", "product"])
    with (
        hp.name_scope("image"),
        pytest.raises(ValueError, match="image/fusion/operator"),
        hp.conditional_scope("fusion/operator", ["mutan"]),
    ):
        pytest.fail("the name of the block stands before that of the parent")


def test_choices_of_several_types_are_refused():
    """`narrow` makes 0 beside 0.5 a float."""
    with pytest.raises(TypeError):
        keras_tuner.HyperParameters().Choice("label/dropout", [0, 0.5])


def test_an_objective_by_the_name_of_an_own_metric_raises():
    """build_search passes a keras_tuner.Objective with its direction."""
    with pytest.raises(ValueError, match="objective"):
        keras_tuner.oracles.RandomSearchOracle(objective="val_macro_f1")


def test_an_input_node_casts_to_float_and_is_nameless():
    """ArrayInput keeps the dtype, and its name."""
    node = ak.Input(name="token_ids")
    node.shape, node.dtype = (5,), "int32"
    built = node.build_node(keras_tuner.HyperParameters())
    cast = node.build(keras_tuner.HyperParameters(), built)
    assert built.name != "token_ids"
    assert keras.backend.standardize_dtype(getattr(cast, "dtype", cast)) == "float32"


def test_a_recorded_training_false_does_not_hold_in_fit():
    """FrozenEncoder forces inference mode in its own `call`: a flag recorded in the graph is overridden."""
    inputs = keras.Input((64,))
    inner = keras.Sequential([keras.Input((64,)), keras.layers.Dropout(0.5)])
    model = keras.Model(inputs, inner(inputs, training=False))
    ones = np.ones((1, 64), np.float32)
    assert np.array_equal(np.asarray(model(ones, training=False)), ones)
    assert (np.asarray(model(ones, training=True)) == 0).any()


def test_max_trials_lowered_in_the_middle_ends_a_search():
    """HarnessTuner.pre_create_trial: the oracle has no other stop than its number of trials."""
    oracle = known_oracle([0.5])
    oracle.tuner_id = "t"
    oracle.start_order.append("0")
    oracle.max_trials = 1
    assert oracle.create_trial("t").status == "STOPPED"


def test_the_oracle_keeps_its_lock_when_a_call_raises():
    """Chief.error ends the search: after one exception, every call from another thread would wait for ever."""
    from keras_tuner.src.engine import oracle as oracle_module

    oracle = known_oracle([])
    with pytest.raises(KeyError):
        oracle.update_trial("no such trial", {"val_loss": 1.0})
    assert oracle_module.LOCKS[oracle].locked()


def test_a_worker_that_comes_back_is_handed_the_same_trial(tmp_path):
    """Workers._start never reuses a name: KerasTuner would assign the trial that the first worker died of."""
    oracle = known_oracle([])
    oracle.verbose = 0
    oracle._set_project_dir(tmp_path, "p")
    assert oracle.create_trial("worker-1").trial_id == oracle.create_trial("worker-1").trial_id
    assert oracle.create_trial("worker-2").trial_id != oracle.create_trial("worker-1").trial_id


def test_the_protocol_carries_exact_numbers_and_prints(capsys):
    """A point must be the same on both ends (it is), and stdout is for results (chief.without_stdout)."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("rate", [3e-4, 1e-3], default=3e-4)
    hp.Choice("layers", [0, 1, 2], default=1)
    with hp.conditional_scope("layers", [1, 2]):
        hp.Choice("width", [64, 128])
    back = keras_tuner.HyperParameters.from_proto(hp.to_proto())
    assert back.values == hp.values == {"rate": 3e-4, "layers": 1, "width": 64}
    assert next(entry.get_config() for entry in back.space if entry.name == "width")["conditions"]
    assert capsys.readouterr().out == "1\n"


def test_a_host_may_be_taken_for_a_chief(monkeypatch):
    """run_worker makes its own worker names: KerasTuner searches them for 'chief'."""
    from keras_tuner.src.distribute import utils

    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "1")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker on mischief.example.org")
    assert utils.is_chief_oracle()


def test_the_greedy_oracle_gives_up_before_the_space_does():
    """oracles.Proposals finds a new point where AutoKeras' oracle ends a search: here one point of 2,000 is left."""
    from autokeras.tuners.greedy import GreedyOracle

    hp = keras_tuner.HyperParameters()
    hp.Choice("block/a", list(range(1000)))
    hp.Choice("block/b", [1, 2])
    oracle = GreedyOracle(objective=keras_tuner.Objective("val_loss", "min"), seed=1, hyperparameters=hp)
    for a in range(1, 1000):
        for b in (1, 2):
            oracle._tried_so_far.add(oracle._compute_values_hash({"block/a": a, "block/b": b}))
    oracle._tried_so_far.add(oracle._compute_values_hash({"block/a": 0, "block/b": 2}))
    best = keras_tuner.engine.trial.Trial(hp.copy(), trial_id="best", status="COMPLETED")
    best.hyperparameters.values, best.score = {"block/a": 5, "block/b": 1}, 0.5
    oracle.trials["best"] = best
    np.random.seed(1)
    assert oracle.populate_space("0")["status"] == "STOPPED"
    assert not oracle._duplicate({"block/a": 0, "block/b": 1})


def test_the_bayesian_oracle_does_not_look_at_what_was_tried(monkeypatch):
    """oracles.Proposals checks for repeats: a Gaussian process proposes its best point again."""
    from keras_tuner.src.tuners import bayesian

    hp = keras_tuner.HyperParameters()
    hp.Choice("width", [1, 2])
    oracle = bayesian.BayesianOptimizationOracle(
        objective=keras_tuner.Objective("val_loss", "min"), num_initial_points=2, seed=1, hyperparameters=hp
    )
    for number, width in enumerate((1, 2)):
        trial = keras_tuner.engine.trial.Trial(hp.copy(), trial_id=str(number), status="COMPLETED")
        trial.hyperparameters.values["width"], trial.score = width, float(width)
        oracle.trials[trial.trial_id] = trial
        oracle._record_values(trial)
    monkeypatch.setattr(oracle.gpr, "fit", lambda *anything: None)
    again = oracle.populate_space("2")
    assert again["status"] == "RUNNING"
    assert oracle._duplicate(again["values"])


def test_a_promoted_trial_of_hyperband_dies_under_autokeras(tmp_path, monkeypatch):
    """oracles.Hyperband trains from scratch: KerasTuner loads a file that AutoKeras' tuner never writes."""
    import tensorflow as tf

    tuner = auto_model(tmp_path, objective="val_loss", tuner="hyperband").tuner
    model = types.SimpleNamespace(build_from_config=lambda config: None)
    monkeypatch.setattr(keras_tuner.engine.tuner.Tuner, "_build_hypermodel", lambda self, hp: model)
    hp = keras_tuner.HyperParameters()
    hp.values["tuner/trial_id"] = "0000"
    with pytest.raises(tf.errors.NotFoundError, match="build_config"):
        tuner._build_hypermodel(hp)


def test_a_search_that_waits_spins():
    """HarnessTuner.pre_create_trial sleeps if the oracle waits: KerasTuner's loop calls it again without a pause."""
    asked = []

    def create_trial(tuner_id):
        asked.append(tuner_id)
        return types.SimpleNamespace(status="IDLE" if len(asked) < 1000 else "STOPPED")

    nothing = types.SimpleNamespace(create_trial=create_trial)
    base = keras_tuner.engine.base_tuner.BaseTuner
    idle = types.SimpleNamespace(
        oracle=nothing, tuner_id="t", pre_create_trial=lambda: None, on_search_begin=lambda: None,
        on_search_end=lambda: None,
    )  # fmt: skip
    base.search(idle)
    assert len(asked) == 1000


def nested_model():
    """x -> inner (two Dense layers) -> shared, called twice; its layers, by name."""
    inner_input = keras.Input((4,))
    hidden = keras.layers.Dense(3, name="inner_1")(inner_input)
    inner = keras.Model(inner_input, keras.layers.Dense(4, name="inner_2")(hidden), name="inner")
    shared = keras.layers.Dense(4, name="shared")
    x = keras.Input((4,), name="x")
    model = keras.Model(x, shared(shared(inner(x))))
    return model, {"inner": inner, "shared": shared}


def test_keras_keeps_the_nodes_of_a_model_by_depth():
    """keras_internals.nodes_of_graph: only this model's calls of a layer, and none before its inputs are computed."""
    model, layers = nested_model()
    layers["shared"](keras.Input((4,)))  # a call that belongs to no model
    nodes = keras_internals.nodes_of_graph(model)
    assert [node.operation.name for node in nodes] == ["x", "inner", "shared", "shared"]
    assert len(layers["shared"]._inbound_nodes) == 3  # the layer itself cannot tell which calls are the model's
    computed = set()
    for node in nodes:
        assert {id(tensor) for tensor in node.input_tensors} <= computed
        computed |= {id(tensor) for tensor in node.output_tensors}
    assert id(model.outputs[0]) in computed


def test_a_keras_tensor_knows_its_operation():
    """keras_internals.operation_of: the operation is the layer itself."""
    model, layers = nested_model()
    assert keras_internals.operation_of(model.outputs[0]) is layers["shared"]


def test_keras_runs_a_graph_with_other_callables():
    """keras_internals.run_through_graph: single operations are replaced, and the others keep their weights."""
    model, layers = nested_model()
    replaced = keras_internals.run_through_graph(
        model,
        [X],
        lambda operation: (lambda given, **recorded: 2 * given) if operation is layers["inner"] else operation,
    )
    expected = layers["shared"](layers["shared"](2 * X))
    np.testing.assert_array_equal(np.asarray(replaced), np.asarray(expected))


def test_keras_lists_the_layers_of_nested_models():
    """keras_internals.layers_within: all depths; the public `layers` stops at the first."""
    model, _ = nested_model()
    names = {layer.name for layer in keras_internals.layers_within(model)}
    assert names == {"x", "inner", "inner_1", "inner_2", "shared"} | {
        layer.name for layer in model.get_layer("inner").layers
    }
    assert "inner_1" not in {layer.name for layer in model.layers}
    assert model not in keras_internals.layers_within(model)


def trial_of(hp, number, score=0.5, **values):
    trial = keras_tuner.engine.trial.Trial(hp.copy(), trial_id=str(number), status="COMPLETED")
    trial.hyperparameters.values.update(values)
    trial.score = score
    return trial


def test_kerashub_fetches_single_files(tmp_path):
    """keras_internals.hub_file: the path of a file, or None."""
    (tmp_path / "config.json").write_text("{}")
    assert keras_internals.hub_file(str(tmp_path), "config.json") == tmp_path / "config.json"
    assert keras_internals.hub_file(str(tmp_path), "image_converter.json") is None


def test_kerashub_saves_a_vit_with_arguments_that_it_does_not_take():
    """`SavedLayer` of models/encoders/hub/tower_layers leaves them out."""
    from keras_hub.models import ViTBackbone

    vit = ViTBackbone((16, 16, 3), 8, num_layers=1, num_heads=1, hidden_dim=4, mlp_dim=4)
    for layer in (vit.get_layer("vit_patching_and_embedding"), vit.get_layer("vit_encoder").encoder_layers[0]):
        with pytest.raises(TypeError, match="Unrecognized keyword arguments"):
            type(layer).from_config(layer.get_config())


def test_kerashubs_siglip_announces_a_state_that_it_does_not_have():
    """`Patches` of models/encoders/hub/tower_layers corrects the length."""
    from keras_hub.models import SigLIPVisionEncoder

    sizes = {"hidden_dim": 4, "num_layers": 1, "num_heads": 1, "intermediate_dim": 4}
    embedding = SigLIPVisionEncoder(8, image_shape=(16, 16, 3), **sizes).embedding
    assert embedding.compute_output_shape((None, 16, 16, 3))[1] == 5
    assert embedding(np.zeros((1, 16, 16, 3), np.float32)).shape[1] == 4


def test_kerashub_does_not_split_the_texts_of_roberta_into_words():
    """models/encoders/hub/preset_tokenizers splits them by the pattern of GPT-2, with which RoBERTa was trained."""
    from keras_hub.tokenizers import RobertaTokenizer

    vocabulary = {
        word: number for number, word in enumerate(["<s>", "<pad>", "</s>", "<mask>", "a", "b", "\u0120", "a\u0120"])
    }
    tokenizer = RobertaTokenizer(vocabulary, ["a \u0120"])
    assert np.asarray(tokenizer("a b")).tolist() == [7, 5]  # "a " is one token; no token of GPT-2 ends in a blank


@pytest.mark.parametrize("aware", [False, True])
def test_keras_tuner_tells_trials_apart_by_all_their_values(aware):
    """keras_tuner_internals.PointHashes: the epochs of a trial are not part of its point."""

    class Aware(keras_tuner_internals.PointHashes, keras_tuner.oracles.RandomSearchOracle):
        pass

    hp = keras_tuner.HyperParameters()
    hp.Choice("width", [1, 2])
    made_by = Aware if aware else keras_tuner.oracles.RandomSearchOracle
    oracle = made_by(objective=keras_tuner.Objective("val_loss", "min"), hyperparameters=hp)
    oracle._record_values(trial_of(hp, 0, width=1))
    assert oracle._duplicate({"width": 1, EPOCHS: 3}) == aware
    if aware:
        assert not oracle.is_new({"width": 1, EPOCHS: 3})
        assert oracle.is_new({"width": 2})
        assert oracle.hash_of({"width": 2}) == oracle.hash_of({"width": 2, EPOCHS: 3})


def test_a_keras_tuner_oracle_draws_from_the_state_of_its_seed():
    """keras_tuner_internals.seed_oracle: the public `seed` is ignored after the oracle is created."""

    def draws(seed, public):
        oracle = known_oracle([], seed=1)
        oracle.hyperparameters.Float("rate", 0.0, 1.0)
        oracle.seed = public
        keras_tuner_internals.seed_oracle(oracle, seed)
        assert keras_tuner_internals.seed_of(oracle) == seed
        return oracle.populate_space("0")["values"]["rate"]

    assert draws(5, public=1) == draws(5, public=2) != draws(6, public=1)


def test_a_bayesian_oracle_goes_on_with_its_generator(monkeypatch):
    """keras_tuner_internals.restart_generator: without it, proposals depend on how many there were in this process."""
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", 0.0, 1.0)
    hp.Float("width", 0.0, 1.0)
    oracle = keras_tuner.oracles.BayesianOptimizationOracle(
        objective=keras_tuner.Objective("val_loss", "min"), num_initial_points=2, seed=1, hyperparameters=hp
    )
    for number, score in enumerate((0.1, 0.4, 0.3)):
        oracle.trials[str(number)] = trial_of(hp, number, score, rate=score, width=1 - score)
    monkeypatch.setattr(oracle.gpr, "fit", lambda *data: None)
    # All are as good: the first point that is drawn stays the best.
    monkeypatch.setattr(oracle.gpr, "predict", lambda x, return_std: (np.zeros(1), np.ones(1)))
    proposals = []
    for restart in (True, True, False):
        keras_tuner_internals.seed_oracle(oracle, 5)
        if restart:
            keras_tuner_internals.restart_generator(oracle)
        proposals.append(oracle.populate_space("3")["values"])
    assert proposals[0] == proposals[1] != proposals[2]


def test_keras_tuner_ends_only_trials_that_it_has_begun(tmp_path):
    """keras_tuner_internals.enter_trial: an added trial is known, ranked and on disk."""
    oracle = known_oracle([])
    oracle.verbose = 0
    oracle._set_project_dir(tmp_path, "p")
    trial = trial_of(oracle.get_space(), 7, width=3)
    with pytest.raises(KeyError):
        oracle.end_trial(trial)
    oracle = known_oracle([])  # the first one keeps its lock
    oracle._set_project_dir(tmp_path, "p")
    keras_tuner_internals.enter_trial(oracle, trial)
    assert oracle._duplicate({"width": 3})
    assert oracle.get_best_trials(1) == [trial]
    assert (oracle.start_order, oracle.end_order) == (["7"], ["7"])
    assert len(list((tmp_path / "p").glob("trial_*7/trial.json"))) == 1


def test_the_rounds_of_keras_tuners_hyperband():
    """keras_tuner_internals: brackets_of, first_size, epochs_of_round."""
    oracle = keras_tuner.oracles.HyperbandOracle(
        objective=keras_tuner.Objective("val_loss", "min"), max_epochs=9, factor=3
    )
    assert keras_tuner_internals.brackets_of(oracle) == 3
    assert [keras_tuner_internals.first_size(oracle, halvings) for halvings in range(3)] == [3, 5, 9]
    assert [keras_tuner_internals.epochs_of_round(oracle, 2, number) for number in range(3)] == [1, 3, 9]


def test_an_autokeras_block_has_one_output_unless_it_is_told(tmp_path):
    """internals.set_outputs."""
    one, two = (ak.DenseBlock(name=name) for name in ("one", "two"))
    internals.set_outputs(two, 2)
    assert [len(block([ak.Input()])) for block in (one, two)] == [1, 2]


@pytest.mark.parametrize(("kind", "compiles"), [(ak.graph.Graph, True), (internals.UncompiledGraph, False)])
def test_an_autokeras_graph_tunes_an_optimizer_of_its_own(kind, compiles):
    """internals.UncompiledGraph."""
    node = ak.Input(name="x")
    head = ak.RegressionHead(dropout=0.0)
    graph = kind(inputs=[node], outputs=[head(node)[0]])
    node.shape, node.dtype, head.shape = (4,), "float32", (1,)
    hp = keras_tuner.HyperParameters()
    model = graph.build(hp)
    assert model.compiled == compiles
    assert ("optimizer" in hp.values) == compiles


def test_an_auto_model_makes_its_graph_once(tmp_path, monkeypatch):
    """internals.ModelOfGraph, and internals.learn_shapes, which trains nothing."""
    made = []

    class Model(internals.ModelOfGraph):
        def make_graph(self):
            made.append(internals.UncompiledGraph(inputs=self.inputs, outputs=self.outputs))
            return made[-1]

    node = ak.Input(name="x")
    head = ak.RegressionHead(dropout=0.0)
    model = Model(node, head(node), directory=str(tmp_path), project_name="p", max_trials=1, objective="val_loss")
    assert len(made) == 1
    assert model.tuner.hypermodel is made[0]

    def search(x, y, **options):
        internals.learn_shapes(model.tuner, keras_tuner.HyperParameters(), x, y)

    monkeypatch.setattr(model.tuner, "search", search)
    model.fit(X, X[:, :1], validation_data=(X, X[:, :1]), verbose=0)
    assert (tuple(node.shape), tuple(head.shape)) == ((4,), (1,))
    assert model.tuner.oracle.trials == {}


def own_classes():
    """Every class of automm that has a base class in one of the three libraries."""
    for found in pkgutil.walk_packages(automm.__path__, "automm."):
        if found.name.startswith(("automm.models.", "automm.search.", "automm.deliver.")):
            importlib.import_module(found.name)
    waiting = [keras.Layer, keras.Model, keras.optimizers.Optimizer, keras.utils.PyDataset, ak.AutoModel]
    waiting += [ak.graph.Graph, ak.Block, ak.Input, ak.Head, keras_tuner.Oracle, keras_tuner.Tuner]
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if one.__module__.startswith("automm."):
            yield one


def test_private_names_of_the_libraries_are_overridden_in_the_files_that_list_them():
    """A private name of automm's own that a library has too would be called by the library."""
    listed = {module.__name__ for module in (keras_internals, internals, keras_tuner_internals)}
    overridden = {
        (ours.__module__, name)
        for one in own_classes()
        for ours in one.__mro__
        if ours.__module__.startswith("automm.")
        for base in one.__mro__
        if base.__module__.split(".")[0] in ("keras", "keras_tuner", "autokeras")
        for name in vars(ours).keys() & vars(base).keys()
        if name.startswith("_") and not name.startswith("__") and name != "_abc_impl"
    }
    assert {name for module, name in overridden if module in listed} == {
        "_build_graph", "_compile_keras_model", "_compute_values_hash", "_configure_tensorboard_dir"
    }  # fmt: skip
    assert {module for module, _ in overridden} <= listed, overridden
