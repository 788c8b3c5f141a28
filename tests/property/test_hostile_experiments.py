import hostile_experiments
from hostile_experiments import Case
from hypothesis import HealthCheck, given, settings


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hostile_experiments.cases)
def test_hostile_experiment_files_are_loaded_or_end_in_a_named_error(case):
    hostile_experiments.run(case)


def test_a_harmless_case_is_loaded():
    """Were every case an error, little of the way would have been gone."""
    content = {"manifest": "columns.yaml", "space": {"history.width": 32, "training.learning_rate": "1e-3"}}
    for flow in (True, False):
        assert hostile_experiments.run(Case(content, [], flow, [], ["seed=3"])) == "loaded"


def test_each_harm_is_done():
    content = {"manifest": "labels.yaml", "seed": 1}
    for how, key in [("set", "x"), ("rename", "x"), ("add", "x"), ("nest", "x"), ("wrap", "")]:
        case = Case(content, [(0.9, how, key, [1])], False, [], [])
        assert hostile_experiments.run(case) == "ConfigError"
    assert hostile_experiments.run(Case(content, [(0.0, "delete", "", 1)], False, [], [])) == "ConfigError"
    assert hostile_experiments.run(Case(content, [], False, [(0.0, "insert", b"[")], [])) == "ConfigError"
