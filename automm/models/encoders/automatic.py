"""Choose the text encoder by the language of the training texts: `encoders.text: auto`."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from automm.data.quality.language import ENGLISH, FOREIGN, UNDECIDED, languages

OF_ENGLISH, OF_ALL = "minilm-l6", "me5-small"
SHOWN = 3  # languages in a reason


@dataclass(frozen=True)
class Choice:
    """An encoder, and why it was chosen, for the log, the run and `automm check`."""

    encoder: str
    reason: str


def text_encoder_for(train: Sequence[str]) -> Choice:
    """Choose an encoder that reads the training texts: OF_ENGLISH, or OF_ALL if a fifth of them are not English.

    Texts whose language is undecided do not count. If all are, the share of letters that are not Latin decides.

    Args:
        train: the training texts; a fixed sample of 2,000 is examined.
    """
    counts = Counter(languages(train).values())
    decided = counts.total() - counts[UNDECIDED]
    if not decided:
        return _by_letters(train)
    foreign = 1 - counts[ENGLISH] / decided
    encoder = OF_ALL if foreign >= FOREIGN else OF_ENGLISH
    shares = [f"{count / decided:.0%} {name}" for name, count in counts.most_common() if name != UNDECIDED]
    more = ", ..." if len(shares) > SHOWN else ""
    return Choice(encoder, f"the language of {decided:,} training texts: {', '.join(shares[:SHOWN])}{more}")


def _by_letters(train: Sequence[str]) -> Choice:
    letters = Counter(
        unicodedata.name(letter, "").startswith("LATIN") for text in train for letter in text if letter.isalpha()
    )
    if not letters:
        return Choice(OF_ENGLISH, "the training texts contain no letters")
    other = letters[False] / letters.total()
    encoder = OF_ALL if other >= FOREIGN else OF_ENGLISH
    return Choice(encoder, f"the language of no training text is certain; {other:.0%} of their letters are not Latin")
