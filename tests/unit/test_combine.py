from dataclasses import replace

import numpy as np
import pytest

from automm.evaluate.combine import BestSingle, Crossing, Judged, divisions
from automm.evaluate.ensembles import BestForm, Choice, Greedy, Library
from automm.tasks.registry import TASKS

TASK = TASKS["classification"]


def greedy(*members):
    return Greedy(Library(members))


def choice(*members):
    return Choice(BestForm((greedy(*members),)))


def shares_of(labels, answers, task=TASK):
    judged = Judged(task, next(iter(task.objectives)), labels, np.arange(len(labels)), answers)
    return Crossing.drawn(judged, np.random.default_rng(0)).fit(greedy(*range(len(answers)))).shares


def drawn(seed=0, candidates=4, rows=200, units=50, task=TASK):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, rows) if task is TASK else rng.normal(100, 20, rows).astype(np.float32)
    if task is TASK:
        answers = [rng.dirichlet(np.ones(3) * 0.6, rows) * 0.5 + np.eye(3)[labels] * 0.5 * rng.random((rows, 1))] * 1
        answers += [rng.dirichlet(np.ones(3), rows) * 0.6 + np.eye(3)[labels] * 0.4 for _ in range(candidates - 1)]
    else:
        answers = [labels[:, None] + rng.normal(0, 10, (rows, 1)) for _ in range(candidates)]
    objective = next(iter(task.objectives))
    return Judged(task, objective, labels, rng.integers(0, units, rows), [one.astype(np.float32) for one in answers])


class TestGreedy:
    def test_a_useless_member_is_left_out(self):
        labels = np.arange(60) % 3
        good, useless = np.eye(3)[labels] * 0.9 + 0.1 / 3, np.full((60, 3), 1 / 3)
        assert shares_of(labels, [useless, good]).tolist() == [0.0, 1.0]

    def test_members_with_different_errors_are_combined(self):
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 2, 400)
        wrong = [rng.random(400) < 0.3 for _ in range(3)]
        shares = shares_of(labels, [np.eye(2)[np.where(w, 1 - labels, labels)] * 0.8 + 0.1 for w in wrong])
        assert shares.sum() == pytest.approx(1.0)
        assert (shares > 0.1).all()

    @pytest.mark.parametrize("name", TASKS)
    def test_every_step_minimises_the_smooth_metric_of_the_mean(self, name):
        judged = drawn(task=TASKS[name])
        shares = shares_of(judged.targets, judged.answers, judged.task)
        losses = [
            judged.task.measure(judged.targets, answers)[judged.task.smooth]
            for answers in (sum(s * a for s, a in zip(shares, judged.answers, strict=True)), *judged.answers)
        ]
        assert losses[0] == min(losses)

    def test_only_the_best_of_the_others_may_be_members(self):
        judged = drawn(candidates=6)
        crossing = Crossing.drawn(judged, np.random.default_rng(0))
        worst = np.argsort(crossing.scores())[:3]
        others = tuple(place for place in range(6) if place != 0)
        members = crossing.fit(Greedy(Library((0,), others, 2))).members
        assert set(members) <= {0, *sorted(others, key=lambda place: -crossing.scores()[place])[:2]}
        assert not {*worst.tolist()} - {0} & {*members}


class TestCrossing:
    @pytest.mark.parametrize("combiner", [BestSingle(), greedy(0, 1, 2, 3)])
    @pytest.mark.parametrize("name", TASKS)
    def test_the_score_is_that_of_the_crossed_answers(self, combiner, name):
        judged = drawn(task=TASKS[name])
        crossing = Crossing.drawn(judged, np.random.default_rng(1))
        measured = judged.task.measure(judged.targets, crossing.answers(combiner))[judged.metric]
        assert crossing.score(combiner) == pytest.approx(measured, abs=1e-6)
        assert crossing.scores() == pytest.approx(
            [judged.task.measure(judged.targets, one)[judged.metric] for one in judged.answers]
        )

    def test_a_unit_is_never_divided(self):
        judged = drawn(units=7)
        crossing = Crossing.drawn(judged, np.random.default_rng(0))
        for part in range(7):
            rows = crossing.rows(frozenset((part,)))
            assert not {*judged.units[rows]} & {*np.delete(judged.units, rows)}

    def test_an_answer_does_not_depend_on_the_targets_of_its_own_part(self):
        judged = drawn()
        crossing = Crossing.drawn(judged, np.random.default_rng(0))
        rest = crossing.rows(frozenset((3,)))
        own = np.delete(np.arange(len(judged.targets)), rest)
        other = judged.targets.copy()
        other[own] = (other[own] + 1) % 3
        changed = Judged(judged.task, judged.objective, other, judged.units, judged.answers)
        for combiner in (BestSingle(), greedy(0, 1, 2, 3), choice(0, 1, 2, 3)):
            one, two = (Crossing(data, crossing.parts).answers(combiner)[own] for data in (judged, changed))
            np.testing.assert_array_equal(one, two)


class TestChoice:
    ENSEMBLE = greedy(0, 1)

    def crossing(self, second, objective="val_accuracy"):
        """The first candidate is right for 70 of 100 reviews; the second gives the classes `second`."""
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 2, 100)
        said = np.where(np.arange(100) < 70, labels, 1 - labels)
        sure = np.where(rng.random((2, 100)) < 0.5, 0.6, 0.9)[:, :, None]
        sides = [np.eye(2)[classes] for classes in (said, second(labels, said))]
        answers = [side * s + side[:, ::-1] * (1 - s) for side, s in zip(sides, sure, strict=True)]
        return Crossing.drawn(Judged(TASK, objective, labels, np.arange(100), answers), rng)

    def test_equal_scores_are_a_tie_and_go_to_the_ensemble(self):
        crossing = self.crossing(lambda labels, said: said)
        assert crossing.score(self.ENSEMBLE) == crossing.score(BestSingle())
        assert len(crossing.fit(self.ENSEMBLE).members) == 2
        assert Choice(BestForm((self.ENSEMBLE,))).lead([crossing]) == 0
        assert crossing.fit(Choice(BestForm((self.ENSEMBLE,)))) is crossing.fit(self.ENSEMBLE)

    def test_less_than_a_standard_error_is_a_tie(self):
        """The single candidate that may not be a member is right for ten other reviews, and wrong for seven."""
        rows = np.arange(100)
        crossing = self.crossing(
            lambda labels, said: np.where((rows >= 7) & (rows < 80), labels, np.where(rows < 7, 1 - labels, said))
        )
        only_first = greedy(0)
        assert crossing.score(only_first) < crossing.score(BestSingle())
        assert Choice(BestForm((only_first,))).lead([crossing]) == 0
        assert crossing.fit(Choice(BestForm((only_first,)))).members == [0]

    def test_a_single_candidate_that_is_clearly_better_is_chosen(self):
        crossing = self.crossing(lambda labels, said: np.where(np.arange(100) < 85, labels, said))
        assert choice(0).lead([crossing]) == pytest.approx(-0.15)
        assert crossing.fit(choice(0)).members == [1]

    def test_a_smaller_loss_is_a_lead(self):
        crossing = self.crossing(lambda labels, said: np.where(np.arange(100) < 85, labels, 1 - labels), "val_loss")
        assert choice(1).lead([crossing]) == 0.0
        assert choice(0).lead([crossing]) < -0.05

    def test_the_lead_is_a_mean_over_divisions(self):
        judged, rng = drawn(rows=40, units=40), np.random.default_rng(0)
        judged = replace(judged, objective="val_loss")
        crossings = [Crossing.drawn(judged, rng) for _ in range(6)]
        both = choice(0, 1, 2, 3)
        leads = [both.lead([crossing]) for crossing in crossings]
        assert 0.0 not in leads  # no tie
        assert len(set(leads)) > 1
        assert both.lead(crossings) == pytest.approx(np.mean(leads))

    def test_three_units_are_enough(self):
        judged = drawn(units=3)
        crossing = Crossing.drawn(judged, np.random.default_rng(0))
        assert np.isfinite(crossing.score(choice(0, 1, 2, 3)))


def test_large_data_are_divided_less_often():
    labels = np.zeros(200_000, np.int64)
    count = {
        rows: divisions(Judged(TASK, "val_loss", labels[:rows], labels[:rows], [np.zeros((rows, 3))] * 4))
        for rows in (30, 50_000, 200_000)
    }
    assert count == {30: 20, 50_000: 2, 200_000: 1}
