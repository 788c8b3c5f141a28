"""What the name of a column suggests about its meaning, in several languages."""

import re
import unicodedata

# Words are compared in snake case, without accents. A word that another word qualifies counts less.
LABELS = frozenset(
    re.findall(
        r"\S+",
        """label labels target class sentiment sentiments rating ratings star stars score polarity overall emotion
        category categories genre genres y outcome verdict
        sterne bewertung note stimmung kategorie urteil gesamturteil gesamtbewertung klasse
        etiqueta estrellas clase categoria sentimiento calificacion puntuacion valoracion genero objetivo
        rotulo estrelas classe sentimento avaliacao nota
        etiquette etoiles categorie difficulte cible etichetta stelle voto punteggio valutazione genere difficolta
        метка класс оценка реитинг звезды тональность категория жанр балл
        标签 类别 情感 评分 评级 星级 分类 分数 kelas sentimen bintang kategori nilai skor penilaian""",
    )
)
CATEGORIES = frozenset(["category", "categories", "genre", "genres", "kategorie", "categoria", "categorie", "kategori"])
EXACT_LABELS = frozenset({"label", "labels", "target", "class", "标签", "метка", "etiqueta", "rotulo"})
WEAK_LABELS = frozenset(
    re.findall(
        r"\S+",
        """type kind tag tags level difficulty cuisine topic interest speed status grade quality hate hateful
        sarcasm humour humor offensive toxic spam fake stance intent subreddit department folder""",
    )
)
NUMBERS = frozenset(
    re.findall(
        r"\S+",
        """price prices cost amount value sales salary revenue probability views likes votes popularity engagement
        preis kosten precio costo prix cout prezzo costo preco цена стоимость 价格 harga""",
    )
)
TEXTS = frozenset(
    re.findall(
        r"\S+",
        """title headline subject summary text texts review reviews reviewtext body content caption captions comment
        comments description sentence tweet plot message abstract designation feedback opinion story post prompt
        instructions question answer transcript desc detail_desc
        titel uberschrift bewertungstext kommentar beschreibung rezension nachricht
        titulo comentario comentarios descripcion texto resena resumen mensaje opinion resenha descricao mensagem
        titre texte commentaire avis preparation resume titolo recensione descrizione testo commento riassunto
        заголовок отзыв текст описание комментарии сообщение 标题 评论 内容 文本 描述 正文
        judul ulasan teks komentar deskripsi isi""",
    )
)
PERSONS = frozenset(
    re.findall(
        r"\S+",
        """user username author reviewer customer buyer writer member owner seller host login nickname annotator
        photographer person email mail screen account rescuer agent manager
        benutzer kunde autor verfasser usuario cliente utilisateur auteur utente autore
        пользователь автор имя покупатель 用户 作者 pengguna penulis""",
    )
)
SUBJECTS = frozenset(
    re.findall(
        r"\S+",
        """product item business shop store hotel restaurant movie film book game brand maker company city state
        country region locale location place venue colour color size gender lang language currency channel source form
        domain product_type produkt marke stadt producto marca ciudad produit marque ville prodotto citta
        город товар 商品 produk""",
    )
)
COUNTS = frozenset(
    re.findall(
        r"\S+",
        """count counts amt num number n quantity age year month day length words chars width height index position
        anzahl alter jahr longueur lunghezza personnes""",
    )
)
OF_OTHERS = frozenset({"product", "item", "business", "shop", "seller", "user", "author", "host"})  # product_title
ASIDE = re.compile(r"verified|vine|purchase|verifiziert|consent|subscribe", re.IGNORECASE)
IDS = re.compile(r"(^|_)(id|ids|guid|uuid|key|asin|sku|nr|no)$", re.IGNORECASE)
OWN_IDS = re.compile(r"((review|record|row|comment|sample)[_ ]?)?(id|guid|uuid|key|index)", re.IGNORECASE)
GROUPS = re.compile(r"(product|item|business|asin|gmap|shop|hotel|movie|user|author|group)", re.IGNORECASE)
PICTURES = re.compile(
    r"(image|img|photo|(?<!to)pic|poster|gambar|foto|bild|thumb(nail|s?$|_)|imagen|фото|картин|изображ|图|画像|写真)",
    re.IGNORECASE,
)
_PICTURE = "(?:image|img|photo|pic|picture|thumbnail|thumb|icon|foto|bild|gambar)"
# Portraits of the author of a review. A plural ("user_images") means pictures that users have uploaded.
PORTRAITS = re.compile(
    rf"(?:^|_)(?:avatars?|userpics?|headshots?|profile_?{_PICTURE}s?"
    rf"|(?:user|author|reviewer|member|account|owner|host)_?{_PICTURE})(?:_|$)"
)
THUMBNAILS = re.compile(r"(?:^|[^a-z])(thumb|thumbs|thumbnail|thumbnails|small|medium|preview|mini)(?:[^a-z]|$)")
_SIZED = re.compile(r"-[0-9]{2,4}x[0-9]{2,4}$")  # photo-150x150, a smaller copy that WordPress writes
NAMELESS = re.compile(r"\s*|Unnamed: [0-9.]+")  # how pandas names an index when it writes, and when it reads it again


def snake_case(name: str) -> str:
    """Return a name in snake case: "Review Text" and "reviewText" are review_text."""
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"\W+", "_", separated).strip("_").lower()


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case and without accents: "Größe (cm)" has "große" and "cm"."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", snake_case(name)) if not _is_accent(letter))
    return [word for word in bare.split("_") if word]


def _is_accent(letter: str) -> bool:
    return unicodedata.category(letter) == "Mn"


def has_braces(name: str) -> bool:
    """Return whether a column cannot be named in `images`, where braces mean a template."""
    return "{" in name or "}" in name


def names_portrait(name: str) -> bool:
    """Return whether a column's name suggests portraits: userImage, profile_photos, user.avatar."""
    return PORTRAITS.search(snake_case(name)) is not None


def names_thumbnail(path: str) -> bool:
    """Return whether the name of a file, or of one of its folders, suggests a smaller copy of a picture."""
    stem = path.rpartition("/")[2].rpartition(".")[0]
    return THUMBNAILS.search(path.lower().replace("_", " ")) is not None or _SIZED.search(stem) is not None


def names_picture(name: str) -> bool:
    """Return whether a column's name suggests pictures, and not their number or size."""
    return PICTURES.search(name) is not None and not counts_something(name)


def counts_something(name: str) -> bool:
    """Return whether a column's name suggests a count or a measure: photo_count, PhotoAmt, image_width."""
    words = words_of(name)
    return bool(words) and (words[-1] in COUNTS or words[0] in ("n", "num", "number"))


def is_nameless(name: str) -> bool:
    """Return whether a header is empty, or the name that pandas gives an index."""
    return NAMELESS.fullmatch(name) is not None


def names_text(name: str) -> bool:
    """Return whether a column's name, or its last word, suggests a text of a review."""
    words = words_of(name)
    if not words:
        return False
    if "_".join(words) in TEXTS:
        return True
    return words[-1] in TEXTS and (len(words) == 1 or words[0] not in OF_OTHERS)


def names_person(name: str) -> bool:
    """Return whether a column's name suggests people, such as the authors of reviews."""
    words = words_of(name)
    return not PERSONS.isdisjoint(words) and not names_text(name)
