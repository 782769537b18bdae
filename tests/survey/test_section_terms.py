"""Terms of sections: which row counts, and which are refused."""

import pytest

from medseg_lab.data.catalogue import load_card
from medseg_lab.survey import terms
from medseg_lab.survey.terms import all_terms, terms_of

ROW = {"section": "3.2", "steps": 10, "voxels": 100, "why": "a test"}


@pytest.fixture
def table(monkeypatch):
    def put(*rows):
        monkeypatch.setattr(terms, "read", lambda name: {"terms": [ROW | row for row in rows]})
        all_terms.cache_clear()

    yield put
    all_terms.cache_clear()


def test_a_data_set_s_own_row_goes_before_that_for_any(table):
    table({"section": ["3.2", "3.1"]}, {"data": "acdc", "steps": 20})
    assert terms_of("3.2", "acdc").steps == 20
    assert terms_of("3.2", "chase-db1").steps == 10
    assert terms_of("3.1", "acdc").section == "3.1"
    assert terms_of("2.1.1", "acdc") is None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"section": "9"}], "sections of the survey, got '9'"),
        ([{}, {}], "one row for 3.2 on any, got several"),
        ([{"stepz": 3}], "stepz"),
    ],
)
def test_what_is_wrong_with_the_table_is_said(table, rows, said):
    table(*rows)
    with pytest.raises(ValueError, match=said):
        all_terms()


def test_each_row_is_for_a_data_set_that_there_is_and_says_why():
    for one in all_terms():
        assert one.data == "any" or load_card(one.data).id == one.data
        assert len(one.why) > 20
