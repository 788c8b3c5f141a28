"""Copies of a text have one form, and links do not depend on the order of reviews."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from automm.data.records.reviews import Review
from automm.data.splitting.links import link_reviews
from automm.data.splitting.near_texts import near_texts
from automm.data.splitting.text_forms import distinctive_text, linking_text

words = st.text(st.characters(categories=["Ll", "Lu", "Lo", "Mn", "Nd"]), min_size=1, max_size=8).filter(str.isalnum)
posts = st.lists(words, min_size=4, max_size=10)
names = st.from_regex(r"@[A-Za-z0-9_]{1,15}", fullmatch=True)
urls = st.from_regex(r"(https?://|www\.)[a-z0-9-]{1,9}\.[a-z]{2,3}(/[A-Za-z0-9?=&%#]{0,9})?", fullmatch=True)
marks = st.text(st.sampled_from("!?.,;:()[]{}\"'-_*#\u2026\u201c\u201d\u2014\u3002\u200b"), min_size=1, max_size=3)


@settings(max_examples=300, deadline=None)
@given(posts, st.data())
def test_links_mentions_marks_and_case_do_not_change_a_form(post, data):
    form = linking_text(" ".join(post))
    copy = []
    for word in post:
        copy.append(data.draw(st.sampled_from([word, word.upper(), f"#{word}", f"{word}!", f"({word})"])))
        copy += data.draw(st.lists(st.one_of(names, urls, marks), max_size=2))
    if data.draw(st.booleans()):
        copy = ["RT", f"{data.draw(names)}:", *copy]
    if any(one.upper().casefold() != one.casefold() for one in post):  # a few letters, such as dotless i
        copy = post
    assert linking_text(" ".join(copy)) == form


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_equal_normal_texts_have_equal_forms(one, other):
    for text in (one, f"{one} {other}", f"&{one};{other}"):
        spaced = f"  {text.replace(' ', '  ')}\n"
        assert distinctive_text(spaced) == distinctive_text(text)
        assert linking_text(spaced) == linking_text(text)
        assert linking_text(distinctive_text(text)) == linking_text(text) or not distinctive_text(text)


PHRASES = ["The hall was full of people", "nobody left before the end", "a boat came in late", "it was as described"]
texts = st.one_of(
    st.sampled_from(["", "Great!", "so good"]),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "RT @somebody: ", "#"]),
        st.sampled_from([*PHRASES, *(f"{one}, and {other}" for one in PHRASES for other in PHRASES)]),
        st.sampled_from(["", "!", " http://t.co/Ab3dEf", " 5", " indeed"]),
    ),
)


@st.composite
def reviews(draw):
    return [
        Review(
            id=str(number),
            text=draw(texts),
            images=tuple(map(Path, draw(st.lists(st.sampled_from(["a", "b", "c"]), max_size=2)))),
            label="x",
            group=draw(st.sampled_from([None, None, "g", "h"])),
            split=None,
            where=f"r.jsonl:{number}",
        )
        for number in range(draw(st.integers(1, 40)))
    ]


@settings(max_examples=100, deadline=None)
@given(reviews(), st.sets(st.sampled_from(["groups", "texts", "pictures"])), st.randoms())
def test_links_do_not_depend_on_the_order_of_the_reviews(some, kinds, random):
    shuffled = list(some)
    random.shuffle(shuffled)

    def found(these):
        near = near_texts([one.text for one in these])
        links = link_reviews(these, {}, sorted(kinds), near)
        return [
            {frozenset(these[row].id for row in rows) for rows in sets}
            for sets in (near, links.components, links.common_texts, *links.shared.values())
        ]

    assert found(shuffled) == found(some)


@settings(max_examples=100, deadline=None)
@given(reviews())
def test_components_equal_those_of_comparing_all_pairs(some):
    links = link_reviews(some, {})
    common = {row for rows in links.common_texts for row in rows}
    component = list(range(len(some)))
    for one in range(len(some)):
        for two in range(one):
            first, second = some[one], some[two]
            form = distinctive_text if one in common else linking_text
            if (
                (form(first.text) and form(first.text) == form(second.text))
                or set(first.images) & set(second.images)
                or (first.group is not None and first.group == second.group)
            ):
                component = [component[two] if at == component[one] else at for at in component]
    expected = {frozenset(row for row, at in enumerate(component) if at == one) for one in component}
    assert {frozenset(rows) for rows in links.components} == expected
