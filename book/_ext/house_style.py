"""What the book's configuration cannot say: no Thebe scripts, and works cited by the survey's numbers."""

from collections.abc import Iterator
from typing import Any

from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx


class SurveyNumbers(BaseLabelStyle):
    """`ref14` is cited as [14], its number in the survey's own bibliography."""

    def format_labels(self, sorted_entries: Any) -> Iterator[str]:
        """The labels, in the order of the entries."""
        for entry in sorted_entries:
            yield entry.key.removeprefix("ref")


class SurveyStyle(Style):
    """Plain entries under the survey's numbers, in their order."""

    default_label_style = SurveyNumbers

    def sort(self, entries: Any) -> list[Any]:
        """The survey itself first, then by number."""
        return sorted(entries, key=lambda entry: int("".join(filter(str.isdigit, entry.key)) or 0))


def without_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Thebe is off, yet its extension declares a script, twice, which a browser reports as an error."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename}{getattr(script, 'attributes', {}).get('body', '')}".lower()
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx; last, so that all scripts are there."""
    register_plugin("pybtex.style.formatting", "survey", SurveyStyle)
    app.connect("html-page-context", without_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
