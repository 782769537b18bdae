"""Every chapter runs at `smoke` on the embedded virtual subjects."""

from collections.abc import Iterator

import pytest

from medseg_lab.publishing.execute import Executed
from tests.chapters.conftest import execution, executions
from tests.chapters.executions import Promises


@pytest.fixture(scope="module", params=executions(real=False))
def executed(request: pytest.FixtureRequest) -> Iterator[Executed]:
    """Each chapter, executed."""
    yield from execution(*request.param)


class TestVirtual(Promises):
    """On virtual subjects."""
