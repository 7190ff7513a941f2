"""Contact sheets: pictures in a grid, a caption under each."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dreamlab.core.errors import InputError
from dreamlab.core.files import atomic_path

PAPER, INK = (255, 255, 255), (29, 33, 41)


def contact_sheet(
    pictures: Sequence[np.ndarray],
    captions: Sequence[str] = (),
    *,
    columns: int = 5,
    gap: int = 8,
    transparent: bool = False,
) -> np.ndarray:
    """uint8 pictures [H,W,3 or 4] of any sizes in a grid [H,W,3], shrunk to the smallest common cell; without
    paper under them [H,W,4] where `transparent`.

    Captions are cut to fit, with an ellipsis. Raises InputError without pictures, or with too few captions.
    """
    from PIL import Image, ImageDraw

    if not pictures or (captions and len(captions) != len(pictures)):
        raise InputError(
            "a contact sheet wants pictures and a caption for each", got=f"{len(pictures)} pictures"
        )
    side_h, side_w = (min(p.shape[k] for p in pictures) for k in (0, 1))
    font = _font(max(12, side_w // 16))
    text_height = font.size * 2 if captions else 0
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    size = gap + columns * (side_w + gap), gap + rows * (side_h + text_height + gap)
    sheet = Image.new("RGBA", size, (*PAPER, 0)) if transparent else Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for i, picture in enumerate(pictures):
        x, y = gap + i % columns * (side_w + gap), gap + i // columns * (side_h + text_height + gap)
        image = Image.fromarray(picture)
        image.thumbnail((side_w, side_h))
        at = (x + (side_w - image.width) // 2, y + (side_h - image.height) // 2)
        on_paper = image.mode == "RGBA" and not transparent
        sheet.paste(image, at, image if on_paper else None)
        if captions:
            words = _fitted(captions[i], font, side_w)
            pen.text((x + side_w / 2, y + side_h + text_height / 2), words, INK, font, anchor="mm")
    return np.asarray(sheet)


def write_contact_sheet(
    path: str | os.PathLike[str],
    pictures: Sequence[np.ndarray],
    captions: Sequence[str] = (),
    *,
    columns: int = 5,
    transparent: bool = False,
) -> None:
    """`contact_sheet`, written as the image format that the suffix names (.png, .webp, .jpg).

    Raises InputError for another suffix, a transparent JPEG, a place that cannot be written to.
    """
    from PIL import Image

    if transparent and Path(path).suffix.lower() in (".jpg", ".jpeg"):
        raise InputError("JPEG cannot be transparent", mend="Write .png or .webp")
    image = Image.fromarray(contact_sheet(pictures, captions, columns=columns, transparent=transparent))
    with atomic_path(path) as temporary:
        try:
            image.save(temporary)
        except ValueError as error:
            raise InputError(f"{path} is no image format", expected=".png, .webp or .jpg") from error


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _fitted(text: str, font: Any, width: int) -> str:
    # Pillow's own font has no accents: they fall off, and other scripts and emoji with them
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    text = " ".join(plain.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
