"""Question: how often do automm and its libraries alone detect encodings, wrongly decoded texts and languages?

Command:  python experiments/guessers.py
          python experiments/guessers.py --catalogs /usr/share/locale     also messages of the system's translations
          python experiments/guessers.py --tweets mvsa_single/data --encoding gb18030     also false alarms on English
Cost:     15 s of processor time, a minute with the catalogs; most of it is chardet, at 1 to 20 ms per file.
Data:     `review_texts.py`: 169 short reviews in 28 languages, written for this test, in the usual encodings of each.
Finding:  the libraries are at least as good as the former tables of letters and words, which are gone. What automm adds
          to each library is worth its lines. "Before" is automm with its tables, on the same files.

          correct, or found                           of       before    library alone    automm
          files of 1, 3 or 6 reviews                 440          276              420       427
            beside columns of English                440          276              352       427
          files of 1, 3 or 6 messages              5,546        3,103            5,347     5,383
            beside columns of English              5,546        3,103            4,873     5,381
          UTF-8 reviews decoded otherwise          1,096          325              914       914
            false alarms on correct texts            137            0                0         0
          sets of 6 reviews decoded as Western        70           29                -        65
            whose encoding is named                   70           25                -        63
            false alarms on correct texts             36            0                -         0
          languages of reviews                       169           79              165       159
            named wrong                                            48                4         0
          tweets reported as not English           3,669          269              557         0

          chardet is worse if ASCII surrounds the words; automm therefore gives it only the non-ASCII words. py3langid
          names a language for every text; automm uses it only if the model is sure. It would be sure for 117 tweets,
          but most tweets are plainly English, and automm does not load the model for those. Still wrong: Romanian in
          ISO 8859-16 (detected as cp1250), single words, UTF-8 decoded as cp1251 (48 of 137 are found), Russian in
          capitals.

Each table has a row for each encoding or language: how many samples it has, and how many of them are right.
"""

import argparse
import gettext
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import chardet
from ftfy.badness import is_bad
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from review_texts import ENCODINGS, REVIEWS

from automm.data.quality.checks.encodings import misread_texts
from automm.data.quality.checks.texts import misread
from automm.data.quality.language import ENGLISH, NAMES, SURE, UNDECIDED, languages
from automm.data.records.encoding import encoding_of

SIZES = (1, 3, 6)  # reviews per file
BESIDE = "an English title of the product, which is the same in every line of the file, 12.5"
MISREAD_AS = ("cp1252", "latin-1", "cp1250", "cp1251", "cp1254", "iso8859-2", "mac_roman", "cp437")
CATALOGS = {
    **{"de": "German", "fr": "French", "es": "Spanish", "pl": "Polish", "cs": "Czech", "hu": "Hungarian"},
    **{"tr": "Turkish", "ru": "Russian", "el": "Greek", "he": "Hebrew", "ar": "Arabic", "th": "Thai"},
    **{"zh_CN": "Chinese", "zh_TW": "Traditional Chinese", "ja": "Japanese", "ko": "Korean"},
}
MESSAGES = 120  # per catalog

Reviews = dict[str, Sequence[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--catalogs", type=Path, help="a folder of LANGUAGE/LC_MESSAGES/*.mo")
    parser.add_argument("--tweets", type=Path, help="a folder of .txt files, nearly all of them English")
    parser.add_argument("--encoding", default="utf-8", help="of the tweets")
    arguments = parser.parse_args()
    samples: dict[str, Reviews] = {"reviews": dict(REVIEWS)}
    if arguments.catalogs:
        samples["messages"] = {name: messages(arguments.catalogs, code) for code, name in CATALOGS.items()}
    for name, texts in samples.items():
        for beside in ("", BESIDE):
            title = f"encodings of files of {name}" + (", with columns of English beside them" if beside else "")
            show(title, encodings(texts, beside))
        show(f"UTF-8 {name} that were read in another encoding, and genuine ones taken for such", misread_utf8(texts))
        show(f"sets of six {name} that were read as cp1252 or Latin-1, and genuine ones", misread_sets(texts))
        show(f"languages of {name}", named(texts))
    if arguments.tweets:
        alarms([file.read_bytes().decode(arguments.encoding) for file in sorted(arguments.tweets.glob("*.txt"))])


def messages(folder: Path, code: str) -> list[str]:
    """Return long messages from the catalogs of one language."""
    found: list[str] = []
    for file in sorted((folder / code / "LC_MESSAGES").glob("*.mo")):
        with file.open("rb") as catalog, suppress(UnicodeDecodeError):  # the catalog does not name its charset
            found += [text.replace("\n", " ") for text in gettext.GNUTranslations(catalog)._catalog.values()]
    distinct = [text for text in dict.fromkeys(found) if len(text) > 20 and not text.isascii()]
    return distinct[:: len(distinct) // MESSAGES + 1]


def encodings(sample: Reviews, beside: str) -> Counter[tuple[str, str]]:
    """Count correctly decoded files by detector and by encoding."""
    right: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "r.csv"
        for encoding, texts in written(sample, SIZES):
            content = "id,text\n" + "".join(f'{n},{beside},"{text}"\n' for n, text in enumerate(texts))
            raw = content.encode(encoding)
            file.write_bytes(raw)
            guesses = {"automm": encoding_of(file)[0], "chardet": chardet.detect(raw)["encoding"]}
            right["all", encoding] += 1
            for who, guess in guesses.items():
                right[who, encoding] += reads(raw, guess) == content
    return right


def written(sample: Reviews, sizes: Sequence[int]) -> Iterator[tuple[str, Sequence[str]]]:
    """Return the encodings of each language, with non-ASCII texts that can be written in them."""
    for language, names in ENCODINGS.items():
        texts = sample.get(language, ())
        for encoding in names:
            for size in sizes:
                for begin in range(0, len(texts) - size + 1, size):
                    some = texts[begin : begin + size]
                    if not "".join(some).isascii() and reads(encoded(some, encoding), encoding) == "\n".join(some):
                        yield encoding, some


def encoded(texts: Sequence[str], encoding: str) -> bytes:
    return "\n".join(texts).encode(encoding, "replace")


def reads(raw: bytes, encoding: str | None) -> str | None:
    try:
        return raw.decode(encoding or "ascii")
    except UnicodeError:
        return None


def misread_utf8(sample: Reviews) -> Counter[tuple[str, str]]:
    """Count texts found to be wrongly decoded, by detector and by the encoding they were decoded with."""
    guessers: dict[str, Callable[[str], object]] = {"automm": misread, "ftfy": is_bad}
    found: Counter[tuple[str, str]] = Counter()
    for text in (text for texts in sample.values() for text in texts if not text.isascii()):
        for encoding in (*MISREAD_AS, "genuine"):
            read = text if encoding == "genuine" else text.encode().decode(encoding, "replace")
            found["all", encoding] += 1
            for who, guesser in guessers.items():
                found[who, encoding] += bool(guesser(read.replace("\ufffd", "")))
    return found


def misread_sets(sample: Reviews) -> Counter[tuple[str, str]]:
    """Count sets found to be wrongly decoded, and those whose encoding is named, by their encoding."""
    found: Counter[tuple[str, str]] = Counter()
    for encoding, texts in written(sample, [6]):
        for manifest in ("cp1252", "latin-1"):
            read = [reads(text.encode(encoding), manifest) for text in texts]
            if None in read:
                continue
            guess = misread_texts([str(text) for text in read], manifest)
            row = "genuine" if read == list(texts) else encoding
            raw = encoded(texts, encoding)
            found["all", row] += 1
            found["seen", row] += bool(guess.words)
            found["named", row] += bool(guess.encodings) and reads(raw, guess.encodings[0]) == "\n".join(texts)
    return found


def named(sample: Reviews) -> Counter[tuple[str, str]]:
    """Count texts with the right and the wrong language, by detector and by language."""
    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found: Counter[tuple[str, str]] = Counter()
    for language, texts in sample.items():
        true = language.removeprefix("Traditional ")
        alone = [NAMES.get(model.classify(text)[0], "another") for text in texts]
        for who, guesses in (("automm", languages(texts).values()), ("py3langid", alone)):
            found[who, language] += sum(guess == true for guess in guesses)
            found[f"{who} wrong", language] += sum(guess not in (true, UNDECIDED) for guess in guesses)
        found["all", language] += len(texts)
    return found


def alarms(texts: Sequence[str]) -> None:
    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    guesses = [model.classify(text) for text in texts if text.strip()]
    alone = Counter(NAMES.get(code, "another") for code, _ in guesses)
    sure = Counter(NAMES.get(code, "another") if probability >= SURE else UNDECIDED for code, probability in guesses)
    found = {"automm": Counter(languages(texts).values()), "py3langid": alone, "py3langid where it is sure": sure}
    for who, counts in found.items():
        judged = counts.total() - counts[UNDECIDED]
        print(f"{who}: {judged - counts[ENGLISH]:,} of {judged:,} tweets are not English: {counts.most_common(6)}")
    for who, guesser in (("automm", misread), ("ftfy", is_bad)):
        print(f"{who}: {sum(map(bool, map(guesser, texts))):,} of {len(texts):,} tweets look misread")


def show(title: str, found: Counter[tuple[str, str]]) -> None:
    columns, rows = (list(dict.fromkeys(key[place] for key in found)) for place in (0, 1))
    columns.sort(key="all".__ne__)
    print(f"\n{title}\n{'':<20}" + "".join(f"{column:>18}" for column in columns))
    for row in rows:
        print(f"{row:<20}" + "".join(f"{found[column, row]:>18,}" for column in columns))
    sums = [sum(found[column, row] for row in rows if row != "genuine") for column in columns]
    print(f"{'together':<20}" + "".join(f"{one:>18,}" for one in sums))


if __name__ == "__main__":
    main()
