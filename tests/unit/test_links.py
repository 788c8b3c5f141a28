"""Links by copies of a text, by pictures and by groups, and that they are computed once."""

import random
import time
from pathlib import Path

import numpy as np
import pytest

from automm.data.manifest import parse_manifest
from automm.data.records.reviews import Dataset, Review
from automm.data.splitting import links as links_module
from automm.data.splitting import near_texts as near_module
from automm.data.splitting.duplicates import drop_duplicates
from automm.data.splitting.folds import fold_rows
from automm.data.splitting.links import Links, link_reviews, links_of, most_copies
from automm.data.splitting.near_texts import near_texts
from automm.data.splitting.other_folds import other_folds
from automm.data.splitting.split import split_dataset
from automm.data.splitting.text_forms import distinctive_text, linking_text

POST = "The hall was full, and nobody left before the end"


def review(number, text="", images=(), group=None, label=None):
    paths = tuple(Path(name) for name in images)
    return Review(str(number), text, paths, label or "xy"[number % 2], group, None, f"r.jsonl:{number}")


def dataset(reviews, **more):
    content = {"name": "x", "records": "r.jsonl", "fields": {"text": "t", "label": "l"}, **more}
    return Dataset(parse_manifest(content, Path("manifest.yaml")), [*reviews], ("x", "y"), {})


def alone(count, begin=0):
    return [review(n, f"a text of its own, number {n}") for n in range(begin, begin + count)]


@pytest.mark.parametrize(
    "copy",
    [
        f"RT @somebody: {POST}",
        f"RT @a_b: RT @c: {POST}",
        f"rt: {POST}",
        f'"@somebody: {POST}"',
        f"{POST} via @somebody",
        f"{POST} https://t.co/Ab3dEf www.example.org/x?y=1 pic.twitter.com/Zz9",
        f"RT @somebody: {POST} http://t.co/Ab…",
        f"RT @somebody: {POST} htt…",
        f".@somebody {POST} @another",
        "the #hall was full and #nobody left, before the END!!!",
        "the hall was full&#44; and nobody left &#98;efore the end&hellip;",
        "The hall was full, and nobody left befo\u00adre the end\ufe0f",
        "\uff34\uff48\uff45 hall\u00a0was\nfull -- and “nobody” left before the end",
    ],
)
def test_copies_of_a_post_have_one_form(copy):
    assert linking_text(copy) == linking_text(POST) == "the hall was full and nobody left before the end"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I have rated this product 5 of 10", "I have rated this product 4 of 10"),
        ("It is 4.5 metres long and wide", "It is 45 metres long and wide"),
        ("What a day it was 😀", "What a day it was 😡"),
        (
            "这家餐厅的味道真的非常好\uff0c服务也很周到\uff0c下次还会再来",
            "这家餐厅的味道真的非常差\uff0c服务也很周到\uff0c下次还会再来",
        ),
        ("मुझे यह किताब बहुत अच्छी लगी", "मुझे यह किताब बहुत अच्छा लगा"),
        ("http://t.co/aOBrMZ8SLI http://t.co/sWsPUBa8fN", "http://t.co/it2GOQaWb7 http://t.co/grNlUz2DMJ"),
        ("😍 😍 😍 😍", "😡 😡 😡 😡"),
    ],
)
def test_different_texts_have_different_forms(one, other):
    assert linking_text(one) != linking_text(other)
    assert linking_text(one)


def test_copies_in_a_script_without_spaces_have_one_form():
    post = "这家餐厅的味道真的非常好\uff0c服务也很周到\uff0c下次还会再来"
    assert linking_text(f"{post}\uff01http://t.cn/A6xyz") == linking_text(f"//@somebody:{post}") == linking_text(post)
    assert linking_text(f"http://t.cn/A6xyz{post}") == linking_text(post)


@pytest.mark.parametrize("text", ["", "Great!", "RT @somebody: so good", "I don't know", "😍😍😍", "so-so, must-buy"])
def test_short_texts_are_linked_only_by_their_normal_form(text):
    assert linking_text(text) == distinctive_text(text)


def test_copies_of_a_post_are_linked_and_others_are_not():
    reviews = [*alone(3), review(3, POST), review(4, f"RT @a: {POST} http://t.co/1"), review(5, POST.upper())]
    links = link_reviews(reviews, {})
    assert links.shared["texts"] == [[3, 4, 5]]
    assert sorted(links.components) == [[0], [1], [2], [3, 4, 5]]
    assert links.common_texts == []


def test_copies_of_a_post_are_in_one_split():
    copies = [review(2 * n + side, f"{'RT @a: ' * side}{POST}, {n} times") for n in range(40) for side in (0, 1)]
    for seed in range(3):
        data = dataset(copies, splits={"seed": seed})
        splits = split_dataset(data, links_of(data, {}))
        split_of = {int(row): name for name, rows in splits.items() for row in rows}
        assert all(split_of[2 * n] == split_of[2 * n + 1] for n in range(40))


def test_copies_of_a_post_are_not_dropped_as_duplicates():
    data = dataset([review(0, POST), review(2, f"RT @a: {POST}"), review(4, POST)], drop_duplicates=True)
    assert [one.id for one in drop_duplicates(data, {}).reviews] == ["0", "2"]


@pytest.mark.parametrize(("count", "most"), [(24, 20), (2_000, 20), (2_100, 21), (1_000_000, 10_000)])
def test_the_limit_of_copies(count, most):
    assert most_copies(count) == most


def test_a_common_phrase_links_only_equal_texts():
    phrase = "This item was as described"
    marks = ["", ".", "!"]
    few = [*(review(n, phrase + marks[n % 3]) for n in range(20)), *alone(30, 20)]
    assert link_reviews(few, {}).shared["texts"] == [[*range(20)]]
    many = [*(review(n, phrase + marks[n % 3]) for n in range(21)), *alone(30, 21)]
    links = link_reviews(many, {})
    assert links.shared["texts"] == [[*range(0, 21, 3)], [*range(1, 21, 3)], [*range(2, 21, 3)]]
    assert links.common_texts == [[*range(21)]]
    same = link_reviews([*(review(n, phrase) for n in range(21)), *alone(30, 21)], {})
    assert (same.shared["texts"], same.common_texts) == ([[*range(21)]], [])


def test_components_of_some_reviews_ignore_the_others():
    reviews = [review(0, group="g"), review(1, group="g", images=["a.png"]), review(2, images=["a.png"]), review(3)]
    links = link_reviews(reviews, {})
    assert links.components == [[0, 1, 2], [3]]
    assert links.components_of([0, 2, 3]) == [[0], [1], [2]]
    assert links.components_of([3, 2, 1]) == [[0], [1, 2]]
    assert links.components_of([0, 1, 2], ["groups"]) == [[0, 1], [2]]


def test_texts_that_are_nearly_the_same():
    post = "the old hall at the harbour was full of people and nobody left before the very end of it"
    other = "a small red boat came in late that evening with nine men and a dog on board of it"
    near = [post.replace("people", "persons"), f"RT @a: {post[:-10]}…", f"RT @a: {post}"]
    texts = [other, post, *near, other.replace("small", "little"), "short", post.replace("left", "left 5 minutes")]
    assert near_texts(texts) == [[0, 5], [1, 2, 3, 4]]
    assert near_texts(texts[::-1]) == [[2, 7], [3, 4, 5, 6]]
    assert near_texts([post, f"RT @a: {post}"]) == []  # one form: linked without near texts


def test_texts_of_a_script_without_spaces_that_are_nearly_the_same():
    post = "这家餐厅的味道真的非常好服务也很周到下次还会带着家人朋友一起再来吃饭"
    assert near_texts([post, post.replace("家人", ""), "今天天气不错我们一起去公园里面散步看花然后回家做饭"]) == [
        [0, 1]
    ]


def test_a_chain_of_near_texts_is_not_merged():
    words = [f"{a}{b}" for a in "bcdfghklmn" for b in "aeiou"]
    texts = [" ".join(words[n : n + 20]) for n in range(0, 24, 4)]  # each shares 14 of 22 runs with the next
    assert near_texts(texts) == [[0, 1], [2, 3], [4, 5]]


def test_texts_of_one_phrase_are_not_compared_in_pairs(monkeypatch):
    words = [f"{a}{b}{c}" for a in "bcdfghklmn" for b in "aeiou" for c in "bcdfghklmnprst"]
    phrase = " ".join(words[:20])
    own = random.Random(1)
    texts = [f"{phrase} {' '.join(own.sample(words[20:], 12))}" for _ in range(400)]
    compared: list[object] = []
    jaccard = near_module._jaccard
    monkeypatch.setattr(near_module, "_jaccard", lambda *pair: compared.append(pair) or jaccard(*pair))
    assert near_texts(texts) == []
    assert len(compared) < 100 * len(texts)  # of 80,000 pairs, most share a band
    copies = [f"{text} indeed" for text in texts[::10]]
    assert near_texts(texts + copies) == [[10 * n, 400 + n] for n in range(40)]


def test_repeated_retweet_signs_take_linear_time():
    begin = time.process_time()
    assert linking_text("RT " * 400_000 + POST) == linking_text(POST)
    assert time.process_time() - begin < 2  # seconds; quadratic time took more than ten


@pytest.mark.parametrize(
    ("rules", "linked"),
    [
        ({}, False),
        ({"near_duplicates": "together"}, True),
        ({"near_duplicates": "together", "keep_together": ["pictures"]}, False),
        ({"near_duplicates": "together", "keep_together": ["texts"]}, True),
    ],
)
def test_near_texts_are_linked_if_the_manifest_says_so(rules, linked):
    reviews = [review(0, f"{POST}, it was so good"), review(1, f"{POST}, it was so very good"), *alone(8, 2)]
    links = links_of(dataset(reviews, splits=rules), {})
    assert ([0, 1] in links.components) == linked


def test_too_many_near_texts_are_not_linked():
    near = [[*range(21)], [21, 22]]
    assert link_reviews(alone(40), {}, near=near).near_texts == [[21, 22]]


def test_one_set_of_links_serves_all_folds(monkeypatch):
    data = dataset([*alone(60), review(60, POST), review(61, f"RT @a: {POST}")], splits={"folds": 5})
    read = []
    monkeypatch.setattr(links_module, "linking_text", lambda text: read.append(text) or linking_text(text))
    found: list[object] = []
    components = Links.components_of
    monkeypatch.setattr(Links, "components_of", lambda *arguments: found.append(arguments) or components(*arguments))
    links = links_of(data, {})
    splits = [split_dataset(data, links), *other_folds(data, links).values()]
    assert len(splits) == 5
    assert len(read) == 62
    assert len(found) == 1
    fold_rows(data, links, np.sort(np.concatenate([splits[0]["train"], splits[0]["validation"]])), 5)
    assert len(read) == 62
