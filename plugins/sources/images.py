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


@dataclass
class Pictured(Outside):
    """The form that images are brought to, wherever they come from."""

    size: Any = None  # int | list[int]
    colour: Colour = Colour.auto

    def __post_init__(self) -> None:
        super().__post_init__()
        sides = self.size if isinstance(self.size, list | tuple) else [self.size]
        good = len(sides) in (1, 2) and all(type(side) is int and 1 <= side <= 16384 for side in sides)
        if self.size is not None and not good:
            raise ValueError(f"size must be pixels of a side, or [height,width], not {self.size!r}")


@dataclass
class Images(Pictured):
    """A folder of images: one folder a class; or ``images`` and ``masks`` for a label at every pixel.

    size: pixels of a side, or ``[height,width]``; needed where images differ in size · colour: their channels.
    Folders train, val and test on top are taken as the splits; without them a fifth each is drawn for val and test
    by the seed, class by class. A mask has the name of its image and one grey value a class.
    """

    needs: ClassVar[str] = "a folder with one folder of images a class, or with images and masks"
    example: ClassVar[str] = "data.path=FOLDER data.size=32"

    def opened(self) -> Collection:
        from ..datasets import image_files

        return image_files.images(self.place, str(self.content()), self.reading())
