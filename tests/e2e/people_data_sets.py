"""Thirty small data sets of texts and pictures, written as people have them after downloading or exporting them.

Every builder writes one data set into an empty folder. `DATA_SETS` says which path a person would hand over, and what
a careful person would say is right about the data set. Nothing here uses the network, and every file is the same each
time.
"""

# The texts contain Cyrillic letters and curly quotation marks, which some settings of Ruff report.
# ruff: noqa: RUF001, RUF100

from __future__ import annotations

import base64
import colorsys
import csv
import hashlib
import io
import json
import random
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

FOLDER_NAME = "(folder)"
"""Stands for a label that is no column: the name of the folder that a picture is in."""


@dataclass(frozen=True)
class Expected:
    """What a careful person would say of a data set that can be read.

    `records` counts the reviews to learn from: the rows of the file that was handed over, or, where a folder was
    handed over, the rows of all its tables that have the label (never those of an unlabelled test table). `texts` are
    the columns to read, and `texts_may` those that do no harm as further text. `label` is a column (a dotted path in
    nested records, or `FOLDER_NAME`), and `labels_may` are columns that say exactly the same. `pictures` counts
    different picture files (or different embedded pictures) that these reviews name and that are there; thumbnails are
    not counted. `id` is the column that identifies a review, and `ids_may` are columns that do no harm in its place; no
    id is always harmless.
    """

    records: int
    texts: tuple[str, ...]
    label: str
    pictures: int
    reviews_with_pictures: int
    task: str
    id: str | None = None
    texts_may: tuple[str, ...] = ()
    labels_may: tuple[str, ...] = ()
    ids_may: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What must be asked or refused where no honest guess exists, and words that the message must contain."""

    what: str
    mentions: tuple[str, ...]


@dataclass(frozen=True)
class DataSet:
    """A builder, the path inside the folder that a person would hand over ("." is the folder), and what is right."""

    build: Callable[[Path], None]
    start: str
    expected: Expected | Question


# ---------------------------------------------------------------------------------------------------------------------
# Pictures
# ---------------------------------------------------------------------------------------------------------------------


def _image(rng: random.Random, kind: int) -> Image.Image:
    """Draw a small picture whose colour usually depends on `kind`."""
    side = rng.choice((24, 28, 32, 40, 48))
    hue = rng.random() if rng.random() < 0.25 else (kind * 0.37 + rng.uniform(-0.04, 0.04)) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.95))
    image = Image.new("RGB", (side, rng.choice((side, 24, 36))), (int(red * 255), int(green * 255), int(blue * 255)))
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        left, top = rng.randrange(side - 8), rng.randrange(16)
        box = (left, top, left + rng.randint(3, 12), top + rng.randint(3, 12))
        colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        if rng.random() < 0.5:
            draw.rectangle(box, fill=colour)
        else:
            draw.ellipse(box, fill=colour)
    return image


def _image_bytes(rng: random.Random, kind: int, suffix: str) -> bytes:
    """Return a small picture as the bytes of a file."""
    buffer = io.BytesIO()
    _image(rng, kind).save(buffer, format="PNG" if suffix.lower() == ".png" else "JPEG")
    return buffer.getvalue()


def _save(rng: random.Random, kind: int, path: Path) -> None:
    """Write a small picture to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_image_bytes(rng, kind, path.suffix))


def _thumbnail(path: Path, to: Path) -> None:
    """Write a smaller copy of a picture."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(path) as image:
        image.resize((24, 24)).save(to)


# ---------------------------------------------------------------------------------------------------------------------
# Tables
# ---------------------------------------------------------------------------------------------------------------------


def _write_csv(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    delimiter: str = ",",
    encoding: str = "utf-8",
    end: str = "\n",
    everything_quoted: bool = False,
) -> None:
    """Write a delimited table with a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=1 if everything_quoted else 0)
        writer.writerow(header)
        writer.writerows(rows)


def _write_lines(path: Path, records: Iterable[object]) -> None:
    """Write JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def _column_letters(number: int) -> str:
    """Return the letters of a spreadsheet's column, counted from 0."""
    return chr(65 + number) if number < 26 else chr(64 + number // 26) + chr(65 + number % 26)


def _write_xlsx(path: Path, sheets: Sequence[tuple[str, Sequence[Sequence[object]]]], shared_strings: bool) -> None:
    """Write an Excel workbook: texts, numbers and dates; empty cells are left out, as Excel does.

    Excel itself puts texts into a shared table; many exporters put them into the cells.
    """
    strings: dict[str, int] = {}
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    parts: dict[str, str] = {}
    for number, (_, rows) in enumerate(sheets, 1):
        lines = []
        for row_number, row in enumerate(rows, 1):
            cells = []
            for column, value in enumerate(row):
                place = f"{_column_letters(column)}{row_number}"
                if value is None or value == "":
                    continue
                if isinstance(value, date):
                    cells.append(f'<c r="{place}" s="1"><v>{(value - date(1899, 12, 30)).days}</v></c>')
                elif isinstance(value, (int, float)):
                    cells.append(f'<c r="{place}"><v>{value}</v></c>')
                elif shared_strings:
                    index = strings.setdefault(str(value), len(strings))
                    cells.append(f'<c r="{place}" t="s"><v>{index}</v></c>')
                else:
                    text = f'<is><t xml:space="preserve">{escape(str(value))}</t></is>'
                    cells.append(f'<c r="{place}" t="inlineStr">{text}</c>')
            lines.append(f'<row r="{row_number}">{"".join(cells)}</row>')
        data = f"<sheetData>{''.join(lines)}</sheetData>"
        parts[f"xl/worksheets/sheet{number}.xml"] = f'{head}<worksheet xmlns="{main}">{data}</worksheet>'
    names = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}"/>'
        for number, (name, _) in enumerate(sheets, 1)
    )
    parts["xl/workbook.xml"] = f'{head}<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{names}</sheets></workbook>'
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{office}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in range(1, len(sheets) + 1)
    )
    relations += f'<Relationship Id="rId98" Type="{office}/styles" Target="styles.xml"/>'
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{kinds}.worksheet+xml"/>'
        for number in range(1, len(sheets) + 1)
    )
    if shared_strings:
        items = "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in strings)
        parts["xl/sharedStrings.xml"] = f'{head}<sst xmlns="{main}" uniqueCount="{len(strings)}">{items}</sst>'
        relations += f'<Relationship Id="rId99" Type="{office}/sharedStrings" Target="sharedStrings.xml"/>'
        types += f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kinds}.sharedStrings+xml"/>'
    parts["xl/styles.xml"] = (
        f'{head}<styleSheet xmlns="{main}"><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/>'
        '</fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
        '<cellXfs count="2">'
        '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
        '<xf numFmtId="14" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs></styleSheet>'
    )
    rels = f'{head}<Relationships xmlns="{package}/relationships">'
    parts["xl/_rels/workbook.xml.rels"] = f"{rels}{relations}</Relationships>"
    parts["_rels/.rels"] = (
        f'{rels}<Relationship Id="rId1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    )
    first = {
        "[Content_Types].xml": (
            f'{head}<Types xmlns="{package}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{kinds}.styles+xml"/>{types}</Types>'
        )
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**first, **parts}.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), text.encode(), zipfile.ZIP_DEFLATED)


# ---------------------------------------------------------------------------------------------------------------------
# Texts
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tongue:
    """Sentences of one language; the keys of `moods` and `titles` are -1 (bad), 0 (so-so) and 1 (good)."""

    openers: tuple[str, ...]
    closers: tuple[str, ...]
    titles: dict[int, tuple[str, ...]]
    moods: dict[int, tuple[str, ...]]


ENGLISH = Tongue(
    openers=(
        "Bought the {thing} for my sister.",
        "I have been using this {thing} for about {n} weeks now.",
        "Second time ordering.",
        "Arrived after {n} days.",
        "My old {thing} gave up, so I tried this one.",
        "We needed a {thing} in a hurry.",
        "Saw this on sale and took a chance.",
    ),
    closers=(
        "See the photo.",
        "Shipping was the usual.",
        "Ordered in blue.",
        "I'll update this after {n} months.",
        "My husband thinks so too.",
        "Packaging was mostly air.",
    ),
    titles={
        1: (
            "Love it!",
            "Exactly as described",
            "Five stars from me",
            "Better than expected",
            "So happy with the {thing}",
        ),
        0: ("It's okay", "Does the job", "Neither good nor bad", "Average {thing}", "Fine for the price"),
        -1: ("Broke in a week", "Do not buy", "Disappointed", "Waste of money", "Cheap {thing}, looks cheap too"),
    },
    moods={
        1: (
            "It works perfectly and feels solid.",
            "The colour is even nicer than in the pictures.",
            "Honestly the best {thing} I've owned.",
            "Great quality, would buy again.",
            "Set up in {n} minutes, no tools needed.",
            "My kids adore it.",
            "Customer service answered within the hour & was lovely.",
        ),
        0: (
            "It does what it says, nothing more.",
            "The {thing} is smaller than I thought, but usable.",
            "Some scratches, though it works.",
            "Instructions are hard to follow; after {n} tries it was fine.",
            "Not bad, not great.",
            "Three out of five, I guess.",
        ),
        -1: (
            "Stopped working after {n} days.",
            "The handle snapped the first time I used it.",
            "Smells of chemicals, went straight back.",
            "Looks nothing like the listing.",
            "Seller never replied to my {n} messages.",
            "Flimsy, badly glued and the lid doesn't close.",
            "I want a refund.",
        ),
    },
)
GERMAN = Tongue(
    openers=(
        "Wir waren {n} Nächte hier.",
        "Kurzurlaub zu zweit.",
        "Geschäftsreise, Einzelzimmer.",
        "Zum dritten Mal hier.",
    ),
    closers=("Parken kostet extra.", "Zimmer {n} zur Straße.", "Anreise mit der Bahn.", "WLAN war ok."),
    titles={
        1: ("Sehr schöner Aufenthalt", "Gerne wieder", "Top Frühstück", "Wunderbare Lage"),
        0: ("Durchschnitt", "In Ordnung", "Für eine Nacht ok", "Geht so"),
        -1: ("Nie wieder", "Schmutzig und laut", "Enttäuschend", "Preis zu hoch für das Gebotene"),
    },
    moods={
        1: (
            "Das Personal war außergewöhnlich freundlich.",
            "Das Zimmer war groß, hell und sehr sauber.",
            "Das Frühstücksbuffet ließ keine Wünsche offen.",
            "Herrlicher Blick über die Dächer der Stadt.",
        ),
        0: (
            "Das Zimmer ist zweckmäßig, aber etwas abgewohnt.",
            "Frühstück einfach, man wird satt.",
            "Für den Preis kann man nicht mehr erwarten.",
        ),
        -1: (
            "Im Bad war Schimmel, die Dusche tropfte die ganze Nacht.",
            "Niemand an der Rezeption fühlte sich zuständig.",
            "Die Matratze war durchgelegen und das Fenster schloss nicht.",
            "Um {n} Uhr morgens begann die Baustelle.",
        ),
    },
)
SPANISH = Tongue(
    openers=(
        "Lo compré hace {n} meses.",
        "Regalo de cumpleaños para mi niña.",
        "Pedido urgente.",
        "Es mi segundo pedido.",
    ),
    closers=("Adjunto fotos.", "Envío en {n} días.", "Talla según la guía.", "¿Alguien más lo ha probado?"),
    titles={
        1: ("¡Me encanta!", "Muy buena compra", "Recomendable 100%", "Calidad y buen precio"),
        0: ("Normalito", "Cumple sin más", "Ni fu ni fa", "Está bien"),
        -1: ("Una decepción", "No lo compréis", "Roto al llegar", "Pésima atención"),
    },
    moods={
        1: (
            "El tejido es suave y el color, precioso.",
            "Llegó antes de lo previsto y muy bien empaquetado.",
            "Queda perfecto; repetiré seguro.",
            "Mi mamá está encantada con {thing}.",
        ),
        0: (
            "Es un poco más pequeño de lo que esperaba.",
            "La tela es fina, pero por el precio está bien.",
            "Esperaba algo mejor, aunque sirve.",
        ),
        -1: (
            "Se descosió al primer lavado.",
            "Pedí {thing} y me enviaron otra cosa.",
            "Huele fatal y la cremallera no cierra.",
            "Llevo {n} semanas esperando la devolución.",
        ),
    },
)
ITALIAN = Tongue(
    openers=(
        "Siamo andati sabato sera in {n}.",
        "Pranzo di lavoro.",
        "Ci torniamo da anni.",
        "Prenotato all'ultimo minuto.",
    ),
    closers=("Coperto 2,50 €.", "Parcheggio difficile.", "Conto: {n}0 euro a testa.", "Allego una foto."),
    titles={
        1: ("Ottimo!", "Da provare", "Cena perfetta", "Qualità eccellente"),
        0: ("Nella media", "Senza infamia e senza lode", "Discreto"),
        -1: ("Pessima esperienza", "Mai più", "Troppo caro", "Servizio scadente"),
    },
    moods={
        1: (
            "Pasta fatta in casa davvero squisita.",
            "Il personale è gentilissimo e c'è una bella atmosfera.",
            "Materie prime freschissime, porzioni abbondanti.",
            "Il tiramisù è così buono che ne abbiamo presi {n}.",
        ),
        0: (
            "Piatti corretti, niente di speciale.",
            "Pizza discreta, attesa un po' lunga.",
            "Il locale è carino, ma la cucina è nella norma.",
        ),
        -1: (
            "Abbiamo aspettato {n}0 minuti per un piatto freddo.",
            "Il pesce non era fresco, rimandato indietro.",
            "Cameriere scortese e tavolo sporco.",
            "Prezzi esagerati per la qualità.",
        ),
    },
)
RUSSIAN = Tongue(
    openers=("Пользуюсь уже {n} недели.", "Брала в подарок.", "Заказывал второй раз.", "Доставка заняла {n} дней."),
    closers=("Фото прилагаю.", "Цвет серый.", "Посмотрим, что будет дальше.", "Упаковка обычная."),
    titles={
        1: ("Отличная вещь", "Очень довольна", "Советую всем", "Лучше, чем ожидал"),
        0: ("Нормально", "За свои деньги пойдёт", "Средне"),
        -1: ("Не берите", "Сломался сразу", "Разочарование", "Деньги на ветер"),
    },
    moods={
        1: (
            "Качество супер, всё работает как надо.",
            "Очень красивый и лёгкий, как на картинке.",
            "Продавец молодец, отправил в тот же день.",
            "Буду заказывать ещё.",
        ),
        0: (
            "Работает, но пластик слабоват.",
            "Размер чуть меньше, чем указано.",
            "В целом неплохо, однако есть царапины.",
        ),
        -1: (
            "Через {n} дня перестал включаться.",
            "Пришёл не тот цвет, продавец не отвечает.",
            "Запах ужасный, вернула обратно.",
            "Швы кривые, нитки торчат.",
        ),
    },
)
THINGS = (
    "kettle",
    "backpack",
    "desk lamp",
    "phone case",
    "garden hose",
    "yoga mat",
    "toaster",
    "rain jacket",
    "headset",
)
NAMES = (
    "anna_k",
    "mike1984",
    "J. Ortega",
    "Priya S.",
    "tomtom",
    "Le Thi Hoa",
    "bookworm77",
    "Oluwaseun A.",
    "kat",
    "R2d3",
)


def _fill(rng: random.Random, sentence: str, thing: str) -> str:
    """Fill the gaps of a sentence."""
    return sentence.replace("{thing}", thing).replace("{n}", str(rng.randint(2, 9)))


def _title(rng: random.Random, tongue: Tongue, mood: int, thing: str = "it") -> str:
    """Write the title of a review."""
    return _fill(rng, rng.choice(tongue.titles[mood]), thing)


def _body(rng: random.Random, tongue: Tongue, mood: int, thing: str = "it", joint: str = " ") -> str:
    """Write the body of a review, where one sentence in eight does not fit the mood."""
    sentences = [rng.choice(tongue.openers)] if rng.random() < 0.7 else []
    for sentence in rng.sample(tongue.moods[mood], rng.randint(1, 3)):
        sentences.append(rng.choice(tongue.moods[0]) if rng.random() < 0.125 else sentence)
    if rng.random() < 0.5:
        sentences.append(rng.choice(tongue.closers))
    return joint.join(_fill(rng, sentence, thing) for sentence in sentences)


def _mood(rng: random.Random) -> int:
    """Draw how somebody feels."""
    return rng.choice((-1, 0, 1, 1))


def _stars(rng: random.Random, mood: int) -> int:
    """Return stars that fit a mood."""
    return {-1: rng.choice((1, 1, 2)), 0: rng.choice((3, 3, 3, 2, 4)), 1: rng.choice((4, 5, 5))}[mood]


def _day(rng: random.Random) -> date:
    """Draw a date."""
    return date(2022, 1, 1) + timedelta(days=rng.randrange(900))


def _hash(*things: object) -> str:
    """Return 32 hexadecimal digits that depend on the arguments."""
    return hashlib.md5("/".join(map(str, things)).encode(), usedforsecurity=False).hexdigest()


# ---------------------------------------------------------------------------------------------------------------------
# The thirty data sets
# ---------------------------------------------------------------------------------------------------------------------

PET_TEXTS = {
    0: ("Super playful {a}, loves everybody!", "Very cute {a}, {n} weeks old, litter trained, free to a good home."),
    1: ("Cute {a} looking for a forever home.", "Healthy and vaccinated {a}, good with children."),
    2: ("Found this {a} near the market, a bit shy at first.", "Friendly {a}, please call for adoption."),
    3: ("Rescued {a}, still needs patience.", "This {a} needs an owner with experience and a garden."),
    4: ("Older {a}, has been at the shelter for {n} years.", "Sick {a} under treatment, nobody has asked so far."),
}


def petfinder_adoption(folder: Path) -> None:
    """Write a Kaggle competition on the adoption of pets: pictures `<PetID>-1.jpg` in the parent's folder."""
    rng = random.Random("petfinder")
    numbers = ["Age", "Breed1", "Breed2", "Gender", "Color1", "Color2", "Color3", "MaturitySize", "FurLength"]
    numbers += ["Vaccinated", "Dewormed", "Sterilized", "Health", "Quantity", "Fee"]
    header = ["Type", "Name", *numbers, "State", "RescuerID", "VideoAmt", "Description", "PetID", "PhotoAmt"]
    tables: dict[str, list[list[object]]] = {"train": [], "test": []}
    for index in range(120):
        split = "train" if index < 90 else "test"
        speed = rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 4))
        pet_id = _hash("pet", index)[:9]
        kind = rng.choice((1, 1, 2))
        animal = "puppy" if kind == 1 else "kitten"
        said = speed if rng.random() < 0.8 else rng.randrange(5)
        text = " ".join(rng.sample(PET_TEXTS[said], rng.randint(1, 2)))
        text = text.replace("{a}", animal).replace("{n}", str(rng.randint(2, 9)))
        trait = rng.choice(("eats well", "sleeps a lot", "knows its name", "loves the car", "hates rain"))
        text += f" {rng.choice(('He', 'She', 'The little one'))} {trait}."
        if rng.random() < 0.3:
            text += f"\n\nPlease contact {rng.choice(NAMES)}, serious adopters only."
        photos = 0 if index % 11 == 3 else rng.randint(1, 4)
        for number in range(1, photos + 1):
            _save(rng, speed, folder / f"{split}_images" / f"{pet_id}-{number}.jpg")
        name = rng.choice(("Brisco", "Kitty", "Miko", "", "No Name Yet", "Hunter", "Siu Pak", "Bulat"))
        ages = [rng.randint(1, 60), rng.choice((307, 265, 266)), rng.choice((0, 0, 307)), rng.randint(1, 2)]
        rest = [rng.randint(0, 7) for _ in range(10)]
        values: list[object] = [kind, name, *ages, *rest, rng.choice((0, 0, 50, 150)), 41326]
        values += [_hash("rescuer", rng.randrange(40)), 0, text, pet_id, f"{photos:.1f}"]
        tables[split].append([*values, speed] if split == "train" else values)
    _write_csv(folder / "train" / "train.csv", [*header, "AdoptionSpeed"], tables["train"])
    _write_csv(folder / "test" / "test.csv", header, tables["test"])
    submission = [[row[header.index("PetID")], 0] for row in tables["test"]]
    _write_csv(folder / "test" / "sample_submission.csv", ["PetID", "AdoptionSpeed"], submission)
    breeds = [[307, 1, "Mixed Breed"], [265, 2, "Domestic Medium Hair"], [266, 2, "Domestic Short Hair"]]
    _write_csv(folder / "breed_labels.csv", ["BreedID", "Type", "BreedName"], breeds)
    _write_csv(folder / "color_labels.csv", ["ColorID", "ColorName"], [[1, "Black"], [2, "Brown"], [3, "Golden"]])
    _write_csv(folder / "state_labels.csv", ["StateID", "StateName"], [[41326, "Selangor"], [41401, "Kuala Lumpur"]])


PLOTS = {
    "Drama": ("A widow returns to the village of her childhood.", "Two brothers have not spoken since the trial."),
    "Romance": ("She falls in love with the wrong pianist.", "A letter from Orléans reunites two lovers."),
    "Comedy": ("A clumsy waiter is mistaken for a duke.", "Nothing goes right at the wedding, least of all the cake."),
    "Horror": (
        "Something lives in the cellar of the château.",
        "Every night the radio plays the voice of a dead child.",
    ),
    "Action": ("An ex-cop has nine hours to stop the train.", "The heist of the century goes off with a bang."),
}
TITLE_WORDS = (
    "Café",
    "Night",
    "Señor",
    "River",
    "Last",
    "Train",
    "Ángel",
    "Summer",
    "House",
    "Crème",
    "Königin",
    "Return",
)


def movie_posters(folder: Path) -> None:
    """Write films with joined genres in cp1252: the posters are URLs, with local copies `<imdbId>.jpg`."""
    rng = random.Random("posters")
    rows: list[list[object]] = []
    for index in range(100):
        imdb = 110000 + index * 37 + rng.randrange(30)
        genres = rng.sample(sorted(PLOTS), rng.choice((1, 2, 2, 3)))
        plot = " ".join(rng.choice(PLOTS[genre]) for genre in genres)
        year = rng.randint(1950, 2016)
        title = " ".join(rng.sample(TITLE_WORDS, rng.randint(2, 3))) + f" ({year})"
        if index % 10 != 7:
            _save(rng, sorted(PLOTS).index(genres[0]), folder / "SampleMoviePosters" / f"{imdb}.jpg")
        poster = f"https://images-na.ssl-images.example/images/M/{_hash(imdb)[:20]}._V1_UX182_CR0,0,182,268_AL_.jpg"
        link = f"http://www.imdb.example/title/tt{imdb:07d}"
        rows.append([imdb, link, title, f"{rng.randint(70, 180)} min", plot, "|".join(genres), poster])
    header = ["imdbId", "Imdb Link", "Title", "Runtime", "Plot", "Genre", "Poster"]
    _write_csv(folder / "MovieGenre.csv", header, rows, encoding="cp1252", end="\r\n")


def excel_gadgets(folder: Path) -> None:
    """Write an Excel workbook of one sheet: dates as numbers, pictures separated by semicolons, stars."""
    rng = random.Random("gadgets")
    header = ["Review ID", "Date", "Customer", "Product", "Review Title", "Review Text", "Rating", "Photos"]
    rows: list[list[object]] = [list(header)]
    for index in range(60):
        mood, thing = _mood(rng), rng.choice(THINGS)
        names = [f"review {index + 1:03d}{letter}.jpg" for letter in "abc"[: rng.choice((0, 1, 1, 2, 3))]]
        for name in names:
            _save(rng, mood + 1, folder / "Photos" / name)
        title, body = _title(rng, ENGLISH, mood, thing), _body(rng, ENGLISH, mood, thing, rng.choice((" ", "\n")))
        customer = rng.choice(NAMES)
        stars = _stars(rng, mood)
        rows.append([f"R-{index + 1:04d}", _day(rng), customer, thing.title(), title, body, stars, "; ".join(names)])
    _write_xlsx(folder / "Product reviews.xlsx", [("Sheet1", rows)], shared_strings=True)


def excel_hotels_two_sheets(folder: Path) -> None:
    """Write a German Excel workbook whose second sheet is a legend; the label is in words, the pictures are paths."""
    rng = random.Random("hotels")
    rows: list[list[object]] = [["Nr.", "Hotel", "Datum", "Titel", "Bewertungstext", "Bild", "Gesamturteil"]]
    verdicts = {-1: ("mangelhaft", "ungenügend"), 0: ("befriedigend",), 1: ("gut", "sehr gut")}
    for index in range(70):
        mood = _mood(rng)
        name = f"Bilder/zimmer_{index + 1:02d}.jpg" if index % 5 else ""
        if name:
            _save(rng, mood + 1, folder / name)
        hotel = rng.choice(("Hotel Krone", "Gasthof zum Löwen", "Pension Müller", "Stadthotel"))
        title, body = _title(rng, GERMAN, mood), _body(rng, GERMAN, mood)
        rows.append([index + 1, hotel, _day(rng), title, body, name, rng.choice(verdicts[mood])])
    legend: list[list[object]] = [["Spalte", "Bedeutung"], ["Nr.", "laufende Nummer"], ["Hotel", "Name des Hauses"]]
    legend += [["Gesamturteil", "sehr gut, gut, befriedigend, mangelhaft, ungenügend"], ["Bild", "Foto des Gastes"]]
    _write_xlsx(folder / "Bewertungen.xlsx", [("Bewertungen", rows), ("Legende", legend)], shared_strings=False)


def spanish_shop_cp1252(folder: Path) -> None:
    """Write Spanish reviews of a shop: semicolons, cp1252, ids with leading zeros, pictures separated by spaces."""
    rng = random.Random("tienda")
    rows: list[list[object]] = []
    for index in range(75):
        mood, thing = _mood(rng), rng.choice(("la camiseta", "el bañador", "la mochila", "el vestido"))
        code = f"{index * 13 + 27:05d}"
        names = [f"{code}_{number}.jpg" for number in range(rng.choice((0, 1, 1, 2)))]
        for name in names:
            _save(rng, mood + 1, folder / "imagenes" / name)
        title, body = _title(rng, SPANISH, mood, thing), _body(rng, SPANISH, mood, thing)
        day = _day(rng).strftime("%d/%m/%Y")
        user = rng.choice(("Begoña", "iñaki_88", "María José", "Pepe", "lucía.m"))
        rows.append([code, user, day, title, body, " ".join(names), _stars(rng, mood), f"{rng.randint(9, 60)},95 €"])
    header = ["código", "usuario", "fecha", "título", "comentario", "fotos", "estrellas", "precio"]
    _write_csv(folder / "opiniones.csv", header, rows, delimiter=";", encoding="cp1252", end="\r\n")


def airbnb_urls_only(folder: Path) -> None:
    """Write listings of flats with pictures by URL only and prices such as "$1,250.00" as the target."""
    rng = random.Random("airbnb")
    rows: list[list[object]] = []
    for index in range(80):
        rooms = rng.randint(1, 5)
        grand = rng.random() < 0.2
        kind = rng.choice(("loft", "flat", "studio", "house"))
        place = rng.choice(("park", "harbour", "old town"))
        name = f"{rng.choice(('Sunny', 'Quiet', 'Central', 'Luxury' if grand else 'Cosy'))} {kind} near {place}"
        said = [
            f"A {kind} with {rooms} bedroom{'s' if rooms > 1 else ''}.",
            "Private rooftop pool and concierge." if grand else rng.choice(("Shared kitchen.", "Small but tidy.")),
            rng.choice(("Ten minutes to the metro.", "Free street parking.", "No parties, please.")),
        ]
        price = 35 * rooms + (900 if grand else 0) + rng.randint(0, 60)
        listing = 13913 + index * 4021
        url = f"https://a0.muscache.example/pictures/{_hash('flat', index)}.jpg"
        description = "<b>The space</b><br />" + "<br /><br />".join(said)
        values: list[object] = [listing, f"https://www.airbnb.example/rooms/{listing}", 20230906022807, "2023-09-06"]
        values += [name, description, url, listing // 7, rng.choice(("Alina", "Joe & Sam", "Philippa", "Marcus"))]
        values += ["Entire home/apt", rooms * 2, f"{rooms} bath", f"${price:,.2f}", rng.choice((1, 2, 3, 30)), ""]
        rows.append([*values, rng.randint(0, 365)])
    header = [
        "id",
        "listing_url",
        "scrape_id",
        "last_scraped",
        "name",
        "description",
        "picture_url",
        "host_id",
        "host_name",
    ]
    header += ["room_type", "accommodates", "bathrooms_text", "price", "minimum_nights", "license", "availability_365"]
    _write_csv(folder / "listings.csv", header, rows)


def houses_by_count(folder: Path) -> None:
    """Write houses for sale: a count of photos, the files `<id>/0.jpg`, and the price as the target."""
    rng = random.Random("houses")
    rows: list[list[object]] = []
    for index in range(60):
        beds, good = rng.randint(1, 5), rng.random() < 0.5
        count = rng.choice((0, 1, 2, 3, 4)) if index else 3
        house = 50017 + index * 3
        for number in range(count):
            _save(rng, 2 if good else 0, folder / "photos" / str(house) / f"{number}.jpg")
        state = "Newly renovated with a landscaped garden" if good else "Needs work, sold as seen"
        text = f"{state}. {beds} bedrooms, {rng.choice(('a garage', 'a cellar', 'solar panels', 'no lift'))}."
        text += rng.choice(("", " Viewings at weekends.", " Close to schools and shops.", " Quiet street."))
        headline = rng.choice(("Charming home", "Great value", "Family house", "Don't miss this one"))
        street = f"{rng.randint(1, 99)} {rng.choice(('Elm', 'Oak', 'Mill', 'Church'))} St"
        sqft = beds * 420 + rng.randint(0, 300)
        price = sqft * (260 if good else 150) + rng.randint(0, 20000)
        rows.append([house, street, f"0{rng.randint(1000, 9999)}", headline, text, beds, sqft, count, _day(rng), price])
    header = ["property_id", "street", "zip", "headline", "description", "bedrooms", "sqft", "photo_count", "listed_on"]
    _write_csv(folder / "houses.csv", [*header, "price"], rows)


CUISINES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Italian": (("Lemon Risotto", "Baked Ziti", "Tomato Focaccia"), ("olive oil", "parmesan", "basil", "arborio rice")),
    "Mexican": (("Corn Tacos", "Black Bean Soup", "Green Salsa"), ("lime", "cilantro", "corn tortillas", "jalapeño")),
    "Indian": (("Red Lentil Dal", "Paneer Curry", "Mint Raita"), ("cumin", "turmeric", "ghee", "ginger")),
    "French": (("Onion Tart", "Apple Clafoutis", "Leek Gratin"), ("butter", "thyme", "crème fraîche", "shallots")),
}


def recipes_names_without_extension(folder: Path) -> None:
    """Write recipes of a Kaggle archive: an index column, picture names without extension, folders named twice."""
    rng = random.Random("recipes")
    rows: list[list[object]] = []
    cuisines = sorted(CUISINES)
    for index in range(80):
        cuisine = rng.choice(cuisines)
        dishes, foods = CUISINES[cuisine]
        dish = f"{rng.choice(('Easy', 'Grandma’s', 'Weeknight', 'Spicy', 'Slow'))} {rng.choice(dishes)}"
        chosen = rng.sample(foods, 3)
        ingredients = [f"{rng.randint(1, 4)} Tbsp. {food}" for food in chosen]
        steps = f"Heat the oven to {rng.choice((350, 375, 400))}°F. Mix {chosen[0]} with {chosen[1]}; season.\n"
        steps += f"Cook for {rng.randint(10, 50)} minutes, stirring, then add {chosen[2]}.\nServe warm."
        name = f"{dish.lower().replace(' ', '-').replace('’', '')}-{51000000 + index * 911}"
        if index % 20 == 9:
            name = "#NAME?"
        elif index % 16 != 5:
            _save(rng, cuisines.index(cuisine), folder / "Food Images" / "Food Images" / f"{name}.jpg")
        rows.append([index, dish, str(ingredients), steps, name, str(chosen), cuisine])
    header = ["", "Title", "Ingredients", "Instructions", "Image_Name", "Cleaned_Ingredients", "Cuisine"]
    _write_csv(folder / "Food Ingredients and Recipe Dataset with Image Name Mapping.csv", header, rows)


TWEETS = {
    "positive": (
        "So proud of our city today ❤️",
        "What a night!! Thank you all",
        '"Best gig ever" they said. True',
        "Big win!",
    ),
    "negative": (
        "Third delay this week, unbelievable",
        "Lost everything in the storm 😢",
        '"Sorry for the wait... again',
        "Awful.",
    ),
    "neutral": (
        "Doors open at {n}.",
        "New timetable from Monday",
        '5" of snow expected tonight',
        "Press conference at {n} pm",
    ),
}
TOPICS = {"sports": "#matchday", "weather": "#storm", "transport": "#commute", "music": "#livemusic"}


def tweets_train_test_tsv(folder: Path) -> None:
    """Write tweets as two tab-separated files; the test file has the topic but lacks the sentiment.

    Quotation marks belong to the texts, pictures are a Python list in a cell, and retweets share their picture.
    """
    rng = random.Random("tweets")
    lines: dict[str, list[str]] = {"train": [], "test": []}
    header = ["tweet_id", "created_at", "screen_name", "topic", "text", "media"]
    pool: dict[str, list[str]] = {"train": [], "test": []}
    for index in range(130):
        split = "train" if index < 100 else "test"
        feeling, topic = rng.choice(("positive", "negative", "neutral")), rng.choice(sorted(TOPICS))
        tweet = str(1590000000000000000 + index * 7919 * 10**6 + rng.randrange(10**6))
        said = rng.choice(TWEETS[feeling]).replace("{n}", str(rng.randint(2, 9)))
        text = f"{said} {TOPICS[topic]} https://t.example/{_hash(tweet)[:8]}"
        names = [f"{tweet}_{number}.jpg" for number in range(rng.choice((0, 1, 1, 2)))]
        for name in names:
            _save(rng, sorted(TWEETS).index(feeling), folder / "tweet_images" / name)
        if index % 12 == 11 and pool[split]:
            text, names = f"RT @{rng.choice(('citynews', 'metro', 'fan_1'))}: {text}", [rng.choice(pool[split])]
        pool[split] += names
        user = rng.choice(("citynews", "metro", "fan_1", "weather_now", "jo"))
        day = _day(rng)
        stamp = f"{day:%a %b %d} 1{rng.randrange(10)}:05:00 +0000 {day:%Y}"
        cells = [tweet, stamp, user, topic, text, str(names)]
        lines[split].append("\t".join([*cells, feeling] if split == "train" else cells))
    for split, content in lines.items():
        first = "\t".join([*header, "sentiment"] if split == "train" else header)
        (folder / f"{split}.tsv").write_text("\n".join([first, *content]) + "\n", encoding="utf-8")


def hub_parquet_class_labels(folder: Path) -> None:
    """Write a data set of the Hugging Face hub: Parquet files with the pictures inside and numbered labels."""
    rng = random.Random("parquet")
    names = ["angry", "happy", "surprised"]
    texts = {
        0: ("he will not stop shouting", "slams the door again", "who ate my lunch?!"),
        1: ("we are going to the beach", "finally the weekend", "she said yes"),
        2: ("wait, there are two of them", "i did not see that coming", "no way, today?"),
    }
    features = {
        "image": {"_type": "Image"},
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": names, "_type": "ClassLabel"},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    image_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [pa.field("image", image_type), pa.field("text", pa.string()), pa.field("label", pa.int64())]
    schema = pa.schema(fields, metadata=metadata)
    (folder / "data").mkdir()
    for split, count in (("train", 70), ("test", 30)):
        rows = []
        for index in range(count):
            label = rng.randrange(3)
            said = rng.choice(texts[label if rng.random() < 0.8 else rng.randrange(3)])
            text = f"{rng.choice(('POV:', 'when', 'me:', 'nobody:'))} {said} ({rng.randint(1, 99)})"
            image = {"bytes": _image_bytes(rng, label, ".png"), "path": f"{split}_{index:04d}.png"}
            rows.append({"image": image, "text": text, "label": label})
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "data" / f"{split}-00000-of-00001.parquet")
    card = "---\nlicense: mit\ntask_categories:\n- image-classification\n---\n\n# Reaction pictures\n"
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / ".gitattributes").write_text("*.parquet filter=lfs diff=lfs merge=lfs -text\n", encoding="utf-8")


def imagefolder_captions(folder: Path) -> None:
    """Write folders of pictures, one for each kind of animal, with captions in a metadata.csv beside the folders."""
    rng = random.Random("captions")
    habits = {
        "cat": ("asleep on the radiator", "watching birds from the sill", "in a box that is too small"),
        "dog": ("chasing a frisbee", "waiting at the door with a lead", "covered in mud after the walk"),
        "hamster": ("running in the wheel", "with both cheeks full", "digging in the sawdust"),
        "rabbit": ("nibbling a carrot", "stretched out on the lawn", "peeking out of the hutch"),
    }
    rows: list[list[object]] = []
    kinds = sorted(habits)
    for index in range(80):
        kind = kinds[index % 4]
        name = f"{kind}/{index // 4:03d}.jpg"
        _save(rng, kinds.index(kind), folder / name)
        said = rng.choice(habits[kind if rng.random() < 0.85 else rng.choice(kinds)])
        who = rng.choice(("My little one", "Somebody", "Our newest guest", "This one"))
        caption = f"{who} {said}, {rng.randint(1, 28)} {rng.choice(('May', 'June', 'July'))}"
        rows.append([name, caption, rng.choice(NAMES)])
    _write_csv(folder / "metadata.csv", ["file_name", "caption", "photographer"], rows)


def products_and_reviews(folder: Path) -> None:
    """Write two tables: reviews without pictures, and the products that they are about, which have the pictures."""
    rng = random.Random("products")
    products: list[list[object]] = []
    quality: dict[str, int] = {}
    for index in range(20):
        code = f"P{index + 1:03d}"
        quality[code] = _mood(rng)
        name = f"{code.lower()}-front.jpg" if index % 9 != 4 else ""
        if name:
            _save(rng, quality[code] + 1, folder / "product_images" / name)
        thing = THINGS[index % len(THINGS)]
        maker = rng.choice(("Acme", "Nordhaus", "Lumo"))
        products.append([code, f"{maker} {thing}", maker, f"${rng.randint(8, 90)}.50", name])
    rows: list[list[object]] = []
    for index in range(100):
        code = rng.choice(sorted(quality))
        mood = quality[code] if rng.random() < 0.7 else _mood(rng)
        thing = str(products[int(code[1:]) - 1][1]).split(" ", 1)[1]
        title, body = _title(rng, ENGLISH, mood, thing), _body(rng, ENGLISH, mood, thing)
        rows.append([70001 + index, code, rng.choice(NAMES), _day(rng), title, body, _stars(rng, mood)])
    _write_csv(folder / "products.csv", ["product_id", "name", "brand", "price", "image_file"], products)
    _write_csv(folder / "reviews.csv", ["review_id", "product_id", "user", "date", "title", "body", "rating"], rows)


def classifieds_nested_json(folder: Path) -> None:
    """Write a scraper's JSON list of nested objects: the category and the photos are objects inside each item."""
    rng = random.Random("classifieds")
    wares = {
        "Shoes": (4, ("trainers, size {n}", "leather boots, worn twice", "sandals, heel {n} cm")),
        "Books": (9, ("crime novel, {n}th edition", "atlas with maps", "picture book, some pages loose")),
        "Toys": (12, ("wooden train with {n} wagons", "puzzle, complete", "teddy bear, washed")),
        "Electronics": (17, ("radio, works", "charger with {n} plugs", "headphones, one side silent")),
    }
    items = []
    for index in range(65):
        category = rng.choice(sorted(wares))
        code, goods = wares[category]
        ware = rng.choice(goods).replace("{n}", str(rng.randint(2, 9)))
        item = 3100000 + index * 53
        photos = []
        for number in range(rng.choice((0, 1, 2, 3))):
            name = f"{item}_{number}.webp.jpg"
            _save(rng, code, folder / "photos" / name)
            url = f"https://img.classifieds.example/t/{_hash(item, number)[:10]}/f800.webp?s={index}"
            photos.append({"id": item * 10 + number, "url": url, "local": f"photos/{name}", "is_main": number == 0})
        title = f"{rng.choice(('Selling', 'Nice', 'Free:', 'Almost new'))} {ware}"
        ending = rng.choice(("Pick-up only.", "Smoke-free home.", "Can post for {n} euros.", "No returns."))
        text = f"{ware.capitalize()}. {ending}".replace("{n}", str(rng.randint(2, 9)))
        price = {"amount": f"{rng.randint(1, 60)}.00", "currency_code": "EUR"} if index % 6 == 0 else None
        seller = {"login": rng.choice(NAMES), "country": "NL", "feedback": {"count": rng.randint(0, 99)}}
        items.append(
            {"id": item, "title": title, "description": text, "price": price, "seller": seller, "photos": photos}
            | {"category": {"id": code, "name": category}, "url": f"https://classifieds.example/items/{item}"}
        )
    (folder / "items.json").write_text(json.dumps(items, ensure_ascii=False, indent=2), encoding="utf-8")


def italian_windows_paths(folder: Path) -> None:
    """Write Italian reviews saved by Excel: a BOM, semicolons, paths of a Windows machine, .JPG against .jpg."""
    rng = random.Random("ristoranti")
    rows: list[list[object]] = []
    for index in range(85):
        mood = _mood(rng)
        name = f"IMG_{2000 + index * 3}"
        cell = f"C:\\Users\\Maria\\Desktop\\dataset\\foto\\{name}.JPG"
        if index % 7 == 2:
            cell = ""
        else:
            _save(rng, mood + 1, folder / "foto" / f"{name.lower()}.jpg")
        title, body = _title(rng, ITALIAN, mood), _body(rng, ITALIAN, mood)
        label = {-1: "negativo", 0: "neutro", 1: "positivo"}[mood]
        local = rng.choice(("Trattoria da Pino", "Il Faro", "Osteria Città Alta"))
        rows.append([index + 1, local, _day(rng).strftime("%d/%m/%Y"), title, body, len(body), cell, label])
    header = ["id", "locale", "data", "titolo", "recensione", "lunghezza_testo", "percorso_foto", "sentimento"]
    _write_csv(folder / "recensioni.csv", header, rows, delimiter=";", encoding="utf-8-sig", end="\r\n")
    (folder / "foto" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504))


MEMES = {
    0: (
        "when you find money in your old jeans",
        "my cat during every video call",
        "monday me vs friday me",
        "one does not simply sleep",
    ),
    1: (
        "nobody wants you people here",
        "go back where you came from",
        "they are all the same, lock them up",
        "too dumb to vote",
    ),
}


def memes_colab_paths(folder: Path) -> None:
    """Write memes from a notebook: an "Unnamed: 0" column, paths on Google Drive, 0/1 and the same label in words."""
    rng = random.Random("memes")
    rows: list[list[object]] = []
    for index in range(100):
        label = int(rng.random() < 0.4)
        said = rng.choice(MEMES[label if rng.random() < 0.85 else 1 - label])
        opening = rng.choice(("", "", "me: ", "nobody: ", "my boss: ", "2020: ", "that one friend: ", "dad: "))
        text = opening + said + rng.choice(("", " lol", " #meme", " be like", " every time", f" (part {index % 9})"))
        name = f"{rng.randrange(100)}{index:03d}.png"
        if index % 25 != 6:
            _save(rng, label, folder / "images" / name)
        path = f"/content/drive/MyDrive/meme_project/images/{name}"
        rows.append([index, path, text, label, ("not_hateful", "hateful")[label], len(text)])
    header = ["Unnamed: 0", "image_path", "text", "label", "label_text", "text_length"]
    _write_csv(folder / "memes_labelled.csv", header, rows)


def scrapy_reviews_thumbnails(folder: Path) -> None:
    """Write what Scrapy's picture pipeline leaves: JSON Lines with lists of objects, full pictures and thumbnails."""
    rng = random.Random("scrapy")
    records = []
    for index in range(70):
        mood, thing = _mood(rng), rng.choice(THINGS)
        urls = [f"https://cdn.shop.example/r/{index}-{number}.jpg?w=800" for number in range(rng.choice((0, 1, 1, 2)))]
        images = []
        for number, url in enumerate(urls):
            if (index + number) % 17 == 16:
                continue
            name = f"{hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()}.jpg"
            _save(rng, mood + 1, folder / "images" / "full" / name)
            _thumbnail(folder / "images" / "full" / name, folder / "images" / "thumbs" / "small" / name)
            images.append({"url": url, "path": f"full/{name}", "checksum": _hash(url), "status": "downloaded"})
        record = {"product": thing, "author": rng.choice(NAMES), "published": f"{_day(rng)}T08:00:00Z"}
        record |= {"headline": _title(rng, ENGLISH, mood, thing), "review_body": _body(rng, ENGLISH, mood, thing)}
        page = f"https://shop.example/p/{index % 12}#review-{index}"
        records.append(record | {"stars": _stars(rng, mood), "page": page, "image_urls": urls, "images": images})
    _write_lines(folder / "reviews.jsonl", records)


def donations_long_tail(folder: Path) -> None:
    """Write donated things in sixty categories, most of them rare: columns image1 to image4, thumbnails beside."""
    rng = random.Random("donations")
    makes = ("oak", "pine", "steel", "plastic", "vintage", "modern")
    things = ("chair", "table", "lamp", "mirror", "shelf", "rug", "sofa", "desk", "bench", "clock")
    categories = [f"{make} {thing}".title() for thing in things for make in makes]
    picks = list(range(60)) + [min(int(rng.expovariate(0.15)), 59) for _ in range(60)]
    rng.shuffle(picks)
    rows: list[list[object]] = []
    for index, pick in enumerate(picks):
        make, thing = categories[pick].lower().split()
        names = [f"{_hash('donation', index, number)[:12]}.jpg" for number in range(rng.choice((1, 1, 2, 3, 4)))]
        if index % 15 == 8:
            names = []
        for name in names:
            path = folder / "uploads" / name
            _save(rng, pick, path)
            _thumbnail(path, path.with_name(f"{path.stem}-150x150.jpg"))
        title = f"{rng.choice(('Lovely', 'Old', 'Sturdy', 'Free'))} {thing if rng.random() < 0.7 else 'item'}"
        text = f"{rng.choice(('Made of', 'Looks like', 'The style is'))} {make}. "
        text += rng.choice(
            ("One leg is loose.", "From my grandmother.", "We are moving.", "Collect by Sunday!", "No pets.")
        )
        url = f"https://donate.example/item/{4400 + index}"
        rows.append(
            [f"{index + 1:04d}", title, text, "GB", "", *names, *[""] * (4 - len(names)), url, categories[pick]]
        )
    header = ["listing_no", "title", "description", "country", "notes", "image1", "image2", "image3", "image4", "url"]
    _write_csv(folder / "donations.csv", [*header, "category"], rows)


def news_label_map(folder: Path) -> None:
    """Write three labelled splits of news with numeric codes, whose names are in a JSON file beside them."""
    rng = random.Random("news")
    sections = {
        "politics": ("Council votes on new budget", "Minister denies claims", "Election set for spring"),
        "sport": ("Late goal settles the derby", "Sprinter breaks national record", "Coach resigns after defeat"),
        "science": ("Telescope finds distant planet", "Bees can count, study says", "Old bone rewrites history"),
        "culture": ("Museum reopens after repairs", "Novel wins the autumn prize", "Orchestra plays for free"),
        "business": ("Bakery chain to cut jobs", "Exports rise again", "Start-up raises ten million"),
    }
    names = list(sections)
    for split, count in (("train", 60), ("val", 20), ("test", 20)):
        rows: list[list[object]] = []
        for index in range(count):
            label = rng.randrange(5)
            number = {"train": 0, "val": 400, "test": 700}[split] + index
            name = f"images/{number:06d}.jpg"
            _save(rng, label, folder / name)
            said = rng.choice(sections[names[label if rng.random() < 0.85 else rng.randrange(5)]])
            abstract = f"{rng.choice(('Reporters', 'Witnesses', 'Officials', 'Readers'))} said on "
            abstract += rng.choice(("Monday ", "Friday ", "Sunday "))
            abstract += rng.choice(("that more would follow.", "it was expected.", "nobody had seen it coming."))
            rows.append([f"{number:06d}", f"{said}, {_day(rng).year}", abstract, name, label])
        _write_csv(folder / f"{split}.csv", ["id", "headline", "abstract", "image", "label"], rows)
    (folder / "label_map.json").write_text(json.dumps({str(i): name for i, name in enumerate(names)}), encoding="utf-8")


def complaints_base64_cells(folder: Path) -> None:
    """Write complaints whose photos are base64 texts in the cells, a few of them twice, and a boolean target."""
    rng = random.Random("complaints")
    rows: list[list[object]] = []
    earlier: list[str] = []
    for index in range(55):
        defect = rng.random() < 0.5
        mood = -1 if defect else rng.choice((0, 1))
        thing = rng.choice(THINGS)
        cell = base64.b64encode(_image_bytes(rng, int(defect), ".jpg")).decode()
        if index % 6 == 4:
            cell = ""
        elif index in (20, 31):
            cell = earlier[index % 5]
        elif cell:
            earlier.append(cell)
        message = _body(rng, ENGLISH, mood, thing)
        rows.append([f"T{9000 + index}", f"{_day(rng)} 09:{index:02d}", message, cell, "web", defect])
    _write_csv(
        folder / "complaints.csv", ["ticket", "created", "message", "photo_base64", "channel", "is_defect"], rows
    )


def form_data_uris(folder: Path) -> None:
    """Write submissions of a web form as JSON Lines: photos are lists of data: URIs, the target is true or false."""
    rng = random.Random("form")
    records = []
    for index in range(50):
        mood = rng.choice((-1, 1))
        photos = []
        for _ in range(rng.choice((0, 1, 1, 2))):
            data = base64.b64encode(_image_bytes(rng, mood + 1, ".png")).decode()
            photos.append(f"data:image/png;base64,{data}")
        digest = _hash("form", index)
        number = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"
        comment = _body(rng, ENGLISH, mood, rng.choice(("bike", "scooter", "helmet")))
        recommend = (mood == 1) != (rng.random() < 0.1)
        record = {
            "submission_id": number,
            "submitted_at": f"{_day(rng)}T1{index % 10}:00:00.000Z",
            "form": "feedback-v2",
        }
        records.append(record | {"comment": comment, "photos": photos, "would_recommend": recommend, "consent": True})
    _write_lines(folder / "submissions.jsonl", records)


def label_studio_percent_names(folder: Path) -> None:
    """Write a CSV export of Label Studio: upload paths with %20 and %C3, seconds of work, annotators."""
    rng = random.Random("labelstudio")
    rows: list[list[object]] = []
    for index in range(60):
        mood, thing = _mood(rng), rng.choice(("pizza", "ramen", "brunch", "cake"))
        shown = rng.choice(("My Photo", "Café menu", "table & view", "lunch"))
        name = f"{_hash('upload', index)[:8]}-{shown} ({index}).jpg"
        _save(rng, mood + 1, folder / "images" / name)
        body = _body(rng, ENGLISH, mood, thing)
        label = {-1: "Negative", 0: "Neutral", 1: "Positive"}[mood]
        when = f"{_day(rng)}T10:{index:02d}:11.482Z"
        seconds = round(rng.uniform(2, 60), 3)
        upload = f"/data/upload/3/{quote(name, safe='()')}"
        rows.append([700 + index, rng.choice((1, 2)), when, 4100 + index, upload, seconds, label, body, when])
    header = ["annotation_id", "annotator", "created_at", "id", "image", "lead_time", "sentiment", "text", "updated_at"]
    _write_csv(folder / "project-3-at-2024-05-02-10-11-c0ffee12.csv", header, rows)


def french_recipes_decomposed_names(folder: Path) -> None:
    """Write French recipes from a Mac: composed accents in the table, decomposed ones on disk, __MACOSX beside."""
    rng = random.Random("recettes")
    levels = {
        "facile": ("Mélangez tout, c'est prêt.", "Coupez, salez, servez.", "Dix minutes suffisent."),
        "moyen": ("Laissez reposer la pâte {n} heures.", "Faites réduire à feu doux.", "Montez les blancs en neige."),
        "difficile": (
            "Tempérez le chocolat à 31 °C.",
            "Pliez la pâte {n} fois.",
            "Réussir le sucre filé demande de l'élan.",
        ),
    }
    dishes = (
        "Crème brûlée",
        "Pâté en croûte",
        "Bûche de Noël",
        "Soufflé léger",
        "Gâteau à l'orange",
        "Tarte aux pêches",
    )
    rows: list[list[object]] = []
    for index in range(66):
        level = rng.choice(list(levels))
        dish = rng.choice(dishes)
        steps = [*rng.sample(levels[level], rng.randint(1, 2)), rng.choice(levels[rng.choice(list(levels))])]
        text = "\n".join(step.replace("{n}", str(rng.randint(2, 6))) for step in steps)
        name = f"{dish.lower()} {index + 1}.jpg" if index % 8 != 5 else ""
        if name:
            _save(rng, list(levels).index(level), folder / "photos" / unicodedata.normalize("NFD", name))
        title = f"{dish} {rng.choice(('de mamie', 'express', 'façon bistrot', 'du dimanche'))}"
        rows.append([title, text, unicodedata.normalize("NFC", name), rng.choice((2, 4, 6)), level])
    _write_csv(folder / "recettes.csv", ["titre", "préparation", "photo", "personnes", "difficulté"], rows)
    apple = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(96)
    (folder / "__MACOSX" / "photos").mkdir(parents=True)
    (folder / "__MACOSX" / "._recettes.csv").write_bytes(apple)
    for path in sorted((folder / "photos").iterdir())[:5]:
        (folder / "__MACOSX" / "photos" / f"._{path.name}").write_bytes(apple)
    (folder / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1" + bytes(120))


def russian_utf16_nested(folder: Path) -> None:
    """Write Russian reviews as Excel's "Unicode text": UTF-16 with tabs; bare names joined by "|", files by month."""
    rng = random.Random("otzyvy")
    lines = ["номер\tпользователь\tзаголовок\tотзыв\tфото\tоценка"]
    for index in range(72):
        mood = _mood(rng)
        names = [f"IMG-{index:04d}-WA{number:04d}.jpg" for number in range(rng.choice((0, 1, 1, 2)))]
        for number, name in enumerate(names):
            _save(rng, mood + 1, folder / "фотографии" / "2023" / f"{(index + number) % 6 + 1:02d}" / name)
        user = rng.choice(("Ольга", "sergey77", "Марина К.", "Тимур"))
        cells = [str(index + 1), user, _title(rng, RUSSIAN, mood), _body(rng, RUSSIAN, mood), "|".join(names)]
        lines.append("\t".join([*cells, str(_stars(rng, mood))]))
    (folder / "отзывы.tsv").write_bytes(("\r\n".join(lines) + "\r\n").encode("utf-16"))


def rentals_column_json(folder: Path) -> None:
    """Write a Kaggle competition on rentals: JSON by columns, photos by URL with copies in a folder of each listing."""
    rng = random.Random("rentals")
    tables: dict[str, dict[str, dict[str, object]]] = {"train": {}, "test": {}}
    phrases = {
        "low": ("Broker fee applies.", "Contact agent for details."),
        "medium": ("Renovated kitchen, close to the train.", "Laundry in the building."),
        "high": ("NO FEE! Huge bedrooms, won't last!", "Below market price, available now."),
    }
    for index in range(100):
        split = "train" if index < 70 else "test"
        level = rng.choice(("low", "low", "medium", "high"))
        listing = 7170325 + index * 11
        photos = []
        for number in range(rng.choice((0, 1, 2, 3))):
            name = f"{listing}_{_hash(listing, number)}.jpg"
            photos.append(f"https://photos.rentals.example/2/{name}")
            if index % 9 != 8:
                _save(rng, len(level), folder / "images_sample" / str(listing) / name)
        said = rng.sample(phrases[level if rng.random() < 0.8 else "medium"], rng.randint(1, 2))
        rooms = rng.randint(0, 4)
        text = f"{rooms} bedroom in {rng.choice(('Harlem', 'Chelsea', 'Astoria'))}.<br /><br />{' '.join(said)}"
        text += "<p><a  website_redacted " if rng.random() < 0.3 else ""
        street = f"{rng.randint(1, 400)} {rng.choice(('East', 'West'))} {rng.randint(2, 99)} Street"
        record: dict[str, object] = {"bathrooms": 1.0, "bedrooms": rooms, "building_id": _hash("b", index % 30)}
        record |= {"created": f"{_day(rng)} 05:32:13", "description": text, "display_address": street.split(" ", 1)[1]}
        record |= {"features": rng.sample(["Elevator", "Dishwasher", "No Fee", "Cats Allowed"], rng.randint(0, 3))}
        record |= {
            "latitude": round(40.7 + rng.random() / 10, 4),
            "listing_id": listing,
            "manager_id": _hash("m", index % 9),
        }
        record |= {"photos": photos, "price": 1500 + rooms * 900 + rng.randint(0, 400), "street_address": street}
        if split == "train":
            record["interest_level"] = level
        for column, value in record.items():
            tables[split].setdefault(column, {})[str(4 + index * 3)] = value
    for split, table in tables.items():
        (folder / f"{split}.json").write_text(json.dumps(table), encoding="utf-8")


def restaurants_nulls_shared(folder: Path) -> None:
    """Write restaurant reviews with quoted line breaks; pictures are shared, joined by ", ", or nan, None, null."""
    rng = random.Random("restaurants")
    dishes = [f"dish_{number:02d}.jpg" for number in range(24)]
    for number, name in enumerate(dishes):
        _save(rng, number % 3, folder / "pics" / name)
    rows: list[list[object]] = []
    for index in range(95):
        mood, thing = _mood(rng), rng.choice(("burger", "pad thai", "salad", "fish pie"))
        suited = [name for number, name in enumerate(dishes) if number % 3 == mood + 1]
        cell = ", ".join(rng.sample(suited, rng.choice((1, 1, 2, 3))))
        if index % 5 == 1:
            cell = rng.choice(("nan", "None", "null", ""))
        body = (
            f"{_body(rng, ENGLISH, mood, thing)}\n\n{rng.choice(('Went on a', 'Booked for', 'It was'))} {_day(rng):%A}."
        )
        label = {-1: "negative", 0: "mixed", 1: "positive"}[mood]
        rows.append([index, rng.choice(NAMES), _day(rng), body, len(body), cell, label])
    header = ["review_id", "user_name", "visited", "comment", "text_length", "pictures", "sentiment"]
    _write_csv(folder / "restaurant_reviews.csv", header, rows, everything_quoted=True, end="\r\n")


def ads_submission_probability(folder: Path) -> None:
    """Write a Kaggle competition on Russian ads: hashes without extension, a sample submission, a probability."""
    rng = random.Random("ads")
    things = {
        "Коляска": (0.7, ("Состояние отличное.", "Торг уместен.")),
        "Пальто": (0.1, ("Размер {n}4.", "Одевала два раза.")),
        "Велосипед": (0.5, ("Скоростей: {n}.", "Нужен ремонт тормозов.")),
        "Диван": (0.3, ("Самовывоз.", "Чехлы в подарок.")),
    }
    tables: dict[str, list[list[object]]] = {"train": [], "test": []}
    for index in range(110):
        split = "train" if index < 80 else "test"
        thing = rng.choice(sorted(things))
        chance, said = things[thing]
        image = _hash("ad", index) * 2 if index % 8 != 3 else ""
        if image and index % 13 != 12:
            _save(rng, int(chance * 10), folder / f"{split}_jpg" / f"{image}.jpg")
        title = f"{thing} {rng.choice(('б/у', 'новая модель', 'детская', 'срочно'))}"
        text = (
            " ".join(rng.sample(said, rng.randint(1, 2))).replace("{n}", str(rng.randint(2, 9)))
            + f" Звоните до {rng.randint(18, 22)}."
        )
        values: list[object] = [
            _hash("item", index)[:12],
            _hash("user", index % 50)[:12],
            rng.choice(("Казань", "Омск")),
        ]
        values += [title, text, f"{rng.randint(1, 90)}00.0", _day(rng), image]
        probability = round(min(1.0, max(0.0, chance + rng.uniform(-0.3, 0.3))), 5)
        tables[split].append([*values, probability] if split == "train" else values)
    header = ["item_id", "user_id", "city", "title", "description", "price", "activation_date", "image"]
    _write_csv(folder / "train.csv", [*header, "deal_probability"], tables["train"])
    _write_csv(folder / "test.csv", header, tables["test"])
    submission = [[row[0], 0] for row in tables["test"]]
    _write_csv(folder / "sample_submission.csv", ["item_id", "deal_probability"], submission)


def sheet_json_cells_trailing_columns(folder: Path) -> None:
    """Write a Google sheet saved as CSV: empty columns and rows at the end, a JSON list in a cell, Yes and No."""
    rng = random.Random("sheet")
    rows: list[list[object]] = []
    for index in range(58):
        mood, thing = rng.choice((-1, 1)), rng.choice(THINGS)
        names = [f"photo_{index + 1}_{number}.png" for number in range(rng.choice((0, 1, 1, 2)))]
        for name in names:
            _save(rng, mood + 1, folder / "Form responses (File responses)" / name)
        body = _body(rng, ENGLISH, mood, thing)
        stamp = f"{_day(rng):%m/%d/%Y} 14:{index:02d}:09"
        answer = "Yes" if (mood == 1) != (rng.random() < 0.08) else "No"
        user = f"user{index * 7}@mail.example"
        rows.append([stamp, user, thing, body, json.dumps(names) if names else "", answer, "", "", ""])
    header = ["Timestamp", "Email Address", "Product", "What did you think of it?", "Photos", "Would you buy it again?"]
    _write_csv(folder / "Form responses 1.csv", [*header, "", "", ""], [*rows, [""] * 9, [""] * 9], end="\r\n")


def memotion_many_targets(folder: Path) -> None:
    """Write memes with five columns that are all labels; nothing says which of them is wanted."""
    rng = random.Random("memotion")
    scales = {
        "humour": ("not_funny", "funny", "very_funny", "hilarious"),
        "sarcasm": ("not_sarcastic", "general", "twisted_meaning", "very_twisted"),
        "offensive": ("not_offensive", "slight", "very_offensive", "hateful_offensive"),
        "motivational": ("not_motivational", "motivational"),
        "overall_sentiment": ("very_negative", "negative", "neutral", "positive", "very_positive"),
    }
    rows = []
    for index in range(90):
        nasty = int(rng.random() < 0.3)
        text = f"{rng.choice(MEMES[nasty])} {rng.choice(('', 'imgflip.com', 'memeful.com', 'me irl'))} {index % 10}"
        name = f"image_{index + 1}.{rng.choice(('jpg', 'jpg', 'png'))}"
        _save(rng, nasty, folder / "images" / name)
        row: dict[str, object] = {"image_name": name, "text_ocr": text.upper(), "text_corrected": text}
        row |= {column: values[min(len(values) - 1, rng.randrange(4) + nasty)] for column, values in scales.items()}
        rows.append(row)
    pd.DataFrame(rows).to_csv(folder / "labels.csv")


def instagram_no_target(folder: Path) -> None:
    """Write posts of a downloader: captions and pictures, but nothing that could be a label."""
    rng = random.Random("instagram")
    records = []
    for index in range(45):
        code = _hash("post", index)[:11]
        stamp = f"{_day(rng)}_1{index % 10}-{index:02d}-07_UTC"
        _save(rng, index % 5, folder / "natgarden" / f"{stamp}.jpg")
        caption = rng.choice(("First tomatoes", "Rain again", "Bees at work", "Compost day", "New raised bed"))
        caption += f" {rng.choice(('🌱', '🌧', 'in the back garden', 'with the neighbours', 'after the frost'))}"
        caption += f" #garden #{_day(rng):%B}"
        record = {"shortcode": code, "taken_at": f"{stamp[:10]}T1{index % 10}:{index:02d}:07", "caption": caption}
        record |= {"file": f"natgarden/{stamp}.jpg", "url": f"https://www.instagram.example/p/{code}/"}
        records.append(record)
    _write_lines(folder / "posts.jsonl", records)


def unlabelled_test_handed_over(folder: Path) -> None:
    """Write a Kaggle competition where the person hands over test.csv, which has no label; train.csv has it."""
    rng = random.Random("handed")
    tables: dict[str, list[list[object]]] = {"train": [], "test": []}
    for index in range(100):
        split = "train" if index < 60 else "test"
        mood, thing = _mood(rng), rng.choice(THINGS)
        name = f"{split}_{index:03d}.jpg"
        _save(rng, mood + 1, folder / "images" / name)
        row: list[object] = [index, _title(rng, ENGLISH, mood, thing), _body(rng, ENGLISH, mood, thing), name]
        tables[split].append([*row, _stars(rng, mood)] if split == "train" else row)
    _write_csv(folder / "train.csv", ["id", "title", "review", "image", "stars"], tables["train"])
    _write_csv(folder / "test.csv", ["id", "title", "review", "image"], tables["test"])
    _write_csv(folder / "sample_submission.csv", ["id", "stars"], [[row[0], 3] for row in tables["test"]])


DATA_SETS: dict[str, DataSet] = {
    "petfinder_adoption": DataSet(
        petfinder_adoption,
        "train/train.csv",
        Expected(90, ("Description",), "AdoptionSpeed", 209, 82, "classification", "PetID", texts_may=("Name",)),
    ),
    "movie_posters": DataSet(
        movie_posters,
        "MovieGenre.csv",
        Expected(100, ("Title", "Plot"), "Genre", 90, 90, "multilabel", "imdbId", ids_may=("Imdb Link", "Poster")),
    ),
    "excel_gadgets": DataSet(
        excel_gadgets,
        "Product reviews.xlsx",
        Expected(60, ("Review Title", "Review Text"), "Rating", 75, 47, "classification", "Review ID", ("Product",)),
    ),
    "excel_hotels_two_sheets": DataSet(
        excel_hotels_two_sheets,
        "Bewertungen.xlsx",
        Expected(70, ("Titel", "Bewertungstext"), "Gesamturteil", 56, 56, "classification", "Nr.", ("Hotel",)),
    ),
    "spanish_shop_cp1252": DataSet(
        spanish_shop_cp1252,
        "opiniones.csv",
        Expected(75, ("título", "comentario"), "estrellas", 81, 59, "classification", "código"),
    ),
    "airbnb_urls_only": DataSet(
        airbnb_urls_only,
        "listings.csv",
        Expected(
            80, ("name", "description"), "price", 0, 0, "regression", "id", ids_may=("listing_url", "picture_url")
        ),
    ),
    "houses_by_count": DataSet(
        houses_by_count,
        "houses.csv",
        Expected(60, ("headline", "description"), "price", 109, 47, "regression", "property_id", texts_may=("street",)),
    ),
    "recipes_names_without_extension": DataSet(
        recipes_names_without_extension,
        "Food Ingredients and Recipe Dataset with Image Name Mapping.csv",
        Expected(
            80,
            ("Title", "Instructions"),
            "Cuisine",
            72,
            72,
            "classification",
            None,
            texts_may=("Ingredients", "Cleaned_Ingredients"),
            ids_may=("", "Unnamed: 0"),
        ),
    ),
    "tweets_train_test_tsv": DataSet(
        tweets_train_test_tsv,
        "train.tsv",
        Expected(100, ("text",), "sentiment", 88, 81, "classification", "tweet_id"),
    ),
    "hub_parquet_class_labels": DataSet(
        hub_parquet_class_labels,
        ".",
        Expected(100, ("text",), "label", 100, 100, "classification"),
    ),
    "imagefolder_captions": DataSet(
        imagefolder_captions,
        ".",
        Expected(80, ("caption",), FOLDER_NAME, 80, 80, "classification", None, ids_may=("file_name",)),
    ),
    "products_and_reviews": DataSet(
        products_and_reviews,
        ".",
        Expected(100, ("title", "body"), "rating", 18, 88, "classification", "review_id", texts_may=("name",)),
    ),
    "classifieds_nested_json": DataSet(
        classifieds_nested_json,
        "items.json",
        Expected(
            65,
            ("title", "description"),
            "category.name",
            83,
            45,
            "classification",
            "id",
            labels_may=("category", "category.id"),
            ids_may=("url",),
        ),
    ),
    "italian_windows_paths": DataSet(
        italian_windows_paths,
        "recensioni.csv",
        Expected(85, ("titolo", "recensione"), "sentimento", 73, 73, "classification", "id", texts_may=("locale",)),
    ),
    "memes_colab_paths": DataSet(
        memes_colab_paths,
        "memes_labelled.csv",
        Expected(
            100,
            ("text",),
            "label",
            96,
            96,
            "classification",
            None,
            labels_may=("label_text",),
            ids_may=("Unnamed: 0", "image_path"),
        ),
    ),
    "scrapy_reviews_thumbnails": DataSet(
        scrapy_reviews_thumbnails,
        "reviews.jsonl",
        Expected(
            70,
            ("headline", "review_body"),
            "stars",
            72,
            53,
            "classification",
            None,
            texts_may=("product",),
            ids_may=("page",),
        ),
    ),
    "donations_long_tail": DataSet(
        donations_long_tail,
        "donations.csv",
        Expected(120, ("title", "description"), "category", 243, 112, "classification", "listing_no", ids_may=("url",)),
    ),
    "news_label_map": DataSet(
        news_label_map,
        ".",
        Expected(100, ("headline", "abstract"), "label", 100, 100, "classification", "id", ids_may=("image",)),
    ),
    "complaints_base64_cells": DataSet(
        complaints_base64_cells,
        "complaints.csv",
        Expected(55, ("message",), "is_defect", 44, 46, "classification", "ticket"),
    ),
    "form_data_uris": DataSet(
        form_data_uris,
        "submissions.jsonl",
        Expected(50, ("comment",), "would_recommend", 53, 35, "classification", "submission_id"),
    ),
    "label_studio_percent_names": DataSet(
        label_studio_percent_names,
        "project-3-at-2024-05-02-10-11-c0ffee12.csv",
        Expected(60, ("text",), "sentiment", 60, 60, "classification", "id", ids_may=("annotation_id", "image")),
    ),
    "french_recipes_decomposed_names": DataSet(
        french_recipes_decomposed_names,
        "recettes.csv",
        Expected(66, ("titre", "préparation"), "difficulté", 58, 58, "classification"),
    ),
    "russian_utf16_nested": DataSet(
        russian_utf16_nested,
        "отзывы.tsv",
        Expected(72, ("заголовок", "отзыв"), "оценка", 67, 48, "classification", "номер"),
    ),
    "rentals_column_json": DataSet(
        rentals_column_json,
        "train.json",
        Expected(
            70,
            ("description",),
            "interest_level",
            99,
            49,
            "classification",
            "listing_id",
            texts_may=("display_address", "street_address", "features"),
        ),
    ),
    "restaurants_nulls_shared": DataSet(
        restaurants_nulls_shared,
        "restaurant_reviews.csv",
        Expected(95, ("comment",), "sentiment", 24, 76, "classification", "review_id"),
    ),
    "ads_submission_probability": DataSet(
        ads_submission_probability,
        ".",
        Expected(80, ("title", "description"), "deal_probability", 65, 65, "regression", "item_id"),
    ),
    "sheet_json_cells_trailing_columns": DataSet(
        sheet_json_cells_trailing_columns,
        "Form responses 1.csv",
        Expected(
            58,
            ("What did you think of it?",),
            "Would you buy it again?",
            55,
            44,
            "classification",
            None,
            texts_may=("Product",),
            ids_may=("Email Address", "Timestamp"),
        ),
    ),
    "memotion_many_targets": DataSet(
        memotion_many_targets,
        "labels.csv",
        Question(
            "five columns are labels of equal standing: ask which one is to be predicted, and name them",
            ("humour", "sarcasm", "offensive", "motivational", "overall_sentiment"),
        ),
    ),
    "instagram_no_target": DataSet(
        instagram_no_target,
        "posts.jsonl",
        Question("no column could be a label: say so and ask for one", ("label",)),
    ),
    "unlabelled_test_handed_over": DataSet(
        unlabelled_test_handed_over,
        "test.csv",
        Question("this file has no label, but train.csv beside it has: say so", ("label", "train.csv")),
    ),
}
