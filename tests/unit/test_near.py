import itertools
import random
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw
from samples import write_reviews

from automm.data.images import PictureError
from automm.data.looks import Look, look_at, look_at_all
from automm.data.manifest import load_manifest
from automm.data.near import close_pairs, near_duplicates, picture_names
from automm.data.reviews import load_dataset
from automm.data.splits import split_dataset
from automm.data.unions import Unions


def picture(seed: int) -> Image.Image:
    """Something like a photo: a slope with shapes before it."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (3, 3, 3), np.uint8)).resize((96, 64), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, wide, high = (int(value) for value in rng.integers(4, 60, 4))
        draw.ellipse((x, y, x + wide, y + high), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    return image


@pytest.fixture
def pictures(tmp_path):
    """Three pictures, the first in five forms, and two that are nearly white."""
    first = picture(1)
    first.save(tmp_path / "a.png")
    first.save(tmp_path / "a.jpg", quality=60)
    first.resize((48, 32)).save(tmp_path / "a-small.webp", quality=80)
    first.resize((400, 300)).save(tmp_path / "a-large.bmp")
    picture(2).save(tmp_path / "b.png")
    picture(3).save(tmp_path / "c.png")
    for level in (250, 255):
        Image.new("RGB", (64, 64), (level, level, level)).save(tmp_path / f"white-{level}.png")
    return sorted(tmp_path.iterdir())


def test_the_same_picture_in_other_forms_is_found_and_others_are_not(pictures):
    looks = look_at_all(pictures)
    found = [sorted(looks.path[digest].name for digest in near) for near in near_duplicates(looks.seen)]
    assert found == [["a-large.bmp", "a-small.webp", "a.jpg", "a.png"]]
    assert near_duplicates({}) == []


def test_a_picture_of_another_colour_is_another_picture(tmp_path):
    turned = Image.merge("RGB", picture(1).split()[::-1])
    picture(1).convert("L").save(tmp_path / "grey.png")
    picture(1).save(tmp_path / "a.png")
    turned.save(tmp_path / "turned.png")
    looks = look_at_all(sorted(tmp_path.iterdir()))
    assert len({tuple(sorted(near)) for near in near_duplicates(looks.seen)}) == 0


def test_close_pairs_are_those_of_comparing_each_with_each():
    chance = random.Random(0)
    hashes = [chance.getrandbits(64) for _ in range(60)]
    for _ in range(90):  # relatives of what is there, some equal
        flipped = chance.choice(hashes)
        for bit in chance.sample(range(64), chance.randint(0, 9)):
            flipped ^= 1 << bit
        hashes.append(flipped)
    for distance in (0, 3, 6):
        yielded = close_pairs(np.array(hashes, np.uint64), distance)
        found = [tuple(sorted(pair)) for ones, others in yielded for pair in zip(ones, others, strict=True)]
        pairs = itertools.combinations(range(len(hashes)), 2)
        assert sorted(found) == [(a, b) for a, b in pairs if (hashes[a] ^ hashes[b]).bit_count() <= distance]
    assert list(close_pairs(np.zeros(0, np.uint64), 6)) == []


def test_a_look(tmp_path):
    frames = [Image.new("RGB", (40, 20), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    picture(1).save(tmp_path / "still.png")
    half = (tmp_path / "still.png").read_bytes()
    (tmp_path / "half.png").write_bytes(half[: len(half) // 2])
    names = ("half.png", "moving.gif", "absent.png", "still.png")
    broken, moving, absent, still = look_at([tmp_path / name for name in names])
    assert isinstance(broken, PictureError)
    assert isinstance(absent, PictureError)
    assert (moving.form, moving.width, moving.height, moving.animated, moving.contrast) == ("GIF", 40, 20, True, 0)
    assert moving.thumbnail.tolist() == np.full((8, 8, 3), (255, 0, 0)).tolist()
    assert (still.form, still.width, still.height, still.animated) == ("PNG", 96, 64, False)
    (alone,) = look_at([tmp_path / "still.png"])
    assert (alone.hash, alone.contrast) == (still.hash, still.contrast)
    assert alone.hash.bit_count() == 32
    assert [type(one) for one in look_at([tmp_path / "absent.png"])] == [PictureError]


def test_near_duplicates_stay_on_one_side_when_asked(tmp_path):
    manifest = write_reviews(tmp_path, 30)
    for number in range(30):
        picture(number // 3).save(tmp_path / "images" / f"n{number}.jpg", quality=30 + number)
    lines = (tmp_path / "reviews.jsonl").read_text().splitlines()
    changed = [
        line.split('"photos":')[0] + f'"photos": "n{n}.jpg", "label"' + line.rsplit('"label"', 1)[1]
        for n, line in enumerate(lines)
    ]
    (tmp_path / "reviews.jsonl").write_text("\n".join(changed))

    def torn(text: str) -> int:
        manifest.write_text(text)
        dataset = load_dataset(load_manifest(manifest))
        digests = look_at_all([path for review in dataset.reviews for path in review.images]).digests
        names = picture_names(dataset, digests)
        split = {row: name for name, rows in split_dataset(dataset, names).items() for row in rows}
        return sum(len({split[row] for row in range(3 * n, 3 * n + 3)}) > 1 for n in range(10))

    text = manifest.read_text()
    assert torn(text) > 0
    assert torn(text.replace("  seed: 1", "  seed: 1\n  near_duplicates: together")) == 0


def look_of(bits: int, thumbnail: np.ndarray) -> Look:
    return Look("PNG", 9, 9, animated=False, contrast=200, hash=bits, thumbnail=thumbnail.astype(np.uint8))


def test_near_duplicates_are_those_of_comparing_each_with_each():
    rng = np.random.default_rng(3)
    colours = rng.integers(0, 200, (4, 8, 8, 3))
    looks = {
        f"{n:03}": look_of(int(rng.choice([0, 1, 3, 2**40, 2**63 - 1])), colours[n % 4] + rng.integers(0, 14))
        for n in range(80)
    }
    unions = Unions(80)
    for one, other in itertools.combinations(range(80), 2):
        first, second = looks[f"{one:03}"], looks[f"{other:03}"]
        differences = np.abs(first.thumbnail.astype(int) - second.thumbnail.astype(int))
        if (first.hash ^ second.hash).bit_count() <= 6 and differences.mean() <= 5:
            unions.join(one, other)
    expected = [[f"{place:03}" for place in places] for places in unions.sets() if len(places) > 1]
    assert near_duplicates(looks) == expected


def test_thousands_of_one_hash_are_not_compared_in_pairs():
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 200, (8, 8, 3))
    looks = {f"{n:04}": look_of(7 + n % 2, colours + rng.integers(0, 4, (8, 8, 3))) for n in range(5000)}
    start = time.perf_counter()
    assert [len(near) for near in near_duplicates(looks)] == [5000]
    assert time.perf_counter() - start < 10
