"""What the tests of figures and tables share."""

import pytest


@pytest.fixture
def shown(monkeypatch) -> list[dict]:
    """What was displayed, by MIME type."""
    outputs: list[dict] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: outputs.append(data))
    return outputs
