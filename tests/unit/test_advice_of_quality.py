"""What a finding of `automm check` says to do, done to the data set that caused it, ends it or does what it says."""

import numpy as np
import yaml
from advice import advises, hear
from data_sets import (
    PHOTOS,
    PICTURES,
    ROWS,
    Way,
    checked,
    csv,
    each,
    ends,
    rows,
    write,
)
from PIL import Image

from automm.config.experiment import load_experiment
from automm.data.images.inspect import inspect_all
from automm.data.inputs.tokens import SPECIAL, wordpiece_tokenizer
from automm.data.manifest import load_manifest
from automm.data.quality.run import check
from automm.data.records.reviews import load_dataset
from automm.data.splitting.links import links_of
from automm.data.splitting.split import split_dataset
from automm.models.encoders.preprocessing import TextPreprocessing

WITH_PICTURES = {"fields": PHOTOS, "files": PICTURES}
FRACTIONS = {"fractions": {"train": 0.6, "validation": 0.2, "test": 0.2}}
SHOP = {"group": "shop"}


def many(count, **cells):
    """More records than `rows`, whose cells are functions of their number; their texts differ by more than a word."""
    words = np.random.default_rng(1).integers(0, 10**6, (count, 8))
    return [
        {"id": f"r{n}", "text": " ".join(map(str, words[n])), "label": "ab"[n % 2]}
        | {name: cell(n) for name, cell in cells.items()}
        for n in range(count)
    ]


def shade(number):
    """A picture of noise."""
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (40, 40, 3)).astype(np.uint8))


def splits_of(path):
    """Return the split of each review, by id."""
    data = load_dataset(load_manifest(path))
    digests = inspect_all([image for review in data.reviews for image in review.images]).digests
    found = split_dataset(data, links_of(data, digests))
    return {data.reviews[row].id: split for split, numbers in found.items() for row in numbers}


@advises("Set it to {} if you will predict for new values of {} rather than of {}")
def test_another_column_of_groups(tmp_path):
    ends(
        tmp_path,
        "ungrouped_column",
        "Set it to {} if you will predict for new values of {} rather than of {}",
        Way(each(user_id=lambda n: f"u{n % 12}", room=lambda n: f"s{n // 2}"), fields={"group": "room"}),
        Way(fields={"group": "user_id"}),
    )


@advises("Correct the {}")
def test_contradictions_that_drop_duplicates_keeps(tmp_path):
    ends(
        tmp_path,
        "text_contradictions",
        "Correct the {}",
        Way(
            [*rows(), rows()[3] | {"id": "z", "label": "a", "photo": "p4.png"}],
            **WITH_PICTURES,
            more={"drop_duplicates": True},
        ),
        Way([*rows(), rows()[3] | {"id": "z", "photo": "p4.png"}]),
    )


@advises(
    "If they are copies, set fields.group to a column that has one value for all copies",
    "If these are copies of one review, set fields: {group: ...} to a column with the same value for all copies",
)
def test_too_many_copies_to_link(tmp_path):
    def of(text):
        lines = many(200, shop=lambda n: "copy" if n < 24 else f"s{n}")
        return [row | ({"text": text(n)} if n < 24 else {}) for n, row in enumerate(lines)]

    (tmp_path / "near").mkdir()
    ends(
        tmp_path / "near",
        "near_duplicate_texts_across_splits",
        "If they are copies, set fields.group to a column that has one value for all copies",
        Way(
            of(lambda n: f"The hall was full of people, and nobody left until {chr(97 + n) * 3}"),
            more={"splits": {"near_duplicates": "together"}},
        ),
        Way(fields=SHOP),
    )
    ends(
        tmp_path,
        "common_texts",
        "If these are copies of one review, set fields: {group: ...} to a column with the same value for all copies",
        Way(of(lambda n: "This item was exactly as described" + "!" * n)),
        Way(fields=SHOP),
    )


@advises(
    "Set fields.group to a column of users, products or the like, or remove it",
    "{} To ignore these links, set splits: {{}}; the measured quality may then be too high",
)
def test_reviews_that_a_group_links(tmp_path):
    before = Way(each(shop=lambda n: "one" if n < 14 else f"s{n}", user=lambda n: f"u{n // 2}"), fields=SHOP)
    ways = [Way(fields={"group": "user"}), Way(fields={"group": None})]
    sentence = "Set fields.group to a column of users, products or the like, or remove it"
    ends(tmp_path, "linked_reviews", sentence, before, *ways)
    (tmp_path / "ignored").mkdir()
    sentence = "{} To ignore these links, set splits: {{}}; the measured quality may then be too high"
    rule = checked(write(tmp_path, before))["linked_reviews"].split("set splits: ")[1].split(";")[0]
    ends(tmp_path / "ignored", "linked_reviews", sentence, before, Way(more={"splits": yaml.safe_load(rule)}))


@advises(
    "To keep each set in one split, set splits: {near_duplicates: together} (with splits.fractions or splits.folds)",
    "To keep them in one split with any seed, set splits: {near_duplicates: together}",
)
def test_nearly_equal_pictures(tmp_path):
    across, note = "near_duplicates_across_splits", "near_duplicate_pictures"
    first = Way(each(part=lambda n: ["train", "validation", "test"][n % 3]), **WITH_PICTURES)
    write(tmp_path, first)
    with Image.open(tmp_path / "p0.png") as picture:
        picture.resize((36, 36)).save(tmp_path / "p1.png")

    def fixes(**rules):
        return checked(write(tmp_path, first._replace(files=(), more={"splits": rules})))

    sentence = "To keep each set in one split, set splits: {near_duplicates: together}"
    hear(fixes(column="part")[across], f"{sentence} (with splits.fractions or splits.folds)")
    together = {"near_duplicates": "together"}
    assert across not in fixes(**together, **FRACTIONS)
    assert across not in fixes(**together, folds=4)
    seeds = [fixes(seed=seed) for seed in range(8)]
    assert any(across in found for found in seeds)
    hear(
        next(found[note] for found in seeds if note in found),
        "To keep them in one split with any seed, set splits: {near_duplicates: together}",
    )
    assert not any(across in fixes(seed=seed, **together) for seed in range(8))


@advises("Shorten splits.keep_together, or set fields.group to a finer column")
def test_labels_that_depend_on_large_groups(tmp_path):
    ends(
        tmp_path,
        "label_shift",
        "Shorten splits.keep_together, or set fields.group to a finer column",
        Way(
            many(
                120,
                shop=lambda n: f"s{n // 20}",
                user=lambda n: f"u{n // 2}",
                label=lambda n: "ab"[n // 20 % 3 == 0 or n % 9 == 0],
            ),
            fields=SHOP,
        ),
        Way(more={"splits": {"keep_together": ["texts", "pictures"]}}),
        Way(fields={"group": "user"}),
    )


@advises(
    "To balance the splits, replace splits.by with splits: {fractions: ...}",
    "To balance the splits, replace splits.time with splits: {fractions: ...}",
)
def test_labels_that_depend_on_the_rule(tmp_path):
    by = {"splits": {"by": "hash"}}
    place = splits_of(write(tmp_path, Way(many(120), more=by)))
    (tmp_path / "by").mkdir()
    ends(
        tmp_path / "by",
        "label_shift",
        "To balance the splits, replace splits.by with splits: {fractions: ...}",
        Way(many(120, label=lambda n: "ab"[place[f"r{n}"] == "test" or n % 5 == 0]), more=by),
        Way(more={"splits": FRACTIONS}),
    )
    (tmp_path / "time").mkdir()
    ends(
        tmp_path / "time",
        "label_shift",
        "To balance the splits, replace splits.time with splits: {fractions: ...}",
        Way(
            many(
                120, day=lambda n: f"2024-{n // 28 + 1:02}-{n % 28 + 1:02}", label=lambda n: "ab"[n > 100 or n % 5 == 0]
            ),
            more={"splits": {"time": "day"}},
        ),
        Way(more={"splits": FRACTIONS}),
    )


@advises(
    "If another frame shows more, save that frame as a separate file", "Rename the files if other programs read them"
)
def test_files_of_pictures(tmp_path):
    path = write(tmp_path, Way(rows(), **WITH_PICTURES))
    picture, other = (shade(n) for n in range(2))
    picture.save(tmp_path / "p3.png", save_all=True, append_images=[other])
    hear(checked(path)["animated_pictures"], "If another frame shows more, save that frame as a separate file")
    other.save(tmp_path / "frame.png")
    path = write(tmp_path, Way(rows(photo="frame.png"), fields=PHOTOS))
    assert "animated_pictures" not in checked(path)
    picture.save(tmp_path / "p4.png", "JPEG")
    hear(checked(path)["wrong_extensions"], "Rename the files if other programs read them")
    (tmp_path / "p4.png").rename(tmp_path / "p4.jpg")
    assert "wrong_extensions" not in checked(path)


@advises(
    "If the same picture means the same product, set fields: {group: ...} to a product column, which also keeps "
    "reviews of one product with different pictures in one split",
    "If the same text means the same product, set fields: {group: ...} to a product column, which also keeps "
    "reviews of one product with different texts in one split",
)
def test_reviews_of_one_product(tmp_path):
    def apart(path):
        """Return the products whose reviews are in several splits."""
        split = splits_of(path)
        return [n for n in range(0, ROWS, 4) if len({split[f"r{n + more}"] for more in range(4)}) > 1]

    for kind, more in (
        ("picture", {"photo": lambda n: f"p{n // 2}.png"}),
        ("text", {"text": lambda n: f"one and the same text of many words {n // 2}"}),
    ):
        before = Way(each(shop=lambda n: f"s{n // 4}", **more), **WITH_PICTURES)
        (tmp_path / kind).mkdir()
        path = write(tmp_path / kind, before)
        hear(
            checked(path)[f"duplicate_{kind}s"],
            f"If the same {kind} means the same product, set fields: {{group: ...}} to a product column, which also "
            f"keeps reviews of one product with different {kind}s in one split",
        )
        assert apart(path)
        assert not apart(write(tmp_path / kind, before, Way(fields=SHOP)))


@advises("To drop reviews without text, set text: {on_empty: drop}")
def test_texts_that_look_like_missing_values(tmp_path):
    sentence = "To drop reviews without text, set text: {on_empty: drop}"
    emptied = Way(rows(text=""), more={"text": {"on_empty": "drop"}})
    ends(tmp_path, "missing_like_texts", sentence, Way(rows(text="None"), **WITH_PICTURES), emptied)
    assert len(load_dataset(load_manifest(tmp_path / "0/manifest.yaml")).reviews) == ROWS - 1


@advises(
    "Leave columns of shared texts (templates, product descriptions) out of fields.text",
    "Leave columns of shared pictures (rooms, shops, placeholders) out of fields.images",
)
def test_columns_that_link_reviews(tmp_path):
    for key, kind, column, shared in (
        ("text", "texts (templates, product descriptions)", "text", "a template of some words for everyone"),
        ("images", "pictures (rooms, shops, placeholders)", "photo", "p0.png"),
    ):
        own = each(**{column: lambda n, column=column: "" if column == "text" and n < 14 else rows()[n][column]})
        lines = [row | {"shared": shared if row["n"] < 14 else ""} for row in own]
        (tmp_path / key).mkdir()
        ends(
            tmp_path / key,
            "linked_reviews",
            f"Leave columns of shared {kind} out of fields.{key}",
            Way(lines, fields=PHOTOS | {key: [column, "shared"]}, files=PICTURES),
            Way(fields={key: column}),
        )


@advises("If they belong to reviews, name them in a column, or by a pattern such as images: '{id}-*.jpg'")
def test_pictures_that_no_record_names(tmp_path):
    files = [f"r{n}-{place}.png" for n in range(ROWS) for place in range(2)]
    ends(
        tmp_path,
        "unused_pictures",
        "If they belong to reviews, name them in a column, or by a pattern such as images: '{id}-*.jpg'",
        Way(each(photo=lambda n: f"r{n}-0.png"), fields=PHOTOS, files=files),
        Way(each(photo=lambda n: [f"r{n}-0.png", f"r{n}-1.png"])),
        Way(fields={"images": "{id}-*.png"}),
    )


@advises("If the records are not text files, or the texts stay wrong, repair them in the records")
def test_texts_that_were_saved_wrong(tmp_path):
    sentence = "If the records are not text files, or the texts stay wrong, repair them in the records"
    wrong = "The cafÃ© was very good, I think"
    repaired = wrong.encode("cp1252").decode()
    ends(tmp_path, "wrong_encoding", sentence, Way(rows(text=wrong)), Way(rows(text=repaired)))


@advises(
    "If the texts to predict will not contain the label, remove it from the texts (for example, leave a rating column "
    "out of fields.text)"
)
def test_texts_that_contain_their_label(tmp_path):
    lines = each(text=lambda n: f"words number {n}", label=lambda n: ["good", "bad"][n % 2])
    said = [row | {"rating": row["label"]} for row in lines]
    ends(
        tmp_path,
        "labels_in_texts",
        "If the texts to predict will not contain the label, remove it from the texts (for example, leave a rating "
        "column out of fields.text)",
        Way(said, fields={"text": ["rating", "text"]}),
        Way(fields={"text": "text"}),
    )


def unsplit(path):
    """Return the finding of reviews that cannot be split, and its first line."""
    [problem] = [finding for finding in check(path).findings if finding.key == "no_splits"]
    return problem, problem.examples[0].line


@advises("To measure only the first fold, set splits.fold: 1")
def test_a_fold_without_a_label(tmp_path):
    lines = [row | ({"label": "c"} if row["n"] in (3, 8) else {}) for row in rows()]
    folds = {"folds": 3, "seed": 4}
    _, line = unsplit(write(tmp_path, Way(lines, more={"splits": folds})))
    hear(line, "To measure only the first fold, set splits.fold: 1")
    assert "no_splits" not in checked(write(tmp_path, Way(lines, more={"splits": folds | {"fold": 1}})))


@advises("Solve each problem as its line says")
def test_reviews_that_cannot_be_split(tmp_path):
    few = [row for row in rows() if row["n"] < 8]
    path = write(tmp_path, Way(few, more={"splits": {"by": "hash", "seed": 5}}))
    problem, line = unsplit(path)
    hear(problem.fix, "Solve each problem as its line says")
    assert "replace splits.by with splits: {fractions: ...}" in line
    assert "no_splits" not in checked(write(tmp_path, Way(more={"splits": FRACTIONS})))


@advises("If lines were merged, set delimiter or quotes in the manifest")
def test_lines_that_quotation_marks_merge(tmp_path):
    lines = ['s0,"so far,a', *(f"s{n},some words {n},b" for n in range(1, 9)), 's9,the end",a']
    sentence = "If lines were merged, set delimiter or quotes in the manifest"
    ends(tmp_path, "long_texts", sentence, Way(raw=csv(*lines), name="r.csv"), Way(more={"quotes": False}))
    assert len(load_dataset(load_manifest(tmp_path / "0/manifest.yaml")).reviews) == ROWS + 10


@advises("If these texts are single reviews, raise inputs.sequence_length in the experiment file")
def test_texts_that_are_longer_than_others(tmp_path):
    long = " ".join(f"word{n}" for n in range(400))
    path = write(tmp_path, Way(rows(text=long)))
    hear(
        checked(path)["long_texts"],
        "If these texts are single reviews, raise inputs.sequence_length in the experiment file",
    )
    (tmp_path / "experiment.yaml").write_text("manifest: manifest.yaml\n")
    tokenizer = wordpiece_tokenizer([*SPECIAL, *long.split()])
    for length, last in ((64, 61), (512, 399)):
        overrides = [f"inputs.sequence_length={length}"]
        length = load_experiment(tmp_path / "experiment.yaml", overrides).inputs.sequence_length
        assert TextPreprocessing(tokenizer).encode([long], length)[0].max() == len(SPECIAL) + last


@advises(
    "If they mean that there is no label, empty the cells and set labels: {on_missing: drop}",
    "If they are real labels, list them and all others in labels: {map: ...}",
)
def test_labels_that_look_like_missing_values(tmp_path):
    before = Way(each(label=lambda n: ["a", "b", "None"][n % 3]))
    for place, sentence, way in (
        (
            "missing",
            "If they mean that there is no label, empty the cells and set labels: {on_missing: drop}",
            Way(each(label=lambda n: ["a", "b", ""][n % 3]), more={"labels": {"on_missing": "drop"}}),
        ),
        (
            "real",
            "If they are real labels, list them and all others in labels: {map: ...}",
            Way(more={"labels": {"map": {"a": ["a"], "b": ["b"], "None": ["None"]}}}),
        ),
    ):
        (tmp_path / place).mkdir()
        ends(tmp_path / place, "missing_like_labels", sentence, before, way)


@advises(
    "Shrink the files once, before the search",
    "Crop or pad them if their shapes matter",
    "If so, remove them from the records, or replace them with the full pictures",
)
def test_shapes_of_pictures(tmp_path):
    path = write(tmp_path, Way(rows(), **WITH_PICTURES))
    for key, shape, sentence in (
        ("huge_pictures", (6000, 4000), "Shrink the files once, before the search"),
        ("stretched_pictures", (200, 40), "Crop or pad them if their shapes matter"),
        ("tiny_pictures", (20, 20), "If so, remove them from the records, or replace them with the full pictures"),
    ):
        shade(1).resize(shape).save(tmp_path / "p3.png", compress_level=1)
        hear(checked(path)[key], sentence)
        shade(1).save(tmp_path / "p3.png")
        assert key not in checked(path)
    shade(1).resize((200, 40)).crop((0, 0, 60, 40)).save(tmp_path / "p3.png")
    assert "stretched_pictures" not in checked(path)
    shade(1).resize((20, 20)).save(tmp_path / "p3.png")
    assert "tiny_pictures" not in checked(write(tmp_path, Way(rows(photo=""), fields=PHOTOS)))


@advises("If they are a stock phrase, remove it from the records or leave it as it is")
def test_a_stock_phrase(tmp_path):
    stock = [{"text": "This item was exactly as described" + "!" * n} for n in range(24)]
    lines = [row | more for row, more in zip(many(200), [*stock, *[{}] * 176], strict=True)]
    sentence = "If they are a stock phrase, remove it from the records or leave it as it is"
    ends(tmp_path, "common_texts", sentence, Way(lines), Way(many(200)))
    assert check(write(tmp_path, Way(lines))).ok  # left as it is


@advises("If they are right and all values are positive, predict their logarithms")
def test_far_numbers_that_are_right(tmp_path):
    values = [n + 1 if n != 3 else 5000 for n in range(ROWS)]
    ends(
        tmp_path,
        "far_numbers",
        "If they are right and all values are positive, predict their logarithms",
        Way(each(n=lambda n: values[n]), fields={"label": "n"}, more={"task": "regression"}),
        Way(each(n=lambda n: float(np.log(values[n])))),
    )
