"""Reading small pieces of HTML with the standard parser."""

from __future__ import annotations

from html.parser import HTMLParser


class _Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.sound = True
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.sound &= bool(self.open) and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(html: str) -> _Balance:
    """Parse HTML that has no void elements."""
    found = _Balance()
    found.feed(html)
    found.close()
    return found


def balanced(html: str) -> bool:
    """Tell whether every element is closed in its order."""
    found = parsed(html)
    return found.sound and not found.open
