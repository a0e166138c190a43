"""Arrays of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from .base import Outside, Target

if TYPE_CHECKING:
    from ..datasets.collection import Collection


class Layout(Enum):
    """The dims of x: rows (N, F), sequences (N, T, F), images (N, C, H, W) or (N, H, W), images_last (N, H, W, C)."""

    auto = "auto"
    rows = "rows"
    sequences = "sequences"
    images = "images"
    images_last = "images_last"


@dataclass
class Arrays(Outside):
    """Arrays x and y in an npz file, by shape: (N, F) rows, (N, T, F) sequences, (N, C, H, W) images.

    Whole numbers or words y (N,) are classes, floats (N,) or (N, K) a regression, whole numbers (N, H, W) labels of
    pixels. layout: the dims of x where ``auto``, which looks at the shapes, is wrong · target_type: what y is.
    Splits: an array ``split`` of train, val and test; or x_train, y_train, x_val, … instead of x and y; without
    either a fifth each is drawn for val and test by the seed, class by class. Pickled arrays are refused.
    """

    needs: ClassVar[str] = "an npz file with arrays x and y"
    example: ClassVar[str] = "data.path=x.npz"
    layout: Layout = Layout.auto
    target_type: Target = Target.auto

    def opened(self) -> Collection:
        from ..datasets import array_files

        return array_files.arrays(self.place, str(self.content()), self.reading())
