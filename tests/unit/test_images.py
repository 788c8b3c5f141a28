import io
import os
import struct
import threading
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automm.data.images import decode as images
from automm.data.images.decode import PictureError, decode_forms, decode_many, decode_picture
from automm.data.images.resampling import PictureForm

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def saved(path: Path, picture: Image.Image, **how) -> Path:
    picture.save(path, **how)
    return path


def left_red(mode: str = "RGB", size: int = 16) -> Image.Image:
    """Left half red, right half blue."""
    picture = Image.new("RGB", (size, size), BLUE)
    picture.paste(RED, (0, 0, size // 2, size))
    return picture.convert(mode)


def near(pixel, colour, tolerance=12) -> bool:
    return bool(np.all(np.abs(pixel.astype(int) - np.array(colour)) <= tolerance))


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.png", "RGB"),
        ("a.png", "P"),
        ("a.png", "RGBA"),
        ("a.jpg", "RGB"),
        ("a.jpg", "CMYK"),
        ("a.gif", "RGB"),
        ("a.webp", "RGB"),
        ("a.bmp", "RGB"),
        ("a.tiff", "RGB"),
        ("a.tiff", "CMYK"),
        ("a.avif", "RGB"),
    ],
)
def test_every_format_and_mode_becomes_rgb(tmp_path, name, mode):
    pixels = decode_picture(saved(tmp_path / name, left_red(mode, 64)), 8)
    assert (pixels.shape, pixels.dtype) == ((8, 8, 3), np.uint8)
    assert near(pixels[4, 1], RED, 40)
    assert near(pixels[4, 6], BLUE, 40)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "I;16", "I", "F"])
def test_grey_keeps_its_brightness(tmp_path, mode):
    if mode in ("I;16", "I"):
        values = np.full((8, 8), 128 * 257, np.uint16 if mode == "I;16" else np.int32)
        file = saved(tmp_path / "a.tiff", Image.fromarray(values))
    elif mode == "F":
        file = saved(tmp_path / "a.tiff", Image.fromarray(np.full((8, 8), 128, np.float32)))
    else:
        grey = Image.new("L", (8, 8), 255 if mode == "1" else 128)
        file = saved(tmp_path / "a.png", grey.convert(mode))
    expected = 255 if mode == "1" else 128
    assert near(decode_picture(file, 4)[2, 2], (expected,) * 3, 1)


def test_16_bit_png(tmp_path):
    file = saved(tmp_path / "a.png", Image.fromarray(np.full((8, 8), 128 * 257, np.uint16)))
    assert near(decode_picture(file, 4)[2, 2], (128,) * 3, 1)


def png(colour_type: int, channels: int, values: bytes, extra: bytes = b"") -> bytes:
    """A PNG of 4 x 4 pixels and 16 bits a channel, which Pillow writes in grey only."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 4, 4, 16, colour_type, 0, 0, 0)
    pixels = zlib.compress((b"\0" + values * 4) * 4)
    assert len(values) == 2 * channels
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("colour_type", "values", "expected"),
    [
        (0, "8080", (128, 128, 128)),
        (2, "ffff80800000", (255, 128, 0)),
        (4, "00008080", (127, 127, 127)),  # half transparent black on white
        (6, "ffff000000008080", (255, 127, 127)),
    ],
    ids=["grey", "rgb", "grey and alpha", "rgb and alpha"],
)
def test_16_bits_a_channel(tmp_path, colour_type, values, expected):
    raw = bytes.fromhex(values)
    (tmp_path / "a.png").write_bytes(png(colour_type, len(raw) // 2, raw))
    assert near(decode_picture(tmp_path / "a.png", 3)[1, 1], expected, 1)


def test_a_progressive_jpeg_is_decoded_like_any_other(tmp_path):
    plain, progressive = (saved(tmp_path / f"{way}.jpg", left_red(size=64), progressive=way) for way in (False, True))
    assert b"\xff\xc2" in progressive.read_bytes()
    assert np.array_equal(decode_picture(plain, 16), decode_picture(progressive, 16))


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "BMP"])
def test_the_format_is_recognised_by_content(tmp_path, form):
    file = saved(tmp_path / "a.jpg", left_red(), format=form)
    assert near(decode_picture(file, 4)[2, 0], RED, 60)


def test_a_resized_edge_of_transparency_has_no_dark_rim(tmp_path):
    """Colours are weighed by their opacity: what is invisible has no colour to give."""
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste((255, 255, 255, 255), (0, 0, 33, 64))
    assert decode_picture(saved(tmp_path / "a.png", picture), 8).min() >= 254


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(tmp_path, mode):
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    if mode == "P":
        file = saved(tmp_path / "a.gif", Image.new("P", (8, 8), 0), transparency=0)
    else:
        file = saved(tmp_path / "a.png", picture.convert(mode))
    assert near(decode_picture(file, 4)[2, 2], WHITE, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(tmp_path / "a.png", left_red(), exif=exif)
    with Image.open(file) as picture:
        expected = np.array(ImageOps.exif_transpose(picture).resize((16, 16)))
    assert np.array_equal(decode_picture(file, 16), expected)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tiff"])
def test_an_animation_gives_its_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    file = saved(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:])
    assert near(decode_picture(file, 4)[2, 2], RED)


def test_what_is_no_file_has_a_reason_and_nothing_hangs(tmp_path):
    saved(tmp_path / "a.png", left_red())
    (tmp_path / "link.png").symlink_to("a.png")
    os.mkfifo(tmp_path / "pipe.png")
    reasons = {".": "a folder, not", "absent.png": "not found", "link.png": "a symbolic link", "pipe.png": "a pipe or"}
    for name, reason in reasons.items():
        with pytest.raises(PictureError, match=reason):
            decode_picture(tmp_path / name, 8)


def test_formats_that_this_pillow_does_not_read_are_not_listed(tmp_path, monkeypatch):
    file = saved(tmp_path / "a.avif", left_red())
    monkeypatch.delitem(Image.OPEN, "AVIF")
    with pytest.raises(PictureError, match=r"not a picture of a known format \(JPEG, .*TIFF\)"):
        decode_picture(file, 8)


def test_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "LARGE_PIXELS", 100)
    inside, most = 0, 0
    real = images._small

    def counted(picture, size):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.01)
        inside -= 1
        return real(picture, size)

    monkeypatch.setattr(images, "_small", counted)
    paths = [saved(tmp_path / f"{n}.png", left_red()) for n in range(4)]
    assert len(list(decode_many(paths, [PictureForm(4)], workers=4))) == 4
    assert most == 1


def test_draft_mode_stays_close_to_the_whole_picture(tmp_path):
    x, y = np.meshgrid(np.arange(1024), np.arange(768))
    picture = Image.fromarray(np.stack([x // 4, y // 3, (x + y) // 8], -1).astype(np.uint8))
    file = saved(tmp_path / "a.jpg", picture, quality=95)
    with Image.open(file) as whole:
        expected = np.array(whole.resize((32, 32), Image.Resampling.BICUBIC), int)
    assert np.abs(decode_picture(file, 32).astype(int) - expected).mean() < 2


def test_reasons_in_words(tmp_path):
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(whole, "JPEG")
    cases = {
        "empty.jpg": (b"", "zero bytes"),
        "text.jpg": (b"not a picture at all", "not a picture"),
        "cut.jpg": (whole.getvalue()[:1000], "truncated"),
        "svg.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    }
    for name, (content, reason) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PictureError, match=reason):
            decode_picture(tmp_path / name, 8)


def test_formats_outside_the_list_are_refused(tmp_path):
    with pytest.raises(PictureError, match="not a picture of a known format"):
        decode_picture(saved(tmp_path / "a.ppm", left_red()), 8)


def test_limits_are_checked_before_pixels_are_read(tmp_path, monkeypatch):
    file = saved(tmp_path / "a.png", left_red())
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    with pytest.raises(PictureError, match="16 x 16 pixels"):
        decode_picture(file, 8)
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    with pytest.raises(PictureError, match="the limit is 0 MB"):
        decode_picture(file, 8)


@pytest.mark.parametrize(("side", "reason"), [(9_700, None), (12_000, "12000 x 12000"), (60_000, "too many pixels")])
def test_a_bomb_is_refused_without_a_warning(tmp_path, side, reason):
    header = Image.new("1", (1, 1))
    file = saved(tmp_path / "a.bmp", header)
    raw = bytearray(file.read_bytes())
    raw[18:26] = side.to_bytes(4, "little") * 2
    file.write_bytes(raw)
    with pytest.raises(PictureError, match=reason or "truncated"):
        decode_picture(file, 8)


def test_warning_filters_are_restored(tmp_path):
    before = list(warnings.filters)
    decode_picture(saved(tmp_path / "a.png", left_red()), 8)
    assert list(warnings.filters) == before


def test_many_pictures_come_in_order_with_few_in_memory(tmp_path, monkeypatch):
    paths = [saved(tmp_path / f"{n}.png", Image.new("L", (4, 4), n)) for n in range(40)]
    paths[7].write_bytes(b"")
    started = []
    real, lock = decode_forms, threading.Lock()

    def counted(path, forms):
        with lock:
            started.append(path)
        return real(path, forms)

    monkeypatch.setattr(images, "decode_forms", counted)
    outcomes = decode_many(paths, [PictureForm(4)], workers=2)
    next(outcomes)
    assert len(started) <= 8
    rest = list(outcomes)
    assert [place for place, _ in rest] == list(range(1, 40))
    assert isinstance(rest[6][1], PictureError)
    assert all(decoded[0][0, 0, 0] == place for place, decoded in rest if place != 7)


def test_a_progressive_picture_counts_all_its_pixels(tmp_path, monkeypatch):
    """Its decoder holds the whole of it, which draft mode does not make smaller."""
    monkeypatch.setattr(images, "LARGE_PIXELS", 100 * 100)
    taken = []

    class Lock:
        def __enter__(self):
            taken.append(True)

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(images, "_ONE_LARGE", Lock())
    for name, how in (("plain.jpg", {}), ("progressive.jpg", {"progressive": True})):
        saved(tmp_path / name, left_red(size=400), **how)
        decode_picture(tmp_path / name, 8)
        assert len(taken) == (name == "progressive.jpg")


@pytest.mark.parametrize("fault", [AssertionError("ours"), TypeError("ours"), AttributeError("ours")])
def test_faults_of_the_code_are_not_reported_as_a_malformed_picture(tmp_path, monkeypatch, fault):
    file = saved(tmp_path / "a.png", left_red())
    monkeypatch.setattr(np, "frombuffer", lambda *_: raising(fault))
    with pytest.raises(type(fault), match="ours"):
        decode_picture(file, 8)


def raising(error):
    raise error


def tiff_with_strips_at(place: bytes, kind: int) -> bytes:
    """A TIFF of 4 x 4 grey pixels, whose strip begins where the four bytes of `place` say, as a number of `kind`."""
    long = 4
    tags = [(256, long, 4), (257, long, 4), (258, long, 8), (259, long, 1), (262, long, 1), (278, long, 4)]
    entries = [struct.pack("<HHII", tag, form, 1, value) for tag, form, value in [*tags, (279, long, 16)]]
    entries.insert(5, struct.pack("<HHI", 273, kind, 1) + place)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4) + bytes(16)


@pytest.mark.parametrize(("kind", "place"), [(11, struct.pack("<f", 3.5)), (9, struct.pack("<i", -7))])
@pytest.mark.parametrize("whole", [True, False], ids=["in memory", "from its file"])
def test_a_tiff_with_a_wrong_strip_offset_is_malformed(tmp_path, monkeypatch, kind, place, whole):
    """Pillow raises TypeError for one, and for the other, of a file that is read piece by piece, OSError(EINVAL)."""
    monkeypatch.setattr(images, "READ_WHOLE", 2**20 if whole else 10)
    file = tmp_path / "a.tiff"
    file.write_bytes(tiff_with_strips_at(struct.pack("<I", 110), 4))
    decode_picture(file, 8)
    file.write_bytes(tiff_with_strips_at(place, kind))
    with pytest.raises(PictureError, match="malformed"):
        decode_picture(file, 8)


def test_an_avif_with_a_time_scale_of_zero_is_malformed(tmp_path):
    """Pillow divides by it."""
    frames = [left_red(), left_red("L").convert("RGB")]
    file = saved(tmp_path / "a.avif", frames[0], save_all=True, append_images=frames[1:])
    raw = bytearray(file.read_bytes())
    place = raw.index(b"mdhd") + 4
    length = 8 if raw[place] == 1 else 4  # of the times before it
    raw[place + 4 + 2 * length : place + 8 + 2 * length] = bytes(4)
    file.write_bytes(raw)
    with pytest.raises(PictureError, match="malformed"):
        decode_picture(file, 8)
