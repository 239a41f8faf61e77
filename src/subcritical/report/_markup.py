"""HTML that cannot be forgotten to escape: plain text is escaped by whoever puts it into an element."""

from __future__ import annotations

import html

from subcritical.schema import visible

TEXT_MAX = 2_000
_VOID = frozenset({"meta", "br", "line", "rect", "circle", "path", "polyline", "polygon"})


class Markup(str):
    """Finished HTML or SVG. Only this module and constants of ours make it."""

    __slots__ = ()


def element(tag: str, /, *children: str | None, **attributes: str | float | None) -> Markup:
    """One element.

    Args:
        tag: Its name; ours, never from a record.
        children: `Markup` as it is; other text is made visible, capped at 2,000 characters and escaped. None is
            skipped.
        attributes: Values are treated like text. A trailing underscore is dropped (`class_`), other underscores
            become hyphens; None skips the attribute.
    """
    opened = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_plain(_number(value), TEXT_MAX)}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _VOID and not children:
        return Markup(f"<{tag}{opened}/>")
    inner = "".join(
        child if isinstance(child, Markup) else _plain(child, TEXT_MAX) for child in children if child is not None
    )
    return Markup(f"<{tag}{opened}>{inner}</{tag}>")


def joined(*parts: Markup | None, between: str = "") -> Markup:
    """Parts one after the other."""
    return Markup(between.join(part for part in parts if part is not None))


def foreign(text: str, limit: int = 300) -> Markup:
    """Text that the guest or a sandbox may have chosen: visible, capped, and unable to reorder what is beside it."""
    return element("bdi", Markup(_plain(text, limit)))


def foreign_lines(text: str, limit: int) -> Markup:
    """The same with line feeds and tabs kept, for preformatted text."""
    return Markup(html.escape(visible(text, limit, lines=True)))


def _plain(text: str, limit: int) -> str:
    return html.escape(visible(text, limit))


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
