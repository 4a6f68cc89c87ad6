"""Pages that stand alone: a template filled in, pictures inside of it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from PIL import Image

from boceto.errors import UsageError
from boceto.version import __version__

Command = Callable[..., str]  # words and paths → what a person types: ("resume", Path("a b")) → "boceto resume 'a b'"


def render(template: str, **values: Any) -> str:
    """Fill in a template of this folder; whatever it shows is escaped."""
    environment = Environment(
        loader=PackageLoader("boceto", "reporting"),
        autoescape=select_autoescape(["html", "j2"]),
        undefined=StrictUndefined,
    )
    return environment.get_template(template).render(version=__version__, **values)


def embedded(picture: Image.Image, *, lossy: bool = False) -> dict[str, Any]:
    """A picture as a data URI with its size, so that the page is one file; ``lossy``: WebP, for large ones."""
    out = BytesIO()
    if lossy:
        picture.save(out, format="WEBP", quality=90, method=4)
    else:
        picture.save(out, format="PNG")
    uri = f"data:image/{'webp' if lossy else 'png'};base64," + base64.b64encode(out.getvalue()).decode()
    return {"uri": uri, "width": picture.width, "height": picture.height}


def require_page(out: Path) -> Path:
    """The path of a page to be written. Raises UsageError if its name does not end as a page's."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{out} is to be a page; let its name end in .html")
    return out
