"""Draws a memory plan: time from left to right, addresses from bottom to top, one rectangle for each buffer."""

import importlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from xml.sax.saxutils import escape

from lwm2m_ml.errors import MissingExtraError, UsageError

_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 20, 40, 40
_HEIGHT = 420
_STEP_WIDTH, _MAXIMUM_WIDTH = 44, 1600
_TICKS = 8
_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#76b7b2", "#edc948", "#e15759", "#9c755f")
_SCRATCH = "#bab0ac"
_LETTER_WIDTH = 6


class PlacedBuffer(Protocol):
    """What is drawn of a buffer."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def offset(self) -> int:
        """Where it begins."""

    @property
    def bytes(self) -> int:
        """Its size."""

    @property
    def first_use(self) -> int:
        """The first step that needs it."""

    @property
    def last_use(self) -> int:
        """The last step that needs it."""


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    title: str


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; `anchor` is start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and texts on a white page."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    texts: tuple[Text, ...]


def draw_plan(buffers: Sequence[PlacedBuffer], steps: int, arena_bytes: int, suffix: str) -> bytes:
    """The drawing of a plan as a file with this suffix, `.svg` or `.png`."""
    picture = _picture(buffers, steps, arena_bytes)
    if suffix.lower() == ".svg":
        return _svg(picture).encode()
    if suffix.lower() == ".png":
        return _png(picture)
    raise UsageError(f"Cannot draw to a file that ends with {suffix!r}", hint="Choose .svg or .png")


def _picture(buffers: Sequence[PlacedBuffer], steps: int, arena_bytes: int) -> Picture:
    column = min(_STEP_WIDTH, _MAXIMUM_WIDTH / (steps + 1))
    row = _HEIGHT / max(1, arena_bytes)
    width, bottom = int(_LEFT + column * (steps + 1) + _RIGHT), _TOP + _HEIGHT
    boxes, texts = [], [Text(_LEFT, _TOP - 16, f"Arena of {arena_bytes:,} bytes over {steps} steps")]
    for number, buffer in enumerate(sorted(buffers, key=lambda each: (each.first_use, each.name))):
        box = Box(
            _LEFT + column * buffer.first_use,
            bottom - row * (buffer.offset + buffer.bytes),
            column * (buffer.last_use - buffer.first_use + 1),
            row * buffer.bytes,
            _SCRATCH if buffer.name.startswith("scratch") else _COLOURS[number % len(_COLOURS)],
            _title(buffer),
        )
        boxes.append(box)
        label = f"{buffer.bytes:,}"
        if box.height > 12 and box.width > _LETTER_WIDTH * len(label):
            texts.append(Text(box.x + box.width / 2, box.y + box.height / 2 + 4, label, "middle"))
    for tick in range(_TICKS + 1):
        texts.append(Text(_LEFT - 8, bottom - _HEIGHT * tick / _TICKS + 4, f"{arena_bytes * tick // _TICKS:,}", "end"))
    every = max(1, round(24 / column))
    texts += [
        Text(_LEFT + column * (step + 0.5), bottom + 18, "in" if step == 0 else str(step), "middle")
        for step in range(0, steps + 1, every)
    ]
    return Picture(width, bottom + _BOTTOM, tuple(boxes), tuple(texts))


def _title(buffer: PlacedBuffer) -> str:
    place = f"{buffer.bytes:,} bytes at {buffer.offset:,}"
    return f"{buffer.name}: {place}, steps {buffer.first_use} to {buffer.last_use}"


def _svg(picture: Picture) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{picture.width}" height="{picture.height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    lines += [
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" fill="{box.colour}" '
        f'fill-opacity="0.75" stroke="black" stroke-width="0.5"><title>{escape(_printable(box.title))}</title></rect>'
        for box in picture.boxes
    ]
    lines += [
        f'<text x="{text.x:.1f}" y="{text.y:.1f}" text-anchor="{text.anchor}">{escape(text.text)}</text>'
        for text in picture.texts
    ]
    return "\n".join([*lines, "</svg>", ""])


def _printable(text: str) -> str:
    """Names come from model files; XML cannot hold control characters at all."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _png(picture: Picture) -> bytes:
    drawing, image_module = _pillow("PIL.ImageDraw"), _pillow("PIL.Image")
    image = image_module.new("RGB", (picture.width, picture.height), "white")
    canvas = drawing.Draw(image)
    for box in picture.boxes:
        corners = (box.x, box.y, box.x + box.width, box.y + box.height)
        canvas.rectangle(corners, fill=box.colour, outline="black")
    anchors = {"start": "ls", "middle": "ms", "end": "rs"}
    font = _pillow("PIL.ImageFont").load_default(size=11)
    for text in picture.texts:
        canvas.text((text.x, text.y), text.text, fill="black", anchor=anchors[text.anchor], font=font)
    content = io.BytesIO()
    image.save(content, format="PNG")
    return content.getvalue()


def _pillow(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtraError("Pillow, which draws PNG files,", "draw") from None
