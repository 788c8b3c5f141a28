"""A cheap guess at the language of a text: its letters first, then its commonest words.

Not a trained classifier: of Latin letters it knows the languages of `WORDS`, and short texts stay undecided. It is good
enough to say that many texts of a data set are not what an English encoder reads, which is all that it is used for.
"""

import re
import unicodedata
from collections import Counter

UNDECIDED = "undecided"
OTHER_LATIN = "another language in Latin letters"
ENOUGH_WORDS = 6  # so many words of a language without one of its commonest are rare
FEWEST_HITS = 2

# The most frequent words of each language, and what reviews and short messages are full of.
WORDS = {
    name: frozenset(words.split())
    for name, words in {
        "English": """the of and to a in is it you that he was for on are with as i his they be at this have from or had
            by but not what all were we when your can said there use an each which she do how their if will up out them
            then many some so these would like has more him see could no than been its who now my over did down only way
            find long day get made may very good great love just me our about after before here was's don't it's i'm
            really nice bad product well also too much any new happy best thanks thank today one off us her because ever
            never still""",
        "German": """der die das und ist nicht ein eine ich mit auf für sehr gut auch es im den von zu dem sich aber war
            nur noch wie oder bei nach habe hat sind wird""",
        "French": """le la les des et est pas une je de du très bien pour avec que qui dans sur ce il au mais plus nous
            vous en ne cette produit sont c'est j'ai""",
        "Spanish": """el la los las de que y en un una es muy no por con para se lo pero como más bien está mi todo este
            producto al del su son""",
        "Portuguese": """o a os as de que e em um uma é muito não por com para se mas como mais bem está meu produto do
            da no na são foi""",
        "Italian": """il lo la gli di che e in un una è molto non per con si ma come più bene sono mi questo prodotto
            del della le ho ottimo""",
        "Dutch": """de het een en is niet van ik met op voor zeer goed ook dat maar was nog bij zijn naar heb heel aan
            er""",
        "Indonesian": """yang dan di tidak ini itu dengan untuk sudah saya barang tapi sesuai bagus sekali banget ga gak
            nya ada dari bisa cepat pengiriman terima kasih lagi juga kurang produk harga kualitas mantap
            pas bahan warna ukuran buat gambar""",
        "Turkish": """ve bir bu çok için ama da de ile güzel iyi ürün gibi daha ben o ne kadar değil var yok tavsiye""",
        "Polish": """i w na nie się z jest to że do bardzo dobry ale jak polecam dla od tak po za już ten""",
    }.items()
}

# Letters of these scripts tell a language, or a few; the first word of a letter's Unicode name is its script.
SCRIPTS = {
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "CJK": "Chinese",
    "CYRILLIC": "Cyrillic script",
    "ARABIC": "Arabic script",
    "HEBREW": "Hebrew",
    "GREEK": "Greek",
    "DEVANAGARI": "Devanagari script",
    "THAI": "Thai",
}

_LANGUAGES = {
    word: tuple(name for name, common in WORDS.items() if word in common) for word in frozenset().union(*WORDS.values())
}

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_NOT_PROSE = re.compile(r"https?://\S+|[@#]\w+|&\w+;")
_SHARE = 0.2  # of letters outside the Latin script


def language(text: str) -> str:
    """A name of `WORDS` or `SCRIPTS`, `OTHER_LATIN`, "another script", or `UNDECIDED`.

    Links, mentions and numbers do not count. Of Latin letters the language with most of its commonest words wins: one
    of English, two of another, because short words mean something in many. Without them fewer than six words stay
    undecided.
    """
    words = [word.lower().replace("\u2019", "'") for word in _WORD.findall(_NOT_PROSE.sub(" ", text))]
    letters = "".join(words)
    foreign = [] if letters.isascii() else [letter for letter in letters if not letter.isascii()]
    if len(foreign) > _SHARE * len(letters):
        scripts = Counter(unicodedata.name(letter, "unknown").split()[0] for letter in foreign)
        others = Counter({name: count for name, count in scripts.items() if name != "LATIN"})
        if others.total() > _SHARE * len(letters):
            # Japanese is full of Chinese characters; a few kana tell it.
            kana = others["HIRAGANA"] + others["KATAKANA"]
            [(commonest, _)] = others.most_common(1)
            return "Japanese" if kana > 0.1 * others.total() else SCRIPTS.get(commonest, "another script")
    hits = dict.fromkeys(WORDS, 0)
    for word in words:
        for name in _LANGUAGES.get(word, ()):
            hits[name] += 1
    best = max(hits, key=lambda name: hits[name])  # the first of equals: English
    if hits[best] >= FEWEST_HITS or (best == "English" and hits[best]):
        return best
    return UNDECIDED if len(words) < ENOUGH_WORDS else OTHER_LATIN
