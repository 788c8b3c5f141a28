"""Guess the languages of texts: English by its most common words, other languages by py3langid's model.

Loading the model takes 0.4 s of processor time, a quarter of a whole check of 2,800 tweets with their pictures. It is
therefore loaded only if so few texts are plainly English that other languages may reach the share that check reports.
`experiments/guessers.py` measures both.
"""

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

UNDECIDED = "undecided"
ENGLISH = "English"
FOREIGN = 0.2  # check reports other languages from this share on
SAMPLE = 2_000  # texts: a share is then off by at most two percentage points, 19 times in 20
SURE = 0.6  # below this probability of the model a text is undecided
LONGEST = 500  # characters of a text that are examined
FEWEST_WORDS = 4  # an English text in Latin letters of this length has some of the words below

# _TELLING: common English words that no other language in Latin letters uses. _SHARED: those that some do.
_TELLING = """
    about after also and any are bad because been before but can could don't down each ever from get good great
    happy have here him his how i'm if it it's just like love many much my never new nice not only our out really
    said she some still than thank thanks that the their them there these they this today use very way we were what
    when which who will with would you your
"""
_SHARED = """
    a all am an as at be best by day did do find first for had has he her i in is long made may me more most no now
    of off on one or over product so then to too up us was well
"""
_ENGLISH_ALONE = frozenset(_TELLING.split())
_ENGLISH = _ENGLISH_ALONE.union(_SHARED.split())

NAMES = {
    **{"af": "Afrikaans", "sq": "Albanian", "ar": "Arabic", "hy": "Armenian", "az": "Azerbaijani", "eu": "Basque"},
    **{"be": "Belarusian", "bn": "Bengali", "bs": "Bosnian", "bg": "Bulgarian", "my": "Burmese", "ca": "Catalan"},
    **{"zh": "Chinese", "hr": "Croatian", "cs": "Czech", "da": "Danish", "nl": "Dutch", "en": ENGLISH},
    **{"et": "Estonian", "fi": "Finnish", "fr": "French", "gl": "Galician", "ka": "Georgian", "de": "German"},
    **{"el": "Greek", "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "is": "Icelandic"},
    **{"id": "Indonesian", "ga": "Irish", "it": "Italian", "ja": "Japanese", "kn": "Kannada", "kk": "Kazakh"},
    **{"km": "Khmer", "ko": "Korean", "lo": "Lao", "lv": "Latvian", "lt": "Lithuanian", "mk": "Macedonian"},
    **{"ms": "Malay", "ml": "Malayalam", "mt": "Maltese", "mr": "Marathi", "mn": "Mongolian", "ne": "Nepali"},
    **{"no": "Norwegian", "fa": "Persian", "pl": "Polish", "pt": "Portuguese", "pa": "Punjabi", "ro": "Romanian"},
    **{"ru": "Russian", "sr": "Serbian", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "es": "Spanish"},
    **{"sw": "Swahili", "sv": "Swedish", "tl": "Tagalog", "ta": "Tamil", "te": "Telugu", "th": "Thai"},
    **{"tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "cy": "Welsh"},
}

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_NOT_PROSE = re.compile(r"https?://\S+|[@#]\w+|&\w+;")


def languages(texts: Sequence[str]) -> dict[int, str]:
    """Guess the language of each text that is not blank, or of a fixed sample of 2,000.

    Links, mentions and hashtags are ignored.

    Returns:
        By the place of a text: a name from `NAMES`, or `UNDECIDED`. Undecided are texts that
        the model is not sure about (mostly short ones) and, if nearly all texts are plainly English, all others.
    """
    places = [place for place, text in enumerate(texts) if text and not text.isspace()]
    if len(places) > SAMPLE:
        places = sorted(random.Random(0).sample(places, SAMPLE))
    prose = {place: _NOT_PROSE.sub(" ", texts[place][:LONGEST]) for place in places}
    words = {place: [word.lower().replace("\u2019", "'") for word in _WORD.findall(prose[place])] for place in places}
    english = {place: ENGLISH for place in places if _plainly_english(words[place])}
    decidable = [place for place in places if len(words[place]) >= FEWEST_WORDS or not "".join(words[place]).isascii()]
    others = sum(place not in english for place in decidable or places)
    guesses = dict.fromkeys(places, UNDECIDED) | english
    return guesses | _classified(prose) if others > FOREIGN * len(decidable or places) else guesses


def _plainly_english(words: list[str]) -> bool:
    common = _ENGLISH.intersection(words)
    return not common.isdisjoint(_ENGLISH_ALONE) or (len(common) >= 2 and "".join(words).isascii())


@cache
def _model() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages(NAMES)
    return model


def _classified(texts: Mapping[int, str]) -> dict[int, str]:
    """Return the languages of the texts that the model is sure of."""
    guesses = {place: _model().classify(text) for place, text in texts.items()}
    return {place: NAMES[code] for place, (code, probability) in guesses.items() if probability >= SURE}
