"""Images of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from .base import Outside

if TYPE_CHECKING:
    from ..datasets.collection import Collection


class Colour(Enum):
    """Channels of images: one of ``grey``, three of ``rgb``, or by what the files have."""

    auto = "auto"
    grey = "grey"
    rgb = "rgb"


def check_size(size: Any) -> None:
    """Refuse what is no size of images; None, for theirs, passes."""
    sides = size if isinstance(size, list | tuple) else [size]
    if size is not None and not (len(sides) in (1, 2) and all(type(s) is int and 1 <= s <= 16384 for s in sides)):
        raise ValueError(f"size must be pixels of a side, or [height,width], not {size!r}")


@dataclass
class Images(Outside):
    """A folder of images: one folder a class; or ``images`` and ``masks`` for a label at every pixel.

    size: pixels of a side, or ``[height,width]``; needed where images differ in size · colour: their channels.
    Folders train, val and test on top are taken as the splits; without them a fifth each is drawn for val and test
    by the seed, class by class. A mask has the name of its image and one grey value a class.
    """

    needs: ClassVar[str] = "a folder with one folder of images a class, or with images and masks"
    example: ClassVar[str] = "data.path=FOLDER data.size=32"
    size: Any = None  # int | list[int]
    colour: Colour = Colour.auto

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size(self.size)

    def opened(self) -> Collection:
        from ..datasets import image_files

        return image_files.images(self.place, str(self.content()), self.reading())
