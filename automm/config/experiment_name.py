"""The name of an experiment, which is also the name of a folder. It keeps the letters of every script."""

import unicodedata

from automm.errors import JOINERS

LONGEST_NAME, LONGEST_FOLDER = 80, 200  # characters, and bytes in UTF-8


def plain_name(name: str) -> str:
    """Return a text as a legal name: letters, their marks and digits stay, and other characters become "-"."""
    letters = [letter if _is_plain(letter) else " " for letter in unicodedata.normalize("NFC", name)]
    words = "-".join("".join(letters).split())
    short = words[:LONGEST_NAME].encode()[:LONGEST_FOLDER].decode(errors="ignore")
    return short.strip(f"-.{JOINERS}") or "experiment"


def legal_name(name: str) -> str:
    """Return a name if it is legal.

    Raises:
        ValueError: it is not; the message has a similar legal one.
    """
    is_legal = all(map(_is_plain, name)) and name[:1].strip(f"-.{JOINERS}")
    if is_legal and len(name) <= LONGEST_NAME and len(name.encode()) <= LONGEST_FOLDER:
        return name
    raise ValueError(
        f"a name has letters and digits of any script, '.', '_' and '-', and at most {LONGEST_NAME} characters. Write "
        f"{plain_name(name)!r}"
    )


def _is_plain(letter: str) -> bool:
    return letter in "._-" or letter in JOINERS or unicodedata.category(letter)[0] in "LMN"
