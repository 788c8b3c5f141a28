"""Small data sets in their native layouts, with made-up content: what each reader must understand."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automm.data.download.urls import local_name
from automm.data.manifest import Manifest, parse_manifest

LINES = [("Lid cracked", 1), ("Fine bottle", 5), ("Leaks a little", 2), ("Works well", 5), ("Bad cap", 1), ("Good", 2)]


def manifest_of(folder: Path, name: str, **more: Any) -> Manifest:
    """Write the layout `name` below `folder`; its manifest, with `more` over it."""
    root = folder / "data"
    root.mkdir(parents=True)
    content = {"name": name, "format": name, "path": "data", **WRITERS[name](root), **more}
    return parse_manifest(content, folder / "manifest.yaml")


def put(root: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        raw = content.encode() if isinstance(content, str) else content
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)


def pictures(*names: str) -> dict[str, str | bytes]:
    return dict.fromkeys(names, b"not looked into yet")


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def amazon_2023(root: Path) -> dict[str, Any]:
    url = "https://m.example/I/{}._SL1600_.jpg"
    rows = [
        {
            "rating": float(rating),
            "title": title,
            "text": f"Review {n}<br />of it.",
            "images": [{"small_image_url": "s", "medium_image_url": "m", "large_image_url": url.format(n)}]
            if n
            else [],
            "asin": f"B{n}",
            "parent_asin": f"P{n // 2}",
            "user_id": f"A{n}",
            "timestamp": 1617235200000 + n,
            "verified_purchase": True,
        }
        for n, (title, rating) in enumerate(LINES)
    ]
    rows.append(rows[1])  # again
    rows.append(rows[1] | {"text": "another by the same key"})
    meta = [{"parent_asin": "P0", "title": "Steel bottle", "price": None, "store": "Acme", "main_category": "Home"}]
    put(root, {"Home.jsonl.gz": lines(rows), "meta_Home.jsonl.gz": lines(meta)})
    put(root, pictures(*(local_name(url.format(n)) for n in range(6))))
    return {"options": {"product": True}}


def amazon_2018(root: Path) -> dict[str, Any]:
    rows = [
        {
            "overall": float(rating),
            "summary": title,
            "reviewText": f"Review {n}.",
            "reviewerID": f"A{n}",
            "asin": f"B{n}",
            "unixReviewTime": 1514764800 + n,
            "vote": "1,024",
        }
        | ({"image": ["https://m.example/a.jpg"]} if n == 0 else {})
        for n, (title, rating) in enumerate(LINES)
    ]
    put(root, {"Home.json": lines(rows), local_name("https://m.example/a.jpg"): b"x"})
    return {}


def yelp(root: Path) -> dict[str, Any]:
    rows = [
        {"review_id": f"r{n}", "user_id": "u", "business_id": f"b{n % 4}", "stars": float(rating), "text": title}
        for n, (title, rating) in enumerate(LINES)
    ]
    photos = [{"photo_id": f"p{n}", "business_id": f"b{n % 2}", "caption": "", "label": "food"} for n in range(4)]
    businesses = [{"business_id": f"b{n}", "name": f"Shop {n}", "city": "X", "stars": 3.5 + n % 2} for n in range(5)]
    put(root, {"yelp_academic_dataset_review.json": lines(rows), "photos.json": lines(photos)})
    put(root, {"yelp_academic_dataset_business.json": lines(businesses)})
    put(root, pictures(*(f"photos/p{n}.jpg" for n in range(4))))
    return {}


def google_local(root: Path) -> dict[str, Any]:
    url = "https://lh5.example/p/{}=w150-h150-k-no-p"
    rows = [
        {
            "user_id": f"1000000000000000000{n}",
            "name": "A B",
            "time": 1568748357166 + n,
            "rating": rating,
            "text": title,
            "pics": [{"url": [url.format("A")]}, {"url": [url.format("B")]}] if n == 1 else None,
            "resp": None,
            "gmap_id": f"0x0:0x{n // 2}",
        }
        for n, (title, rating) in enumerate(LINES)
    ]
    rows.append(rows[0] | {"time": 1, "rating": None})
    old = "".join(repr(row) + "\n" for row in rows[:2])  # a dump of Python's dicts
    put(root, {"review-Ohio.json.gz": old + lines(rows[2:]), "meta-Ohio.json.gz": lines([{"gmap_id": "0x0:0x0"}])})
    put(root, pictures(local_name(url.format("A")), local_name(url.format("B"))))
    return {}


def mvsa(root: Path) -> dict[str, Any]:
    listed = "ID\ttext,image\n" + "".join(f"{n}\t{'positive' if n % 2 else 'negative'},neutral\n" for n in range(1, 7))
    put(root, {"labelResultAll.txt": listed})
    put(root, {f"data/{n}.txt": f"caf\u00e9 number {n}\n".encode("gb18030") for n in range(1, 7)})
    put(root, pictures(*(f"data/{n}.jpg" for n in range(1, 7))))
    return {}


def twitter(root: Path) -> dict[str, Any]:
    head = "index\t#1 Label\t#2 ImageID\t#3 String\t#3 String\n"
    for split in ("train", "dev", "test"):
        rows = [f'{n}\t{n % 3}\t{split}{n // 2}.jpg\tGreat "gig by $T$ tonight !\tThe Examples {n}' for n in range(6)]
        put(root, {f"twitter2015/{split}.tsv": head + "\n".join(rows)})
        put(root, pictures(*(f"twitter2015_images/{split}{n}.jpg" for n in range(3))))
    sample = "RT $T$ is out\nAlbum {}\n{}\nO_12.jpg\n"
    twins = "".join(sample.format(n, n - 1) for n in range(3))
    put(root, {f"twitter2017/{split}.txt": twins for split in ("train", "dev", "test")})
    put(root, pictures("twitter2017_images/O_12.jpg"))
    return {"splits": {"column": "split"}}


def hateful_memes(root: Path) -> dict[str, Any]:
    rows = [{"id": n, "img": f"img/{n:05}.png", "label": n % 2, "text": f"made up caption {n}"} for n in range(12)]
    put(root, {"train.jsonl": lines(rows[:4]), "dev_seen.jsonl": lines(rows[4:8])})
    put(root, {"dev_unseen.jsonl": lines(rows[6:10]), "test_seen.jsonl": lines(rows[10:]).rstrip("\n")})
    put(root, {"test_unseen.jsonl": lines([{"id": 99, "img": "img/00001.png", "text": "no label here"}])})
    put(root, pictures(*(f"img/{n:05}.png" for n in range(12))))
    return {"splits": {"column": "split"}}


def mm_imdb(root: Path) -> dict[str, Any]:
    for n in range(1, 8):
        genres = ["Comedy", "Drama"] if n % 2 else ["Drama"]
        plots = ["A baker builds a boat.::someone", f"Part {n}."]
        film = {"title": f"Made Up {n}", "plot": plots, "genres": genres, "year": 1999, "cover url": "http://x"}
        put(root, {f"dataset/000000{n}.json": json.dumps(film), f"dataset/000000{n}.jpeg": b"x"})
    split = {"train": ["0000001", "0000002"], "dev": ["0000003", "0000004"], "test": ["0000005", "0000006"]}
    put(root, {"split.json": json.dumps(split)})
    return {"splits": {"column": "split"}}


CRISIS = (
    "tweet_id\timage_id\ttext_info\ttext_info_conf\timage_info\timage_info_conf\ttext_human\ttext_human_conf\t"
    "image_human\timage_human_conf\timage_damage\timage_damage_conf\ttweet_text\timage_url\timage_path\n"
)


def crisismmd(root: Path) -> dict[str, Any]:
    rows, listed = [], []
    for n in range(6):
        tweet, info = f"90000000000000000{n}", "informative" if n % 2 else "not_informative"
        for place in range(1 + n % 3):
            image = f"data_image/flood/10_10_2017/{tweet}_{place}.jpg"
            cells = [tweet, f"{tweet}_{place}", info, "0.68", "informative", "1.0", "other", "0.6", "none", "1", "", ""]
            rows.append("\t".join([*cells, f'Made up "tweet {n}', "http://pbs.example/a.jpg", image]))
            listed.append(
                "\t".join(["flood", tweet, f"{tweet}_{place}", f"Tweet {n}", image, info, info, info, "Positive"])
            )
            put(root, pictures(image))
    head = "event_name\ttweet_id\timage_id\ttweet_text\timage\tlabel\tlabel_text\tlabel_image\tlabel_text_image\n"
    put(root, {"annotations/flood_final_data.tsv": CRISIS + "\n".join(rows)})
    for split, part in (("train", listed[:5]), ("dev", listed[5:8]), ("test", listed[8:])):
        file = f"crisismmd_datasplit_all/task_informative_text_img_{split}.tsv"
        put(root, {file: head + "\n".join(part)})
    return {}


def multi_zol(root: Path) -> dict[str, Any]:
    sample = "手机 很 好 {}\n['https___img.example_a.jpg', 'https___img.example_b.png']\n{}\n{}\n"
    aspects, scores = ["拍照效果", "屏幕效果"], ["8.0", "10.0"]
    for split in ("Train", "Dev", "Test"):
        text = "".join(sample.format(f"{split} {n // 2}", aspects[n % 2], scores[n % 2]) for n in range(4))
        raw = text.encode().replace("好".encode(), "好".encode() + b"\xff", 1)
        put(root, {f"zol_{split}_jieba.txt": raw})
    put(root, pictures("img/https___img.example_a.jpg", "img/https___img.example_b.png"))
    return {"splits": {"column": "split"}}


def food101(root: Path) -> dict[str, Any]:
    for split in ("train", "test"):
        rows = [
            f'"{dish}_{n}.jpg","Grandma\'s {dish}, step {n} by ""step""","{dish}"'
            for dish in ("pie", "soup")
            for n in range(3)
        ]
        put(root, {f"texts/{split}_titles.csv": "\n".join(rows)})
        put(root, pictures(*(f"images/{split}/{dish}/{dish}_{n}.jpg" for dish in ("pie", "soup") for n in range(3))))
    return {}


def imagefolder(root: Path) -> dict[str, Any]:
    for split in ("train", "val", "test"):
        rows = [{"file_name": f"{n}.png", "text": f"{split} {n}", "label": "ab"[n % 2]} for n in range(3)]
        rows.append({"file_names": ["0.png", "more/1.png"], "text": "two", "label": "b"})
        put(root, {f"{split}/metadata.jsonl": lines(rows)})
        put(root, pictures(*(f"{split}/{n}.png" for n in range(3)), f"{split}/more/1.png"))
    return {"splits": {"column": "split"}}


def markdown_tree(root: Path) -> dict[str, Any]:
    put(
        root,
        {
            "soup/plain.md": "# Soup\n\nLevel: **\n\nBoil it.\n",
            "soup/leek/leek.md": '# Leek\r\nLevel: *\r\n![a](./a%20b.jpg) then ![b](<c (1).png> "t")\n![d](d(2).png)',
            "drink/tea.md": "---\ntitle:\t'Tea'\ntags: [hot, quick]\n---\nLevel: *\n<img src='/pix/t.webp'/>x",
            "drink/gin.md": "---\ntags: [cold]\n---\n![g](pix/g.webp)![h](https://a.example/h.jpg)",
            "soup/pea.md": "Level: ** Boil peas.",
            "README.md": "at the top: no folder",
        },
    )
    put(root, pictures("soup/leek/a b.jpg", "soup/leek/c (1).png", "soup/leek/d(2).png"))
    put(root, pictures("static/pix/t.webp", "static/pix/g.webp", local_name("https://a.example/h.jpg")))
    return {"options": {"site_root": "static", "pattern": r"Level: (\*+)"}}


WRITERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "amazon-reviews-2023": amazon_2023,
    "amazon-reviews-2018": amazon_2018,
    "yelp": yelp,
    "google-local-2021": google_local,
    "mvsa": mvsa,
    "twitter-15-17": twitter,
    "hateful-memes": hateful_memes,
    "mm-imdb": mm_imdb,
    "crisismmd": crisismmd,
    "multi-zol": multi_zol,
    "upmc-food101": food101,
    "imagefolder": imagefolder,
    "markdown-tree": markdown_tree,
}
