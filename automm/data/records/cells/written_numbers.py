"""Read numbers as people write them: "$1,250.00", "1.250,00 €", "1 250,5"."""

import re
import unicodedata
from collections.abc import Iterable

_DIGITS = re.compile(r"([-+]?)([0-9][0-9.,' ]*)")
_CURRENCIES = frozenset(
    re.findall(
        r"\S+",
        "usd eur gbp jpy cny rmb rub inr brl chf cad aud mxn krw idr sek nok dkk pln czk try zar r$ rs rp kr zł ft kč "
        "р руб",  # noqa: RUF001 (Cyrillic)
    )
)
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u202f\u2009", " "))  # between thousands


def written_number(text: str, decimal: str) -> str | None:
    """Return a number in plain form, "1250.00"; None if the text is none with this decimal mark.

    A currency (its symbol, or letters such as USD) may be before or after it; thousands may be set apart in threes.
    """
    digits = _stripped(text)
    if digits is None:
        return None
    sign, number = digits
    whole, _, rest = number.partition(decimal)
    if rest and not rest.isdecimal():
        return None
    other = "." if decimal == "," else ","
    groups = re.split(rf"[{other}' ]", whole)
    if not all(group.isdecimal() for group in groups) or any(len(group) != 3 for group in groups[1:]):
        return None
    if len(groups) > 1 and len(groups[0]) > 3:
        return None
    return f"{sign}{''.join(groups)}{'.' + rest if rest else ''}"


def decimal_mark(cells: Iterable[str]) -> str | None:
    """Return the decimal mark with which all texts are numbers; None if there is none, or if both fit and differ."""
    texts = list(cells)
    fitting = [mark for mark in (".", ",") if texts and all(written_number(text, mark) is not None for text in texts)]
    if len(fitting) == 2:
        read = [[written_number(text, mark) for text in texts] for mark in fitting]
        return "." if [_plain(n) for n in read[0]] == [_plain(n) for n in read[1]] else None
    return fitting[0] if fitting else None


def _plain(number: str | None) -> float:
    return float(number or "nan")


def _stripped(text: str) -> tuple[str, str] | None:
    """Return the sign and the digits of a text without its currency."""
    bare = "".join(" " if unicodedata.category(letter) == "Sc" else letter for letter in text.translate(_SPACES))
    match = _DIGITS.search(bare)
    if match is None:
        return None
    before, after = bare[: match.start()].strip(), bare[match.end() :].strip()
    if (before and after) or not all(part.lower().rstrip(".") in _CURRENCIES for part in (before, after) if part):
        return None
    return match[1], match[2].strip()
