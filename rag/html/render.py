"""A template and its values → an HTML page that runs no script and loads nothing from anywhere.

Every value is escaped, because it may come from a document. All pages extend `page.html`, whose content security
policy allows inline styles and embedded pictures, and nothing else.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: object) -> str:
    """The page that `templates/{template}.html` makes of `values`.

    Raises:
        jinja2.UndefinedError: the template reads a value that is not given.
    """
    return _environment().get_template(f"{template}.html").render(values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # takes 25 to 60 ms to load

    return Environment(
        loader=PackageLoader("rag.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
