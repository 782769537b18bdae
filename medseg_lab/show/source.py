"""The library's own code on a page: what is shown is what runs."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

from medseg_lab.show.page import escape, show

DARK = 'html[data-theme="dark"]'
LAB = 'body[data-jp-theme-light="false"]'
FRAME = """
.medseg-source { margin: .6em 0; border: 1px solid #8886; border-radius: 4px; overflow-x: auto; }
.medseg-source figcaption { padding: .3em .8em; font-size: .8em; opacity: .85;
  border-bottom: 1px solid #8886; }
.medseg-source pre { margin: 0; padding: .6em .8em; line-height: 1.35; font-size: .85em; border: 0;
  background: transparent; color: inherit; }
"""


def source(thing: Callable[..., Any] | type | property, docstring: bool = True) -> None:
    """Display the source of a function, method, property or class, with where it is written.

    Args:
        thing: what to show, as it is loaded now.
        docstring: whether to show the docstrings, too; without them, a line says that they are left out.

    Raises:
        ValueError: for what has no Python source.
    """
    code, caption = listing(thing, docstring)
    show(source_html(code, caption), f"# {caption}\n{code}")


def listing(thing: Callable[..., Any] | type | property, docstring: bool = True) -> tuple[str, str]:
    """The code, and its caption: dotted path and lines."""
    found: Any = thing.fget if isinstance(thing, property) else getattr(thing, "__func__", thing)
    found = inspect.unwrap(found)
    try:
        lines, first = inspect.getsourcelines(found)
    except (OSError, TypeError) as error:
        wanted = "expected a function, method, property or class written in Python"
        raise ValueError(f"source: {wanted}, got {thing!r}") from error
    code = textwrap.dedent("".join(lines)).rstrip()
    path = f"{found.__module__}.{found.__qualname__}"
    caption = f"{path}, lines {first} to {first + len(lines) - 1}"
    return (code, caption) if docstring else (without_docstrings(code), f"{caption}, docstrings left out")


def without_docstrings(code: str) -> str:
    """Code without its docstrings; a body that is nothing else keeps its own."""
    lines: list[str | None] = list(code.split("\n"))
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or len(node.body) < 2:
            continue
        if ast.get_docstring(node, clean=False) is not None:
            start, stop = node.body[0].lineno - 1, node.body[0].end_lineno or 0
            blank = stop < len(lines) and not (lines[stop] or "").strip()
            lines[start : stop + blank] = [None] * (stop + blank - start)
    return "\n".join(line for line in lines if line is not None)


def source_html(code: str, caption: str) -> str:
    """The listing as HTML: keyboard users can scroll it, and it follows the page's light or dark theme."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    body = highlight(code, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip()
    head = f"<figcaption><code>{escape(caption)}</code></figcaption>"
    return (
        f'<style>{_css()}</style><figure class="medseg-source">{head}'
        f'<pre tabindex="0" aria-label="source of {escape(caption)}"><code>{body}</code></pre></figure>'
    )


@cache
def _css() -> str:
    """Rules for light pages, for the book's dark theme and for JupyterLab's."""
    from pygments.formatters import HtmlFormatter

    light = HtmlFormatter(style="default").get_style_defs(".medseg-source pre")
    rules = [FRAME, _tokens(light)]
    for theme in (DARK, LAB):
        dark = HtmlFormatter(style="github-dark").get_style_defs(f"{theme} .medseg-source pre")
        rules.append(_tokens(dark))
        rules.append(f"{theme} .medseg-source {{ background: #0d1117; color: #e6edf3; }}")
    return "\n".join(rules)


def _tokens(css: str) -> str:
    """Only the rules for tokens: pygments' others would style the page's line numbers and backgrounds."""
    return "\n".join(
        line.split("/*")[0] for line in css.splitlines() if " pre ." in line and "background" not in line
    )
