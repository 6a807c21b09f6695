"""A toy method that writes a line per fit and per scoring of test images into a file."""

from dataclasses import dataclass

from adrepro.methods.base import Context, ImageSet, Scores
from toys import PixelMean, ToySettings


@dataclass(frozen=True)
class BookSettings(ToySettings):
    """Where `CountsBoth` keeps its books."""

    book: str = ""


class CountsBoth(PixelMean):
    """Writes ``fit``; ``score`` for test images, ``one`` for a single one, which is timed."""

    name = "toy-counts-both"
    title = "Counts both"
    Settings = BookSettings

    def fit(self, train: ImageSet, context: Context) -> None:
        super().fit(train, context)
        self._note("fit")

    def score(self, images: ImageSet, context: Context) -> Scores:
        if context.want_maps:
            self._note("score" if len(images) > 1 else "one")
        return super().score(images, context)

    def _note(self, line: str) -> None:
        with open(self.settings.book, "a", encoding="utf-8") as book:
            book.write(f"{line}\n")
