"""Choose the text encoder by the language of the training texts, and the length of its texts.

`encoders.text: auto` and `inputs.sequence_length: auto` are decided here.
"""

import math
import random
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automm.data.quality.language import ENGLISH, FOREIGN, UNDECIDED, languages
from automm.errors import WeightsError
from automm.models.encoders.packaged_texts import packaged_texts
from automm.models.encoders.preprocessing import TextPreprocessing
from automm.models.weights.fetch import missing_weights, weights_folder

OF_ENGLISH, OF_ALL = "minilm-l6", "me5-small"
SHOWN = 3  # languages in a reason
# A share of the training texts is read whole. Texts are padded to the longest of a batch, so that a limit below LEAST
# would save nothing; above MOST, encoding takes several times as long for the ends of few texts.
SHARE, LEAST, MOST = 0.9, 64, 256
STEP = 8  # lengths are multiples of it
SAMPLE = 10_000  # texts that `automm check` splits into tokens, which takes about a second


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


def check_installed(texts: Sequence[str]) -> None:
    """Check before pictures are decoded that the encoder that `auto` chooses is installed.

    The training split is known only after that, because reviews that share a picture are in one split. All texts are
    examined instead.

    Raises:
        WeightsError: it is not.
    """
    if not missing_weights(OF_ENGLISH, OF_ALL):
        return
    choice = text_encoder_for(texts)
    if missing_weights(choice.encoder):
        reason = choice.reason.replace("training texts", "texts")
        raise WeightsError(
            f"encoders.text: auto chooses {choice.encoder}, whose weights are not installed ({reason}). "
            f"Fetch them: automm weights {choice.encoder}"
        )


def sequence_length_for(lengths: np.ndarray) -> tuple[int, str]:
    """Choose the most tokens of a text, and say why.

    Args:
        lengths: (n,) integers, the tokens of each training text.
    """
    needed = int(np.quantile(lengths, SHARE, method="inverted_cdf")) if len(lengths) else 0
    value = min(MOST, max(LEAST, math.ceil(needed / STEP) * STEP))
    longer = float(np.mean(lengths > value)) if len(lengths) else 0.0
    return value, f"{SHARE:.0%} of the training texts have at most {needed} tokens; {longer:.1%} are cut"


def reading_of(train: Sequence[str]) -> tuple[str, ...]:
    """Return lines for `automm check`: the text encoder and the length that a search chooses, and why.

    Only the tokenizer is loaded. Of more than SAMPLE training texts a fixed sample is split into tokens.
    """
    choice = text_encoder_for(train)
    lines = [f"encoders.text: auto is {choice.encoder}: {choice.reason}"]
    wanted = _preprocessing(choice.encoder)
    if wanted is None:
        fetch = f"automm weights {choice.encoder}"
        return (*lines, f"inputs.sequence_length: auto is not known without the weights of the encoder: {fetch}")
    sampled = len(train) > SAMPLE
    texts = random.Random(0).sample(list(train), SAMPLE) if sampled else train
    length, reason = sequence_length_for(wanted.lengths(texts))
    note = f" (in a sample of {SAMPLE:,})" if sampled else ""
    return (*lines, f"inputs.sequence_length: auto is {length} tokens: {reason}{note}")


def _preprocessing(encoder: str) -> TextPreprocessing | None:
    """Return how an encoder wants its texts; None if its weights are not installed."""
    folder = weights_folder(encoder)
    return None if folder is None else packaged_texts(encoder, folder).preprocessing


def _by_letters(train: Sequence[str]) -> Choice:
    letters = Counter(
        unicodedata.name(letter, "").startswith("LATIN") for text in train for letter in text if letter.isalpha()
    )
    if not letters:
        return Choice(OF_ENGLISH, "the training texts contain no letters")
    other = letters[False] / letters.total()
    encoder = OF_ALL if other >= FOREIGN else OF_ENGLISH
    return Choice(encoder, f"the language of no training text is certain; {other:.0%} of their letters are not Latin")
