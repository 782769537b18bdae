"""A half-fetched file: `<name>.part`, and beside it what tells whether the rest still fits."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medseg_lab.data.obtain.disk import writing

VALIDATORS = ("ETag", "Last-Modified")


@dataclass(frozen=True)
class Part:
    """The part of `target` that is there; `<name>.part.json` has the address and the server's version."""

    target: Path
    url: str

    @property
    def path(self) -> Path:
        """The file that grows."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def notes(self) -> Path:
        """The file that says which version of what `path` is the beginning of."""
        return self.target.with_name(self.target.name + ".part.json")

    @property
    def size(self) -> int:
        """Bytes that are there; 0 if there is no way to tell whether the rest would fit."""
        return self.path.stat().st_size if self.path.is_file() and self._version() else 0

    def ask(self) -> dict[str, str]:
        """Headers that ask for the rest if the file is still the same one, else for the whole."""
        version = self._version()
        if version is None or not self.size:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": next(iter(version.values()))}

    def fits(self, headers: Mapping[str, str]) -> bool:
        """Whether an answer is of the version that `path` is the beginning of."""
        version = self._version() or {}
        return bool(version) and all(headers.get(name, said) == said for name, said in version.items())

    def restart(self, headers: Mapping[str, str]) -> None:
        """Empty the part and remember the version that an answer is of."""
        with writing(self.path):
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self.notes.unlink(missing_ok=True)
            self.path.write_bytes(b"")
            version = {name: headers[name] for name in VALIDATORS if name in headers}
            self.notes.write_text(json.dumps({"url": self.url, **version}), encoding="utf-8")

    def finish(self) -> Path:
        """Give the file its name."""
        with writing(self.target):
            self.path.replace(self.target)
            self.notes.unlink(missing_ok=True)
        return self.target

    def _version(self) -> dict[str, str] | None:
        """What the server said of the version, the strongest first; None where it said nothing of use.

        A weak ETag (`W/"..."`) does not promise the same bytes, so that nothing can be added to them.
        """
        try:
            said = json.loads(self.notes.read_text(encoding="utf-8"))
            if said["url"] != self.url:
                return None
            names = [n for n in VALIDATORS if isinstance(said.get(n), str) and not said[n].startswith("W/")]
            return {name: said[name] for name in names} or None
        except (OSError, ValueError, KeyError, TypeError):
            return None
