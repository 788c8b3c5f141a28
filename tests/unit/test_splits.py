from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from automm.data.manifest import parse_manifest
from automm.data.records.reviews import Dataset, Review
from automm.data.splitting.duplicates import drop_duplicates
from automm.data.splitting.fingerprint import fingerprint
from automm.data.splitting.folds import fold_rows
from automm.data.splitting.links import links_of
from automm.data.splitting.other_folds import other_folds
from automm.data.splitting.split import split_dataset
from automm.data.splitting.subsample import subsample
from automm.data.splitting.text_forms import normal_text
from automm.errors import ConfigError, DataError


def review(number, label="x", text=None, images=(), group=None, split=None):
    paths = tuple(Path(name) for name in images)
    text = f"text {number}" if text is None else text
    return Review(str(number), text, paths, label, group, split, f"r.jsonl:{number}")


def dataset(reviews, **more):
    content = {"name": "x", "records": "r.jsonl", "fields": {"text": "t", "label": "l"}, **more}
    reviews = list(reviews)
    labels = tuple(sorted({one.label for one in reviews}))
    return Dataset(parse_manifest(content, Path("manifest.yaml")), reviews, labels, {})


def split(data, digests=None):
    return split_dataset(data, links_of(data, digests or {}))


def folds_of(data, rows, folds):
    return fold_rows(data, links_of(data, {}), rows, folds)


def others_of(data):
    return other_folds(data, links_of(data, {}))


def split_by_id(data, digests=None):
    splits = split(data, digests)
    return {data.reviews[int(row)].id: name for name, rows in splits.items() for row in rows}


def test_labels_keep_their_proportions():
    data = dataset(review(n, "rare" if n % 10 == 0 else "common") for n in range(200))
    splits = split(data)
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 140, "validation": 30, "test": 30}
    for name, share in (("train", 14), ("validation", 3), ("test", 3)):
        assert Counter(data.reviews[row].label for row in splits[name])["rare"] == share
        assert splits[name].dtype == np.int64
        assert np.all(np.diff(splits[name]) > 0)


def test_the_order_of_the_reviews_does_not_matter_but_the_seed_does():
    reviews = [review(n, "xy"[n % 2]) for n in range(60)]
    assert split_by_id(dataset(reviews)) == split_by_id(dataset(reversed(reviews)))
    assert split_by_id(dataset(reviews)) != split_by_id(dataset(reviews, splits={"seed": 2}))


@pytest.mark.parametrize("left_out", ["groups", "texts", "pictures"])
def test_only_links_in_keep_together_keep_reviews_in_one_split(left_out):
    def pair(n):
        same = {
            "groups": {"group": f"group {n // 2}"},
            "texts": {"text": f"one long text of pair {n // 2}"},
            "pictures": {"images": [f"{n // 2}.png"]},
        }
        return same

    kinds = ("groups", "texts", "pictures")
    for link in kinds:
        data = dataset(
            (review(n, **pair(n)[link]) for n in range(60)),
            splits={"keep_together": [kind for kind in kinds if kind != left_out]},
        )
        names = split_by_id(data)
        apart = sum(names[str(n)] != names[str(n + 1)] for n in range(0, 60, 2))
        assert (apart > 0) == (link == left_out)
        folds = folds_of(data, np.arange(60), 3)
        judged = {row: place for place, (_, rows) in enumerate(folds) for row in rows.tolist()}
        assert any(judged[n] != judged[n + 1] for n in range(0, 60, 2)) == (link == left_out)


def test_groups_texts_and_pictures_stay_together():
    reviews = [review(n, "xy"[n % 2]) for n in range(60)]
    reviews[0] = review(0, "x", text="The \uff33ame  text")
    reviews[1] = review(1, "y", text="the same text", group="g")
    reviews[2] = review(2, "x", group="g", images=["a.png"])
    reviews[3] = review(3, "y", images=["copy.png"])
    for seed in range(5):
        names = split_by_id(dataset(reviews, splits={"seed": seed}), {Path("a.png"): "d", Path("copy.png"): "d"})
        assert len({names[str(n)] for n in range(4)}) == 1


def test_a_subsample_keeps_proportions_and_is_counted():
    data = dataset(
        [review(n, "rare" if n % 5 == 0 else "common", split="test" if n % 4 == 0 else "train") for n in range(400)],
        splits={"column": "s"},
    )
    part = subsample(data, 0.1)
    kept = Counter((one.label, one.split) for one in part.reviews)
    assert kept == {("common", "train"): 24, ("common", "test"): 8, ("rare", "train"): 6, ("rare", "test"): 2}
    assert part.changes == {"not_sampled": 360}
    assert part.labels == data.labels
    other = subsample(replace(data, reviews=data.reviews[::-1]), 0.1)
    assert {one.id for one in other.reviews} == {one.id for one in part.reviews}


def test_a_subsample_splits_no_group():
    reviews = [review(n, "xy"[n % 2], group=f"g{n // 5}", images=[f"{n // 7}.png"]) for n in range(350)]
    kept = {one.id for one in subsample(dataset(reviews), 0.3).reviews}
    assert 70 <= len(kept) <= 140
    for first in range(0, 350, 35):  # starts of both a group and a picture
        assert len({str(n) in kept for n in range(first, first + 35)}) == 1


def test_reviews_without_text_are_not_duplicates():
    data = dataset(review(n, "xy"[n % 2], text="") for n in range(40))
    assert len(split(data)["train"]) == 28


def test_a_column_without_a_validation_split_gives_a_share_of_its_training_reviews():
    # Every fourth review is in the test split; of the 60 others, two share a text.
    reviews = [review(n, "xy"[n // 2 % 2], split="test" if n % 4 == 3 else "train") for n in range(80)]
    reviews[0] = replace(reviews[0], text="the same words again")
    reviews[1] = replace(reviews[1], text="the same words again")
    data = dataset(reviews, splits={"column": "s", "validation": 0.2})
    names = split_by_id(data)
    assert {id for id, name in names.items() if name == "test"} == {str(n) for n in range(3, 80, 4)}
    assert Counter(names.values()) == {"train": 48, "validation": 12, "test": 20}
    assert names["0"] == names["1"]
    shuffled = dataset(reversed(reviews), splits={"column": "s", "validation": 0.2})
    assert split_by_id(shuffled) == names


def test_a_share_of_validation_beside_a_validation_split_is_refused():
    reviews = [review(n, "xy"[n % 2], split=["train", "validation", "test"][n % 3]) for n in range(12)]
    with pytest.raises(DataError, match=r"column 's' already has a validation split\. Remove splits\.validation"):
        split(dataset(reviews, splits={"column": "s", "validation": 0.2}))
    with pytest.raises(
        DataError, match=r"split 'validation' has no reviews\. .*draw the split: splits\.validation: 0\.15"
    ):
        split(dataset([one for one in reviews if one.split != "validation"], splits={"column": "s"}))


def test_by_a_column():
    names = ["train", "validation", "test", "train"]
    data = dataset([review(n, "xy"[n // 3], split=name) for n, name in enumerate(names)], splits={"column": "s"})
    splits = split(data)
    assert {name: rows.tolist() for name, rows in splits.items()} == {
        "train": [0, 3],
        "validation": [1],
        "test": [2],
    }


def test_an_empty_split_and_a_label_absent_from_training_are_reported():
    reviews = [
        review(1, "x", split="train"),
        review(2, "y", split="validation"),
        review(3, "x", split="train"),
    ]
    with pytest.raises(DataError) as caught:
        split(dataset(reviews, splits={"column": "s"}))
    assert "split 'test' has no reviews. Correct column 's'" in caught.value.lines[0]
    assert "label 'y' has no reviews in split 'train'" in caught.value.lines[1]


def test_one_group_of_everything_cannot_be_split():
    with pytest.raises(DataError, match="split 'validation' has no reviews"):
        split(dataset(review(n, "xy"[n % 2], group="g") for n in range(20)))


def test_dropping_duplicates():
    reviews = [
        review(2, "x", "The same long text"),
        review(1, "x", "the same  long text "),
        review(3, "x", "they clash with others"),
        review(4, "y", "they clash with others"),
        review(5, "x", "the same long text", images=["a.png"]),
    ]
    assert drop_duplicates(dataset(reviews), {}).reviews == reviews
    fewer = drop_duplicates(dataset(reviews, drop_duplicates=True), {})
    assert [one.id for one in fewer.reviews] == ["1", "5"]
    assert fewer.changes == {
        "duplicate": 1,
        "conflicting_duplicates": 2,
    }


def test_short_texts_without_pictures_are_not_duplicates():
    pictured = [review(n, "x", "bagus", images=["a.png"]) for n in (7, 8)]
    reviews = [*(review(n, "xy"[n % 2], "bagus") for n in range(4)), review(4, text=""), review(5, text=""), *pictured]
    fewer = drop_duplicates(dataset(reviews, drop_duplicates=True), {})
    assert [one.id for one in fewer.reviews] == ["0", "1", "2", "3", "4", "5", "7"]


def test_unfetched_pictures_distinguish_reviews_by_their_urls():
    text = "one long text that several reviews share"
    urls = [("https://shop.example/a.jpg",), ("https://shop.example/b.jpg",), ("https://shop.example/a.jpg",), ()]
    reviews = [replace(review(n, "x", text), absent=urls[n]) for n in range(4)]
    before = [one.id for one in drop_duplicates(dataset(reviews, drop_duplicates=True), {}).reviews]
    fetched = [replace(one, images=tuple(Path(url[-5:]) for url in one.absent), absent=()) for one in reviews]
    after = [one.id for one in drop_duplicates(dataset(fetched, drop_duplicates=True), {}).reviews]
    assert before == after == ["0", "1", "3"]


def test_duplicates_conflict_where_any_of_their_labels_differ():
    tags = [("a", "b"), ("a", "c"), ("a", "b"), ("b", "a")]
    reviews = [replace(review(n, "a", f"one long text of pair {n // 2}"), labels=tags[n]) for n in range(4)]
    fewer = drop_duplicates(dataset(reviews, drop_duplicates=True), {})
    assert [one.id for one in fewer.reviews] == ["2"]
    assert fewer.changes["conflicting_duplicates"] == 2
    with pytest.raises(DataError, match=r"no reviews left \(.*: 2\)\. Correct the labels, or remove drop_duplicates"):
        drop_duplicates(dataset(reviews[:2], drop_duplicates=True), {})


def test_the_fingerprint_depends_on_the_content():
    reviews = [review(n, "xy"[n % 2], images=[f"{n}.png"]) for n in range(30)]

    def name(reviews, digests=None, **more):
        data = dataset(reviews, **more)
        return fingerprint(data, digests or {}, split(data, digests))

    assert name(reviews) == name(reversed(reviews))
    changed = [
        name([*reviews[:-1], review(29, "y", "other", ["29.png"])]),
        name([*reviews[:-1], review(29, "x", images=["29.png"])]),
        name(reviews, {Path("3.png"): "d"}),
        name(reviews, splits={"seed": 5}),
    ]
    assert len({name(reviews), *changed}) == 5


def test_normal_texts():
    assert normal_text(" \ufb01ne\u00a0 STRASSE\n") == normal_text("fine straße")


class TestByTime:
    def test_the_oldest_are_for_training_and_the_newest_for_test(self):
        reviews = [replace(review(n, "xy"[n % 2]), time=float(-n)) for n in range(20)]
        names = split_by_id(dataset(reviews, splits={"time": "when"}))
        assert [names[str(n)] for n in range(20)] == ["test"] * 3 + ["validation"] * 3 + ["train"] * 14

    def test_reviews_of_one_time_stay_together_in_any_order(self):
        days = [0] * 12 + [1] * 4 + [2] * 4
        reviews = [replace(review(n, "xy"[n % 2]), time=float(day)) for n, day in enumerate(days)]
        rules = {"time": "when", "fractions": {"train": 0.5, "validation": 0.25, "test": 0.25}}
        names = split_by_id(dataset(reviews, splits=rules))
        assert [names[str(n)] for n in (0, 11, 12, 15, 16, 19)] == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
        assert split_by_id(dataset(reversed(reviews), splits=rules)) == names

    def test_one_time_for_all_cannot_be_split(self):
        reviews = [replace(review(n, "xy"[n % 2]), time=1.0) for n in range(20)]
        with pytest.raises(DataError, match=r"split 'test' has no reviews\. Check the times in column 'when'"):
            split(dataset(reviews, splits={"time": "when"}))

    def test_suggested_fractions_for_few_times_work(self):
        reviews = [replace(review(n, "xy"[n // 4 % 2]), time=float(n % 3)) for n in range(90)]
        with pytest.raises(DataError, match=r"set splits: \{time: when, fractions: \{train") as caught:
            split(dataset(reviews, splits={"time": "when"}))
        advised = yaml.safe_load(caught.value.lines[0].partition("set splits: ")[2].removesuffix("."))
        assert set(split_by_id(dataset(reviews, splits=advised)).values()) == {"train", "validation", "test"}

    def test_two_times_cannot_be_split(self):
        reviews = [replace(review(n, "xy"[n % 2]), time=float(n % 2)) for n in range(20)]
        with pytest.raises(DataError, match="too few distinct times for three splits"):
            split(dataset(reviews, splits={"time": "when"}))


class TestByHash:
    def test_the_labels_keep_about_their_proportions(self):
        data = dataset((review(n, "rare" if n % 10 == 0 else "common") for n in range(4000)), splits={"by": "hash"})
        for share, rows in zip((0.7, 0.15, 0.15), split(data).values(), strict=True):
            assert len(rows) / 4000 == pytest.approx(share, abs=0.03)
            assert sum(data.reviews[row].label == "rare" for row in rows) / len(rows) == pytest.approx(0.1, abs=0.03)

    def test_appended_reviews_move_no_other_review(self):
        reviews = [review(n, "xy"[n % 2], images=[f"{n}.png"]) for n in range(60)]
        more = [review(n, "xy"[n % 2], text=f"text {n - 60}", images=[f"{n - 60}.png"]) for n in range(60, 120)]
        before = split_by_id(dataset(reviews, splits={"by": "hash"}))
        after = split_by_id(dataset([*reversed(more), *reviews], splits={"by": "hash"}))
        assert {key: after[key] for key in before} == before

    def test_a_group_stays_together_and_the_seed_counts(self):
        reviews = [review(n, "xy"[n % 2], group=f"g{n // 4}") for n in range(200)]
        names = split_by_id(dataset(reviews, splits={"by": "hash"}))
        assert all(len({names[str(n)] for n in range(4 * g, 4 * g + 4)}) == 1 for g in range(50))
        assert split_by_id(dataset(reviews, splits={"by": "hash", "seed": 2})) != names


def test_each_review_is_tested_in_one_of_the_folds():
    reviews = [review(n, "rare" if n % 10 == 0 else "common", group=f"g{n // 2}") for n in range(100)]
    tested, validated = [], []
    for fold in range(1, 6):
        splits = split(dataset(reviews, splits={"folds": 5, "fold": fold}))
        assert {name: len(rows) for name, rows in splits.items()} == {"train": 60, "validation": 20, "test": 20}
        assert Counter(reviews[row].label for row in splits["test"])["rare"] == 2
        tested.append(splits["test"].tolist())
        validated.append(splits["validation"].tolist())
    assert validated == [*tested[1:], tested[0]]
    assert sorted(row for rows in tested for row in rows) == list(range(100))


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ({"column": "s", "time": "t"}, "column and time exclude each other"),
        ({"validation": 0.2}, "validation needs column"),
        ({"column": "s", "validation": 1}, "less than 1"),
        (
            {"folds": 5, "fractions": {"train": 0.7, "validation": 0.15, "test": 0.15}},
            "fractions and folds exclude each other",
        ),
        ({"folds": 5, "fold": 6}, "fold is 6, expected 1 to 5"),
        ({"fold": 2}, "fold is 2, expected 1 to 1"),
        ({"by": "hash", "near_duplicates": "together"}, "needs fractions or folds"),
        ({"keep_together": ["groups"], "near_duplicates": "together"}, "lists neither texts nor pictures"),
        ({"keep_together": ["picture"]}, "pictures"),
        ({"by": "label"}, "hash"),
        ({"folds": 2}, "greater than or equal to 3"),
    ],
)
def test_rules_that_contradict_each_other(rules, problem):
    with pytest.raises(ConfigError, match=problem):
        dataset([], splits=rules)


class TestFolds:
    def test_each_review_is_held_out_once_and_not_in_its_training_rows(self):
        data = dataset(review(n, "rare" if n % 10 == 0 else "common") for n in range(120))
        rows = np.arange(10, 110)
        folds = folds_of(data, rows, 5)
        assert sorted(np.concatenate([judged for _, judged in folds])) == rows.tolist()
        for learned, judged in folds:
            assert sorted([*learned, *judged]) == rows.tolist()
            assert np.all(np.diff(learned) > 0)
            assert np.all(np.diff(judged) > 0)
            assert Counter(data.reviews[row].label for row in judged) == {"rare": 2, "common": 18}

    def test_linked_reviews_are_held_out_together(self):
        reviews = [review(n, "xy"[n % 2], group=f"g{n // 4}", images=[f"{n // 8}.png"]) for n in range(80)]
        for learned, judged in folds_of(dataset(reviews), np.arange(80), 5):
            assert not {row // 8 for row in learned} & {row // 8 for row in judged}

    def test_the_order_of_the_reviews_does_not_matter(self):
        reviews = [review(n, "xy"[n % 2]) for n in range(50)]

        def by_id(data):
            return {frozenset(data.reviews[row].id for row in judged) for _, judged in folds_of(data, np.arange(50), 3)}

        assert by_id(dataset(reviews)) == by_id(dataset(reversed(reviews)))

    def test_reviews_that_are_all_linked_make_one_fold(self):
        data = dataset(review(n, "xy"[n % 2], group="g") for n in range(20))
        assert len(folds_of(data, np.arange(20), 5)) == 1


class TestOtherFolds:
    REVIEWS = tuple(review(n, "ab"[n % 2]) for n in range(60))

    def test_each_fold_but_the_first(self):
        data = dataset([*self.REVIEWS], splits={"folds": 4})
        others = others_of(data)
        assert sorted(others) == [2, 3, 4]
        tested = [split(data)["test"], *(splits["test"] for splits in others.values())]
        assert sorted(np.concatenate(tested)) == list(range(60))

    @pytest.mark.parametrize("splits", [{"folds": 4, "fold": 1}, {"folds": 4, "fold": 2}, {"seed": 1}])
    def test_a_selected_fold_has_no_other_folds(self, splits):
        assert others_of(dataset([*self.REVIEWS], splits=splits)) == {}

    def test_a_fold_that_cannot_be_trained_on_has_a_fix(self):
        """The reviews of the rare label share a group: one fold has none of them in training."""
        rare = [review(n, "rare", group="one") for n in range(60, 64)]
        # This seed puts the group into the training reviews of the first fold.
        data = dataset([*self.REVIEWS, *rare], splits={"folds": 3, "seed": 3})
        assert split(data)
        with pytest.raises(DataError, match=r"fold 2 of 3: .*splits\.fold: 1") as caught:
            others_of(data)
        assert "'rare' has no reviews in split 'train'" in str(caught.value)


def test_reviews_that_differ_in_their_columns_are_no_duplicates():
    one = [
        replace(review(n, "xy"[n % 2], text="one and the same long text"), history=(float(n), 2.0)) for n in range(8)
    ]
    data = dataset(one, drop_duplicates=True)
    assert drop_duplicates(data, {}).reviews == one
    assert len(drop_duplicates(dataset([*one, replace(one[0], id="again")], drop_duplicates=True), {}).reviews) == 8
