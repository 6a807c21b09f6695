"""What the site says of methods and metrics comes from the code, at the time of the build."""

from __future__ import annotations

import re
from typing import Any

MARKER = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace ``<!-- generated: NAME -->`` by the text that `GENERATED` has for it."""
    return MARKER.sub(lambda match: GENERATED[match.group(1)](), markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Leave cells empty where an option has no default; newer click has a word for it."""
    return html.replace("<code>Sentinel.UNSET</code>", "")


def _methods() -> str:
    from adrepro.methods.registry import all_methods

    return "\n\n".join(_method(info) for info in all_methods())


def _method(info: Any) -> str:
    of_presets = ", ".join(("paper", *info.presets))
    facts = [
        _plain(info.paper) or "no paper",
        f"backbone `{info.backbone}`" if info.backbone else "no backbone",
        f"{info.image_size} pixels",
        "maps" if info.localises else "image scores only",
        f"presets {of_presets}",
    ]
    lines = [f"## `{info.name}`: {_plain(info.title)}", "", " · ".join(facts) + "."]
    if info.variants:
        lines += ["", "Variants:", ""]
        lines += [
            f"- `{info.name}@{name}`, {_plain(variant['title'])}: {_settings(variant['settings'])}"
            for name, variant in info.variants.items()
        ]
    lines += ["", "Departures from the paper or its official code:", ""]
    lines += [f"- {_plain(text)}" for text in info.departures] or ["- none known"]
    if info.settings:
        lines += ["", "| setting | the paper's |", "|---|---|"]
        lines += [f"| `{name}` | `{value!r}` |" for name, value in info.settings.items()]
    return "\n".join(lines)


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"`{name} = {value!r}`" for name, value in settings.items()) or "as the paper"


def _plain(text: str) -> str:
    """Keep Markdown and HTML from reading something into a sentence."""
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text)


GENERATED = {"methods": _methods}
