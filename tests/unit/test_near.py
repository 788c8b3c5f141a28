import random
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw
from samples import write_reviews

from automm.data.images.decode import PictureError, UnreachableError
from automm.data.images.inspect import Inspection, inspect_all, inspect_images
from automm.data.images.near_duplicates import may_be_close, near_duplicates
from automm.data.manifest import load_manifest
from automm.data.records.reviews import load_dataset
from automm.data.splitting.links import links_of
from automm.data.splitting.split import split_dataset


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


def test_the_same_picture_in_other_forms_is_found(pictures):
    inspections = inspect_all(pictures)
    sets = near_duplicates(inspections.by_digest)
    found = [sorted(inspections.path[digest].name for digest in near) for near in sets]
    assert found == [["a-large.bmp", "a-small.webp", "a.jpg", "a.png"]]
    assert near_duplicates({}) == []


def test_a_picture_of_another_colour_is_another_picture(tmp_path):
    turned = Image.merge("RGB", picture(1).split()[::-1])
    picture(1).convert("L").save(tmp_path / "grey.png")
    picture(1).save(tmp_path / "a.png")
    turned.save(tmp_path / "turned.png")
    inspections = inspect_all(sorted(tmp_path.iterdir()))
    assert len({tuple(sorted(near)) for near in near_duplicates(inspections.by_digest)}) == 0


def test_every_hash_that_is_close_to_another_is_marked_and_few_others():
    chance = random.Random(0)
    alone = [chance.getrandbits(64) for _ in range(3000)]
    relatives = []
    for _ in range(90):  # of what is there, some equal
        flipped = chance.choice(alone[:60])
        for bit in chance.sample(range(64), chance.randint(0, 9)):
            flipped ^= 1 << bit
        relatives.append(flipped)
    hashes = np.array([*alone, *relatives], np.uint64)
    others = np.bitwise_count(hashes[:, None] ^ hashes[None]) + 64 * np.eye(len(hashes), dtype=int)
    assert may_be_close(hashes).tolist() == (others.min(axis=1) <= 6).tolist()
    one_shape = np.array([*alone, *range(100)], np.uint64)  # of which too many agree to be compared
    marked = may_be_close(one_shape)
    assert marked[3000:].all()
    assert marked[:3000].sum() < 10
    assert may_be_close(np.zeros(0, np.uint64)).tolist() == []


def test_an_inspection(tmp_path):
    frames = [Image.new("RGB", (40, 20), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    picture(1).save(tmp_path / "still.png")
    half = (tmp_path / "still.png").read_bytes()
    (tmp_path / "half.png").write_bytes(half[: len(half) // 2])
    names = ("half.png", "moving.gif", "absent.png", "still.png")
    broken, moving, absent, still = inspect_images([(tmp_path / name, None) for name in names])
    assert isinstance(broken, PictureError)
    assert isinstance(absent, PictureError)
    assert (moving.form, moving.width, moving.height, moving.animated, moving.contrast) == ("GIF", 40, 20, True, 0)
    assert moving.thumbnail.tolist() == np.full((8, 8, 3), (255, 0, 0)).tolist()
    assert (still.form, still.width, still.height, still.animated) == ("PNG", 96, 64, False)
    (alone,) = inspect_images([(tmp_path / "still.png", (tmp_path / "still.png").read_bytes())])
    assert (alone.hash, alone.contrast) == (still.hash, still.contrast)
    assert alone.hash.bit_count() == 32
    assert [type(one) for one in inspect_images([(tmp_path / "absent.png", None)])] == [UnreachableError]


def test_near_duplicates_are_in_one_split_on_request(tmp_path):
    manifest = write_reviews(tmp_path, 30)
    for number in range(30):
        picture(number // 3).save(tmp_path / "images" / f"n{number}.jpg", quality=30 + number)
    lines = (tmp_path / "reviews.jsonl").read_text().splitlines()
    changed = [
        line.split('"photos":')[0] + f'"photos": "n{n}.jpg", "label"' + line.rsplit('"label"', 1)[1]
        for n, line in enumerate(lines)
    ]
    (tmp_path / "reviews.jsonl").write_text("\n".join(changed))

    def sets_across_splits(text: str) -> int:
        manifest.write_text(text)
        dataset = load_dataset(load_manifest(manifest))
        digests = inspect_all([path for review in dataset.reviews for path in review.images]).digests
        split = {row: name for name, rows in split_dataset(dataset, links_of(dataset, digests)).items() for row in rows}
        return sum(len({split[row] for row in range(3 * n, 3 * n + 3)}) > 1 for n in range(10))

    text = manifest.read_text()
    assert sets_across_splits(text) > 0
    assert sets_across_splits(text.replace("  seed: 1", "  seed: 1\n  near_duplicates: together")) == 0


def inspected(bits: int, thumbnail: np.ndarray) -> Inspection:
    return Inspection("PNG", 9, 9, animated=False, contrast=200, hash=bits, thumbnail=thumbnail.astype(np.uint8))


def compared(inspections: dict[str, Inspection]) -> list[list[str]]:
    """The sets of near duplicates, by comparing every pair."""
    names = sorted(inspections)
    hashes = np.array([inspections[name].hash for name in names], np.uint64)
    thumbnails = np.array([inspections[name].thumbnail for name in names], float)
    contrasts = np.sqrt(thumbnails.var(axis=(1, 2)).mean(axis=1))
    left, found = np.ones(len(names), bool), []
    for first in range(len(names)):
        if left[first]:
            differ = np.sqrt(((thumbnails - thumbnails[first]) ** 2).mean(axis=(1, 2, 3)))
            alike = left & (differ <= np.clip(np.maximum(contrasts, contrasts[first]) / 6, 1, 8))
            same, reached = {first}, [first]
            while reached:
                near = np.bitwise_count(hashes ^ hashes[reached.pop()]) <= 6
                new = {*np.flatnonzero(near & alike).tolist()} - same
                same |= new
                reached += new
            left[[*same]] = False
            found += [[names[place] for place in sorted(same)]] if len(same) > 1 else []
    return found


@pytest.mark.parametrize("count", [120, 1200])
@pytest.mark.parametrize("brightest", [200, 30])
def test_near_duplicates_equal_a_comparison_of_every_pair(count, brightest):
    rng = np.random.default_rng(3)
    colours = rng.integers(0, brightest, (count // 30, 8, 8, 3))
    bits = [0, 1, 3, 2**9 - 1, 2**40, 2**63 - 1]
    inspections = {
        f"{n:04}": inspected(int(rng.choice(bits)), colours[n % len(colours)] + rng.integers(0, brightest // 5) // 2)
        for n in range(count)
    }
    expected = compared(inspections)
    assert len(expected) > 4
    assert near_duplicates(inspections) == expected


def test_small_things_on_a_white_ground_are_distinguished(tmp_path):
    shapes = {"ring": "red", "disc": "navy", "square": "green", "bar": "black"}
    for name, colour in shapes.items():
        image = Image.new("RGB", (160, 160), "white")
        draw = ImageDraw.Draw(image)
        box = (66, 76, 94, 84) if name == "bar" else (70, 70, 90, 90)
        {"disc": draw.ellipse, "ring": draw.ellipse}.get(name, draw.rectangle)(
            box, outline=colour, fill=None if name == "ring" else colour
        )
        image.save(tmp_path / f"{name}.png")
        image.resize((120, 120)).save(tmp_path / f"{name}.jpg", quality=70)
    inspections = inspect_all(sorted(tmp_path.iterdir()))
    sets = near_duplicates(inspections.by_digest)
    found = [sorted(inspections.path[digest].stem for digest in near) for near in sets]
    assert sorted(found) == [[name, name] for name in sorted(shapes)]


def test_a_chain_does_not_join_its_ends():
    colours = np.random.default_rng(1).integers(0, 200, (8, 8, 3))
    inspections = {f"{n}": inspected(7, colours + 5 * n) for n in range(6)}
    assert near_duplicates(inspections) == [["0", "1"], ["2", "3"], ["4", "5"]]


def test_copies_of_copies_are_found_if_they_look_like_the_first():
    colours = np.random.default_rng(1).integers(0, 200, (8, 8, 3))
    inspections = {f"{n}": inspected((1 << 6 * n) - 1, colours + n) for n in range(4)}
    assert near_duplicates(inspections) == [["0", "1", "2", "3"]]


@pytest.mark.parametrize("copies", [True, False], ids=["copies", "drawn in other colours"])
def test_thousands_of_one_hash_are_not_compared_in_pairs(copies):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 200, (8, 8, 3))
    shape = np.array([[x // 4 + 2 * (y // 4) for x in range(8)] for y in range(8)])
    inspections = {
        f"{n:04}": inspected(
            7 + n % 2, colours + rng.integers(0, 4, (8, 8, 3)) if copies else rng.integers(0, 256, (4, 3))[shape]
        )
        for n in range(6000)
    }
    start = time.process_time()
    found = near_duplicates(inspections)
    assert time.process_time() - start < 3  # comparing each with each takes six
    assert [len(near) for near in found] == ([6000] if copies else [])
