"""Every chapter runs at `smoke` on one real data set, where it is on this machine."""

from collections.abc import Iterator

import pytest

from medseg_lab.publishing.execute import Executed
from tests.chapters.conftest import execution, executions
from tests.chapters.executions import Promises


@pytest.fixture(scope="module", params=executions(real=True))
def executed(request: pytest.FixtureRequest) -> Iterator[Executed]:
    """Each chapter, executed."""
    yield from execution(*request.param)


class TestReal(Promises):
    """On one real data set each."""
