"""How plausible a text is in an encoding that it may be written in: whether its characters are those of a language.

Nearly any bytes can be read in any of these encodings, so what counts is what the text would say. A reading in another
script is plausible where most characters beyond ASCII are common ones in words of their own: those of a Western text
stand beside ASCII letters instead ("tr\u9463s" for "très" in gb18030).
"""

import re
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass

HALF = 0.5  # the share of characters in place above which a reading is worth naming
ODD = 0.2  # the share of characters out of place by which Mac OS Roman must be better than cp1252

_SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成"
    "方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实很非常太喜欢买质量错差快递物商品包装服务"
    "店味道价格便宜贵颜色收货给再次推荐满意手机电脑水吃房间酒店环境衣服尺码客卖评论问题用新老高低真美"
)
_TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事成"
    "方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心本前開但因只從想實很非常太喜歡買質量錯差快遞物商品包裝服務"
    "店味道價格便宜貴顏色收貨給再次推薦滿意手機電腦水吃房間酒店環境衣服尺碼客賣評論問題新老高低真美"
)
_HANGUL = (
    "이다는에가을를의고은하로지도한서있어아기해나그사게자리정보시만요으들대수스인라일"
    "전과음습니했면네구안없좋었주저부너무상품배송제"
)
_CYRILLIC = "оеаинтсрвлі"
_KANA = "".join(map(chr, range(0x3041, 0x30FF)))


@dataclass(frozen=True)
class Reading:
    """Bytes as they read in one encoding.

    Attributes:
        home: the share of characters beyond ASCII that are common ones of the script, in words of their own.
        frequent: the share of them that are among the most frequent ones.
        plausible: whether both are as in texts of the script.
    """

    encoding: str
    home: float
    frequent: float
    plausible: bool


@dataclass(frozen=True)
class _Script:
    """What tells a script, and the least shares of it.

    Attributes:
        common: counts the common characters of a word in an encoding.
        frequent: the most frequent characters.
    """

    common: Callable[[str, str], int]
    frequent: str
    least_home: float
    least_frequent: float


def other_scripts(raw: bytes) -> list[Reading]:
    """The readings in Chinese, Japanese, Korean and Cyrillic encodings that say something, the likeliest first."""
    found = []
    for encoding, script in _SCRIPTS.items():
        text = decoded(raw, encoding)
        if text is None:
            continue
        beyond = max(1, sum(not char.isascii() for char in text))
        home = sum(script.common(word, encoding) for word in _words(text)) / beyond
        frequent = sum(char in script.frequent for char in text.lower() if not char.isascii()) / beyond
        if home >= HALF and frequent >= script.least_frequent:
            found.append(Reading(encoding, home, frequent, home >= script.least_home))
    return sorted(found, key=lambda reading: (reading.plausible, reading.frequent), reverse=True)


def is_mac_roman(raw: bytes) -> bool:
    """Whether Western bytes make words in Mac OS Roman, and in cp1252 symbols or capitals inside of words."""
    mac, western = _out_of_place(raw, "mac_roman"), _out_of_place(raw, "cp1252")
    in_words = re.search(rb"[A-Za-z][\x80-\xff]|[\x80-\xff][A-Za-z]", raw)  # a lone byte makes no word
    return mac < ODD and western > mac + ODD and in_words is not None


def decoded(raw: bytes, encoding: str) -> str | None:
    """The text; None where the bytes are not of this encoding."""
    try:
        return raw.decode(encoding)
    except UnicodeError:
        return None


def _words(text: str) -> Iterator[str]:
    """Runs of characters beyond ASCII, without those that stand beside an ASCII letter."""
    for found in re.finditer(r"[^\x00-\x7f]+", text):
        start, end = found.span()
        start += text[start - 1 : start].isalpha()
        end -= text[end : end + 1].isalpha()
        if start < end:
            yield text[start:end]


def _coded(word: str, encoding: str, leads: Container[int], least_trail: int = 0) -> int:
    """How many characters have two bytes in the part of the encoding that holds common ones."""
    written = [char.encode(encoding) for char in word]
    return sum(len(one) == 2 and one[0] in leads and one[1] >= least_trail for one in written)


def _simplified(word: str, encoding: str) -> int:
    """Punctuation, full-width forms and level 1 of GB 2312."""
    return _coded(word, encoding, (0xA1, 0xA3, *range(0xB0, 0xD8)), 0xA1)


def _traditional(word: str, encoding: str) -> int:
    """Punctuation and level 1 of Big5."""
    return _coded(word, encoding, range(0xA1, 0xC7))


def _japanese(word: str, encoding: str) -> int:
    """Kana, punctuation, full-width forms, and level 1 of JIS X 0208."""
    level = range(0x88, 0x98) if encoding in ("shift_jis", "cp932") else range(0xB0, 0xD0)
    others = sum("\u3000" <= char <= "\u30ff" or "\uff01" <= char <= "\uff5e" for char in word)
    return others + _coded(word, encoding, level)


def _korean(word: str, encoding: str) -> int:
    """Syllables and punctuation."""
    return sum("\uac00" <= char <= "\ud7a3" or "\u3000" <= char <= "\u303f" for char in word)


def _cyrillic(word: str, encoding: str) -> int:
    """Letters of words of three and more, because a lone "à" reads as one; in lower case but for the first."""
    words = re.findall(r"[\u0400-\u045f\u0490\u0491]+", word)
    return sum(len(one) for one in words if len(one) >= 3 and one[1:].islower())


# The shares were tried on messages of Debian's programs in 20 languages: of three messages, and of twenty.
# Of two that read the same, the first is named: shift_jis is a part of cp932, euc_kr of cp949.
_SCRIPTS = {
    "gb18030": _Script(_simplified, _SIMPLIFIED, 0.8, 0.05),
    "big5": _Script(_traditional, _TRADITIONAL, 0.8, 0.05),
    "shift_jis": _Script(_japanese, _KANA, 0.8, 0.15),
    "cp932": _Script(_japanese, _KANA, 0.8, 0.15),
    "euc_jp": _Script(_japanese, _KANA, 0.8, 0.15),
    "euc_kr": _Script(_korean, _HANGUL, 0.8, 0.1),
    "cp949": _Script(_korean, _HANGUL, 0.8, 0.1),
    "cp1251": _Script(_cyrillic, _CYRILLIC, 0.6, 0.4),
    "koi8_r": _Script(_cyrillic, _CYRILLIC, 0.6, 0.4),
}

# At the ends of words: quotation marks, then signs.
_SYMBOLS = (
    "\u201c\u201d\u201e\u2018\u201a\u00ab\u00bb\u2039\u203a"
    "\u2026\u20ac\u00a3\u00b0\u00a7\u00a9\u00ae\u2122\u00b2\u00b3\u00b9\u00bd\u00bc\u00be\u00d7\u00f7\u00b1\u00b5\u00bf\u00a1\u00aa\u00ba\u2022\u2020"
)
# Inside of words, too: the apostrophe and dashes; in cp1252 spaces, hyphens, the acute accent and the Catalan point.
_ANYWHERE = {"cp1252": "\u2019\u2013\u2014\u00a0\u00ad\u00b4\u00b7", "mac_roman": "\u2019\u2013\u2014\u00a0"}
_NO_LETTERS = "\u0131\u0192\ufb01\ufb02\u02c6\u00aa\u00ba"


def _out_of_place(raw: bytes, encoding: str) -> float:
    """The share of characters beyond ASCII that no Western text has where they stand; 1.0 of other bytes."""
    text = decoded(raw, encoding)
    if text is None:
        return 1.0
    found = [match.start() for match in re.finditer(r"[^\x00-\x7f]", text)]
    wrong = sum(
        not _in_place(text[max(0, n - 1) : n], text[n], text[n + 1 : n + 2], _ANYWHERE[encoding]) for n in found
    )
    return wrong / max(1, len(found))


def _in_place(before: str, char: str, after: str, anywhere: str) -> bool:
    """Whether a character may stand between two others, "" at an end of the text."""
    if char in anywhere:
        return True
    if char.isalpha() and char not in _NO_LETTERS:
        begins = not before.isalpha() or before.isupper()
        return not (before + after).isdigit() and (char.islower() or begins)
    return char in _SYMBOLS and not (before.isalpha() and after.isalpha())
