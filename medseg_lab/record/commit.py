"""Which commit of this library a run belongs to."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from medseg_lab.training.provenance import PACKAGE

ROOT = Path(__file__).parents[2]
"""The folder that holds the package."""


@dataclass(frozen=True)
class Checkout:
    """The library as it lies in a folder: a git checkout, or an installed copy.

    Args:
        root: the folder that holds the package.
    """

    root: Path = ROOT

    @cached_property
    def commit(self) -> str:
        """The first ten digits of the commit; "" where git does not know the package's files."""
        if self._git("ls-files", f"{PACKAGE}/__init__.py").strip() != f"{PACKAGE}/__init__.py":
            return ""
        return self._git("rev-parse", "HEAD").strip()[:10]

    @cached_property
    def changed(self) -> frozenset[str]:
        """The files that differ from the commit, and those that are not in it."""
        listed = self._git("status", "--porcelain", "--untracked-files=all", "-z", "--", PACKAGE)
        return frozenset(entry[3:] for entry in listed.split("\0") if entry)

    def says(self, sources: Iterable[str], here: bool) -> str:
        """The commit of a run in words: "8f282d9c01", "8f282d9c01 with changes", "version 0.1.0".

        Args:
            sources: the run's files of this library.
            here: whether they are as they lie here; else all that is known is that it was another code.
        """
        said = self.commit or f"version {version('medseg-lab')}"
        if not here:
            return f"not {said}"
        return f"{said} with changes" if self.commit and not self.changed.isdisjoint(sources) else said

    def _git(self, *arguments: str) -> str:
        """What git says; "" where there is no git, or it knows nothing of this folder."""
        try:
            done = subprocess.run(
                ["git", "-C", str(self.root), *arguments], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return ""
        return done.stdout
