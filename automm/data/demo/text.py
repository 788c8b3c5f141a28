"""The sentences of the demo data: a reviewer's opinion of a product, never whether it arrived damaged."""

import numpy as np

SENTIMENTS = ("bad", "good")

_TITLES = {
    "bad": (
        "Disappointing {kind}",
        "I regret buying this {kind}",
        "A terrible {kind}",
        "Not worth the money",
        "Would not buy this {kind} again",
        "Poor quality {kind}",
        "Very unhappy with my {kind}",
        "Avoid this {kind}",
    ),
    "good": (
        "A wonderful {kind}",
        "I love this {kind}",
        "Excellent {kind}",
        "Worth every penny",
        "Would buy this {kind} again",
        "Very happy with my {kind}",
        "A great {kind}",
        "Highly recommended {kind}",
    ),
}
_OPENERS = (
    "I ordered the {colour} {kind} for {place}.",
    "My sister chose this {kind} for {place}.",
    "The {colour} {kind} came in {time}.",
    "We looked for a {kind} for {place} and settled on this one.",
    "I have had the {kind} for {time} now.",
    "This {colour} {kind} was meant for {place}.",
    "After {time} with the {kind}, here is my view.",
    "The {kind} in the photo is the one I bought for {place}.",
)
_PLACES = (
    "the kitchen",
    "my office",
    "the living room",
    "our holiday home",
    "my daughter's room",
    "the hall",
)
_TIMES = ("two weeks", "a month", "five days", "ten days", "a few weeks", "three months")
_VERDICTS = {
    "bad": (
        "The design is ugly and it feels cheap.",
        "It is awful to use and I am really disappointed.",
        "Customer service was rude and useless when I asked a question.",
        "It is badly made and annoys me every day.",
        "A horrible purchase, a complete waste of money.",
        "It looks nothing like the description and I hate it.",
        "The material is nasty and the price is a joke.",
        "I am angry that I paid so much for such rubbish.",
        "Everyone at home dislikes it, and so do I.",
        "It is uncomfortable, impractical and frustrating.",
    ),
    "good": (
        "The design is beautiful and it feels precious.",
        "It is a joy to use and I am delighted.",
        "Customer service was friendly and helpful when I asked a question.",
        "It is lovingly made and cheers me up every day.",
        "A fantastic purchase, a real bargain.",
        "It looks even better than the description and I adore it.",
        "The material is superb and the price is fair.",
        "I am thrilled that I found something this lovely.",
        "Everyone at home loves it, and so do I.",
        "It is comfortable, practical and charming.",
    ),
}
_REMARKS = (
    "Delivery took {time}.",
    "The courier rang twice.",
    "I paid by card.",
    "I took the photos on the same day.",
    "The shop sent a message before delivery.",
    "It is about the size that I expected.",
    "The invoice was in the box.",
    "A neighbour accepted the parcel.",
)


def compose(kind: str, colour: str, sentiment: str, rng: np.random.Generator) -> tuple[str, str]:
    """Return the title and body of a review.

    Args:
        kind: the product; the body names it.
        colour: the product's colour; some bodies name it.
        sentiment: one of SENTIMENTS; the body has three verdicts with it.
        rng: chooses the sentences.
    """
    words = {"kind": kind, "colour": colour, "place": _pick(_PLACES, rng), "time": _pick(_TIMES, rng)}
    verdicts = rng.choice(len(_VERDICTS[sentiment]), 3, replace=False)
    sentences = [_pick(_OPENERS, rng), *(_VERDICTS[sentiment][place] for place in verdicts)]
    if rng.random() < 0.4:
        sentences.insert(int(rng.integers(1, 4)), _pick(_REMARKS, rng))
    title = _pick(_TITLES[sentiment], rng)
    # Only the sentences above contain braces.
    return title.format(**words), " ".join(sentences).format(**words)


def _pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
