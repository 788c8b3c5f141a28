"""What ties reviews to one another: a group, the same text, the same picture."""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from automm.data.reviews import Review
from automm.data.unions import Unions

TELLING_WORDS, TELLING_LENGTH = 4, 20  # words; characters, for scripts that write without spaces


def components(reviews: Sequence[Review], digests: Mapping[Path, str]) -> list[list[int]]:
    """Rows that belong together: by group, by text, by picture, and through one another."""
    unions = Unions(len(reviews))
    first: dict[bytes, int] = {}
    for row, review in enumerate(reviews):
        for tie in _ties(review, digests):
            unions.join(row, first.setdefault(_short(tie), row))
    return unions.sets()


def normal_text(text: str) -> str:
    """One form for texts that differ in case, width, ligatures or spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def telling_text(text: str) -> str:
    """The normal form of a text that is recognised by it; "" of one such as "Great!", shared by chance."""
    normal = normal_text(text)
    return normal if len(normal) >= TELLING_LENGTH or normal.count(" ") >= TELLING_WORDS - 1 else ""


def picture_name(path: Path, digests: Mapping[Path, str]) -> str:
    """The digest of a picture, else its path."""
    return digests[path] if path in digests else str(path)


def _ties(review: Review, digests: Mapping[Path, str]) -> list[str]:
    ties = [f"picture {picture_name(path, digests)}" for path in review.images]
    if text := telling_text(review.text):
        ties.append(f"text {text}")
    if review.group is not None:
        ties.append(f"group {review.group}")
    return ties


def _short(tie: str) -> bytes:
    """In place of a text, which a million reviews could not keep twice."""
    return hashlib.blake2b(tie.encode("utf-8", "surrogatepass"), digest_size=16).digest()
