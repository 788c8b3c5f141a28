"""What ties reviews to one another: a group, the same text, the same picture."""

import hashlib
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from automm.data.reviews import Review
from automm.data.sections import TIES
from automm.data.unions import Unions

TELLING_WORDS, TELLING_LENGTH = 4, 20  # words; characters, for scripts that write without spaces


def components(
    reviews: Sequence[Review], digests: Mapping[Path, str], kinds: Collection[str] = TIES
) -> list[list[int]]:
    """Rows that belong together: by group, by text, by picture, and through one another.

    Args:
        digests: of pictures; one without is known by its path.
        kinds: of ties that count, some of `TIES`.
    """
    unions = Unions(len(reviews))
    first: dict[bytes, int] = {}
    for row, review in enumerate(reviews):
        for tie in _ties(review, digests, kinds):
            unions.join(row, first.setdefault(_short(tie), row))
    return unions.sets()


def normal_text(text: str) -> str:
    """One form for texts that differ in case, width, ligatures or spaces."""
    if text.isascii():  # the same, at a third of the cost
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def telling_text(text: str) -> str:
    """The normal form of a text that is recognised by it; "" of one such as "Great!", shared by chance."""
    normal = normal_text(text)
    return normal if len(normal) >= TELLING_LENGTH or normal.count(" ") >= TELLING_WORDS - 1 else ""


def whole_key(review: Review, digests: Mapping[Path, str]) -> tuple[str, ...] | None:
    """What reviews that repeat one another share: text, pictures, columns; without pictures, a text that is telling.

    Pictures that are not there, or not yet, count by their names or URLs. None of a review that may be like others by
    chance: "Great!", and no picture.
    """
    pictures = sorted([*(picture_name(path, digests) for path in review.images), *review.absent])
    text = normal_text(review.text) if pictures else telling_text(review.text)
    columns = [repr(part) for part in (review.numbers, review.categories, review.history) if part]
    return (text, *pictures, *columns) if text or pictures else None


def picture_name(path: Path, digests: Mapping[Path, str]) -> str:
    """The digest of a picture, else its path."""
    return digests[path] if path in digests else str(path)


def _ties(review: Review, digests: Mapping[Path, str], kinds: Collection[str]) -> Iterator[str]:
    if "pictures" in kinds:
        for path in review.images:
            yield f"picture {picture_name(path, digests)}"
    if "texts" in kinds and (text := telling_text(review.text)):
        yield f"text {text}"
    if "groups" in kinds and review.group is not None:
        yield f"group {review.group}"


def _short(tie: str) -> bytes:
    """In place of a text, which a million reviews could not keep twice."""
    return hashlib.blake2b(tie.encode("utf-8", "surrogatepass"), digest_size=16).digest()
