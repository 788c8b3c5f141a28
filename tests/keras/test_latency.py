"""What predicting costs, without an encoder: `search/cost/latency.py`."""

from types import SimpleNamespace

import pytest

from automm.data.inputs.input_sources import source_of_input
from automm.search.cost import latency
from automm.search.cost.latency import costs_of, milliseconds
from automm.tracking.run_folder import COMPLETED, Candidate, Run

READS = {
    "concatenation": ("text@a:mean", "image@b:average"),
    "text_only": ("text@a:cls", "text_mask"),
    "tuned": ("text@a:lower",),
}


class Encoder:
    def __init__(self, modality, name):
        self.modality, self.name = modality, name

    def own_sources(self, sources):
        return [one for one in sources if (one.modality, one.encoder) == (self.modality, self.name)]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    run = Run(tmp_path)
    run.candidates_folder.mkdir()
    for name in READS:
        run.model_path(name).touch()
    measured = []
    monkeypatch.setattr(latency, "unwrap", lambda model: model)
    monkeypatch.setattr(latency, "_own", lambda bench, name, model, known: 0.5)
    monkeypatch.setattr(
        latency, "_of_encoder", lambda bench, encoder, sources: measured.append(encoder.name) or float(len(measured))
    )
    layers = SimpleNamespace(
        encoders=[Encoder("text", "a"), Encoder("image", "b")],
        sources_of=lambda name: {one: source_of_input(one) for one in READS[name]},
    )
    return SimpleNamespace(run=run, saved=str, layers=layers, measured=measured)


def candidates(*names):
    return [Candidate(name, "trial", COMPLETED) for name in names]


def test_every_encoder_is_measured_once_and_the_lower_half_by_itself(bench):
    costs = costs_of(bench, 4.0, candidates(*READS))
    assert bench.measured == ["a", "b", "a"]
    assert costs.of_encoder == (("image@b", 2.0), ("text@a", 1.0), ("text@a (lower half)", 3.0))
    assert [costs.of([place]) for place in range(3)] == [3.5, 1.5, 3.5]
    assert costs.of((0, 1)) == 4.0
    assert costs.within((0, 1))
    assert not costs.within((0, 1, 2))


def test_measurements_are_kept_in_the_run_folder(bench):
    first = costs_of(bench, 4.0, candidates(*READS))
    assert costs_of(bench, 4.0, candidates(*READS)) == first
    assert len(bench.measured) == 3
    assert bench.run.read(latency.FILE) == dict(first.of_encoder)


def test_a_candidate_without_a_model_is_no_member(bench):
    costs = costs_of(bench, 1e9, candidates("text_only", "discarded"))
    assert [costs.within([place]) for place in range(2)] == [True, False]


class Rows:
    """Features of a model, as far as a cost depends on them."""

    def __init__(self, *names, large=False):
        self.names, self.large = names, large

    def batch(self, rows):
        return dict.fromkeys(self.names, rows)


@pytest.mark.parametrize(
    ("rows", "trees", "counted"),
    [
        (Rows("text@a:mean", "image@b:average"), False, True),
        (Rows("text_word_ids", "text_word_weights"), False, False),
        (Rows("text@a:mean"), True, False),
        (Rows("text@a:states", large=True), False, False),
        (Rows("images", large=True), False, False),
    ],
)
def test_only_a_head_on_vectors_costs_what_its_weights_do(monkeypatch, rows, trees, counted):
    monkeypatch.setattr(latency, "Features", Rows)
    monkeypatch.setattr(latency, "has_trees", lambda model: trees)
    monkeypatch.setattr(latency, "_rows", lambda bench: [0, 1])
    monkeypatch.setattr(latency, "compiled", lambda model: lambda batch: None)
    monkeypatch.setattr(latency, "milliseconds", lambda call, batch, count: 7.0 * count)
    model = SimpleNamespace(count_params=lambda: latency.OPERATIONS_A_SECOND // 1000)
    known = {}
    cost = latency._own(SimpleNamespace(input_rows=lambda model: rows), "one", model, known)
    assert cost == pytest.approx(2.0 if counted else 14.0)
    assert known == ({} if counted else {"one": 14.0})


def test_the_fastest_of_three_calls_counts_and_the_first_does_not(monkeypatch):
    times = iter([0.0, 0.5, 1.0, 1.2, 2.0, 2.3])
    monkeypatch.setattr(latency.time, "perf_counter", lambda: next(times))
    called = []
    assert milliseconds(called.append, "batch", 4) == pytest.approx(50.0)
    assert called == ["batch"] * 4
