"""A cheap guess whether a text is English: its letters first, then its commonest words."""

import re

# The most frequent words of English, and what reviews and short messages are full of.
_COMMON = frozenset(
    re.findall(
        r"\S+",
        """the of and to a in is it you that he was for on are with as i his they be at this
        have from or had by but not what all were we when your can said there use an each which
        she do how their if will up out them then many some so these would like has more him
        see could no than been its who now my over did down only way find long day get made may
        very good great love just me our about after before here was's don't it's i'm really
        nice bad product well also too much any new happy best thanks thank today one off us
        her because ever never still""",
    )
)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_NOT_PROSE = re.compile(r"https?://\S+|[@#]\w+|&\w+;")


def looks_english(text: str) -> bool:
    """Whether a text could be English; a text without prose (links, mentions, numbers) counts as such."""
    words = [word.lower().replace("\u2019", "'") for word in _WORD.findall(_NOT_PROSE.sub(" ", text))]
    letters = "".join(words)
    if sum(letter.isascii() for letter in letters) < 0.8 * len(letters):
        return False
    # Six words of English without one of the commonest are rare; fewer are not.
    return len(words) < 6 or any(word in _COMMON for word in words)
