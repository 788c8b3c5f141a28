"""Draw the pictures of the demo data with Pillow: products and distractors, intact or damaged."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SIZE = 96  # width and height of a finished picture, in pixels
_WIDE = 2 * SIZE  # drawn at twice the size and reduced, which smooths the edges

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (214, 40, 48),
    "blue": (38, 84, 210),
    "green": (30, 150, 74),
    "yellow": (246, 196, 30),
    "purple": (128, 56, 180),
    "turquoise": (22, 170, 178),
}


@dataclass(frozen=True)
class _Pen:
    """Draws in coordinates from -1 to 1 around a centre; y grows downwards."""

    draw: ImageDraw.ImageDraw
    x: float
    y: float
    radius: float

    def box(self, left: float, top: float, right: float, bottom: float) -> list[float]:
        return [
            self.x + left * self.radius,
            self.y + top * self.radius,
            self.x + right * self.radius,
            self.y + bottom * self.radius,
        ]

    def polygon(self, fill: Colour, *points: tuple[float, float]) -> None:
        self.draw.polygon([(self.x + x * self.radius, self.y + y * self.radius) for x, y in points], fill)

    def ellipse(self, fill: Colour, *corners: float) -> None:
        self.draw.ellipse(self.box(*corners), fill)

    def rounded(self, fill: Colour, *corners: float, bend: float = 0.12) -> None:
        self.draw.rounded_rectangle(self.box(*corners), bend * self.radius, fill)

    def ring(self, colour: Colour, *corners: float, width: float = 0.13, start: int = 0, end: int = 360) -> None:
        self.draw.arc(self.box(*corners), start, end, colour, round(width * self.radius))


def render(kind: str, colour: str, damaged: bool, rng: np.random.Generator) -> Image.Image:
    """Return one picture, RGB of SIZE x SIZE pixels.

    Args:
        kind: one of PRODUCTS or DISTRACTORS.
        colour: one of COLOURS; distractors use it for details.
        damaged: True for cracked and stained, False for clean and glossy.
        rng: decides background, position, size and where the damage is.
    """
    background = _background(rng)
    shape = Image.new("RGBA", (_WIDE, _WIDE))
    x, y = rng.uniform(0.45, 0.55, 2) * _WIDE
    pen = _Pen(ImageDraw.Draw(shape), float(x), float(y), float(rng.uniform(0.4, 0.46)) * _WIDE)
    _DRAWINGS[kind](pen, COLOURS[colour])
    finish = _damage if damaged else _gloss
    finish(shape, pen, rng)
    scene = Image.new("RGBA", (_WIDE, _WIDE))
    ImageDraw.Draw(scene).ellipse(pen.box(-0.85, 0.78, 0.95, 1.08), (0, 0, 0, 70 if kind in PRODUCTS else 0))
    scene.alpha_composite(shape)
    small = scene.reduce(2)
    background.paste(small, mask=small.getchannel("A"))
    return background


def _background(rng: np.random.Generator) -> Image.Image:
    """Draw a wall with a gradient, above a table or a floor."""
    wall = rng.uniform(190, 235) + rng.uniform(-12, 12, 3)
    table = rng.uniform(105, 190) * np.array([1.0, 0.86, 0.7])
    rows = np.linspace(1.06, 0.9, SIZE, dtype=np.float32)[:, None, None]
    columns = 1 + np.linspace(0, rng.uniform(-0.12, 0.12), SIZE, dtype=np.float32)[:, None]
    edge = round(float(rng.uniform(0.62, 0.78)) * SIZE)
    base = np.where(np.arange(SIZE)[:, None, None] < edge, wall, table).astype(np.float32)
    pixels = base * rows * columns
    if rng.random() < 0.5:
        planks = np.arange(SIZE) // int(rng.integers(9, 22)) % 2 == 0
        pixels[edge:, planks] *= 0.94
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _damage(shape: Image.Image, pen: _Pen, rng: np.random.Generator) -> None:
    """Draw dark cracks and brown stains, on `shape` only."""
    marks = Image.new("RGBA", shape.size)
    draw = ImageDraw.Draw(marks)
    for _ in range(int(rng.integers(6, 9))):
        x, y = rng.uniform(-0.6, 0.6, 2) * pen.radius + (pen.x, pen.y)
        angles = np.linspace(0, 2 * np.pi, 11)[:-1]
        reach = pen.radius * rng.uniform(0.16, 0.3) * rng.uniform(0.6, 1.2, 10)
        blot = [(float(x + r * np.cos(a)), float(y + r * np.sin(a))) for a, r in zip(angles, reach, strict=True)]
        draw.polygon(blot, (70, 45, 20, 215))
    for _ in range(int(rng.integers(4, 7))):
        x, y = rng.uniform(-0.5, 0.5, 2) * pen.radius + (pen.x, pen.y)
        heading = rng.uniform(0, 2 * np.pi)
        for way in (heading, heading + np.pi):
            points = [(float(x), float(y))]
            for _ in range(5):
                turn = way + rng.uniform(-0.9, 0.9)
                step = pen.radius * rng.uniform(0.14, 0.24)
                x, y = points[-1]
                points.append((float(x + step * np.cos(turn)), float(y + step * np.sin(turn))))
            draw.line(points, (12, 10, 10, 255), round(0.06 * pen.radius), joint="curve")
    grime = Image.blend(shape, Image.new("RGBA", shape.size, (96, 84, 66, 255)), 0.35)
    grime.alpha_composite(marks)
    _put(shape, grime)


def _gloss(shape: Image.Image, pen: _Pen, rng: np.random.Generator) -> None:
    """Draw bright streaks of light, on `shape` only."""
    shine = Image.new("RGBA", shape.size)
    draw = ImageDraw.Draw(shine)
    left = float(rng.uniform(-0.55, -0.25))
    for start, width in ((left, 0.16), (left + 0.28, 0.07)):
        corners = [(start, -1.0), (start + width, -1.0), (start + width - 0.25, 1.0), (start - 0.25, 1.0)]
        streak = [(pen.x + x * pen.radius, pen.y + y * pen.radius) for x, y in corners]
        draw.polygon(streak, (255, 255, 255, 120))
    _put(shape, Image.alpha_composite(shape, shine))


def _put(shape: Image.Image, finished: Image.Image) -> None:
    """Paint `shape` like `finished`, and keep its outline."""
    outline = shape.getchannel("A")
    shape.paste(finished)
    shape.putalpha(outline)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(part * factor)) for part in colour)
    return red, green, blue


def _mug(pen: _Pen, colour: Colour) -> None:
    pen.ring(_shade(colour, 0.8), 0.25, -0.35, 0.98, 0.5, width=0.17)
    pen.rounded(colour, -0.7, -0.7, 0.55, 0.95, bend=0.2)
    pen.ellipse(_shade(colour, 1.25), -0.7, -0.88, 0.55, -0.5)
    pen.ellipse((72, 42, 24), -0.6, -0.82, 0.45, -0.55)


def _lamp(pen: _Pen, colour: Colour) -> None:
    pen.polygon((90, 90, 98), (-0.06, -0.1), (0.06, -0.1), (0.06, 0.85), (-0.06, 0.85))
    pen.ellipse((70, 70, 78), -0.5, 0.75, 0.5, 1.0)
    pen.ellipse((255, 244, 190), -0.25, -0.2, 0.25, 0.2)
    pen.polygon(colour, (-0.42, -0.95), (0.42, -0.95), (0.9, 0.08), (-0.9, 0.08))
    pen.polygon(_shade(colour, 0.75), (0.42, -0.95), (0.9, 0.08), (0.45, 0.08), (0.2, -0.95))


def _bag(pen: _Pen, colour: Colour) -> None:
    pen.ring(_shade(colour, 0.6), -0.45, -1.0, 0.45, 0.3, width=0.11, start=180, end=360)
    pen.polygon(colour, (-0.72, -0.35), (0.72, -0.35), (0.92, 0.95), (-0.92, 0.95))
    pen.polygon(_shade(colour, 0.75), (-0.72, -0.35), (0.72, -0.35), (0.78, 0.05), (0.0, 0.3), (-0.78, 0.05))
    pen.ellipse((235, 205, 110), -0.1, 0.14, 0.1, 0.36)


def _chair(pen: _Pen, colour: Colour) -> None:
    wood = (120, 78, 44)
    pen.polygon(wood, (-0.62, 0.2), (-0.5, 0.2), (-0.56, 1.0), (-0.68, 1.0))
    pen.polygon(wood, (0.5, 0.2), (0.62, 0.2), (0.68, 1.0), (0.56, 1.0))
    pen.rounded(colour, -0.58, -1.0, 0.58, 0.15, bend=0.22)
    pen.polygon(_shade(colour, 0.78), (-0.58, 0.05), (0.58, 0.05), (0.78, 0.48), (-0.78, 0.48))


def _vase(pen: _Pen, colour: Colour) -> None:
    pen.polygon(_shade(colour, 0.85), (-0.25, -1.0), (0.25, -1.0), (0.2, -0.3), (-0.2, -0.3))
    pen.ellipse(colour, -0.72, -0.5, 0.72, 0.9)
    pen.polygon(_shade(colour, 0.8), (-0.4, 0.75), (0.4, 0.75), (0.45, 1.0), (-0.45, 1.0))
    pen.ellipse(_shade(colour, 1.25), -0.3, -1.06, 0.3, -0.9)


def _clock(pen: _Pen, colour: Colour) -> None:
    pen.ellipse(colour, -0.95, -0.95, 0.95, 0.95)
    pen.ellipse((250, 248, 238), -0.68, -0.68, 0.68, 0.68)
    for turn in np.arange(12) * np.pi / 6:
        x, y = 0.56 * float(np.cos(turn)), 0.56 * float(np.sin(turn))
        pen.ellipse((40, 40, 48), x - 0.05, y - 0.05, x + 0.05, y + 0.05)
    pen.polygon((40, 40, 48), (-0.05, 0.05), (0.0, -0.5), (0.05, 0.05))
    pen.polygon((40, 40, 48), (-0.04, -0.06), (0.42, 0.16), (-0.02, 0.06))


def _parcel(pen: _Pen, colour: Colour) -> None:
    card = (201, 158, 104)
    pen.polygon(_shade(card, 1.12), (-0.9, -0.35), (-0.45, -0.75), (0.95, -0.75), (0.6, -0.35))
    pen.polygon(card, (-0.9, -0.35), (0.6, -0.35), (0.6, 0.9), (-0.9, 0.9))
    pen.polygon(_shade(card, 0.78), (0.6, -0.35), (0.95, -0.75), (0.95, 0.45), (0.6, 0.9))
    pen.polygon((228, 206, 150), (-0.27, -0.35), (-0.03, -0.35), (-0.03, 0.9), (-0.27, 0.9))
    pen.polygon((250, 250, 250), (0.08, 0.3), (0.5, 0.3), (0.5, 0.68), (0.08, 0.68))
    pen.polygon(colour, (0.08, 0.3), (0.5, 0.3), (0.5, 0.4), (0.08, 0.4))


def _receipt(pen: _Pen, colour: Colour) -> None:
    teeth = [(0.62 - 0.155 * step, 0.98 if step % 2 else 0.88) for step in range(9)]
    pen.polygon((252, 252, 248), (-0.62, -1.0), (0.62, -1.0), *teeth)
    pen.polygon(colour, (-0.4, -0.88), (0.4, -0.88), (0.4, -0.68), (-0.4, -0.68))
    for row in range(8):
        y, end = -0.52 + 0.17 * row, 0.2 if row % 3 else 0.0
        pen.polygon((90, 90, 96), (-0.5, y), (end, y), (end, y + 0.06), (-0.5, y + 0.06))
        pen.polygon((90, 90, 96), (0.32, y), (0.5, y), (0.5, y + 0.06), (0.32, y + 0.06))


def _room(pen: _Pen, colour: Colour) -> None:
    pen.rounded((232, 226, 214), -1.0, -1.0, 1.0, 1.0, bend=0.05)
    pen.polygon((150, 112, 78), (-1.0, 0.55), (1.0, 0.55), (1.0, 1.0), (-1.0, 1.0))
    pen.polygon((255, 255, 255), (-0.8, -0.85), (0.0, -0.85), (0.0, 0.0), (-0.8, 0.0))
    pen.polygon((140, 200, 240), (-0.73, -0.78), (-0.43, -0.78), (-0.43, -0.07), (-0.73, -0.07))
    pen.polygon((140, 200, 240), (-0.37, -0.78), (-0.07, -0.78), (-0.07, -0.07), (-0.37, -0.07))
    pen.rounded(_shade(colour, 0.8), -0.75, 0.1, 0.55, 0.55, bend=0.15)
    pen.rounded(colour, -0.85, 0.35, 0.65, 0.75, bend=0.12)
    pen.polygon((176, 96, 60), (0.7, 0.35), (0.95, 0.35), (0.9, 0.75), (0.75, 0.75))
    for left in (0.55, 0.7, 0.82):
        pen.ellipse((46, 130, 60), left, -0.3, left + 0.2, 0.42)


PRODUCTS: dict[str, Callable[[_Pen, Colour], None]] = {
    "mug": _mug,
    "lamp": _lamp,
    "bag": _bag,
    "chair": _chair,
    "vase": _vase,
    "clock": _clock,
}
DISTRACTORS: dict[str, Callable[[_Pen, Colour], None]] = {
    "parcel": _parcel,
    "receipt": _receipt,
    "room": _room,
}
_DRAWINGS = PRODUCTS | DISTRACTORS
