from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subcritical.schema import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ~ text", "plain ~ text"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("\x00\x7f\x85", "\\x00\\x7f\\x85"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\u202eevil\u2066\u2069", "\\u202eevil\\u2066\\u2069"),
        ("zero\u200bwidth\ufeff\u00ad", "zero\\u200bwidth\\ufeff\\xad"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("tag \U000e0041 selector \ufe0f \U000e0101", "tag \\U000e0041 selector \\ufe0f \\U000e0101"),
        ("no\xa0break\u3000", "no\\xa0break\\u3000"),
        ("surrogate \udcff", "surrogate \\udcff"),
        ("private \ue000", "private \\ue000"),
        ("filler \u3164 \u2800", "filler \\u3164 \\u2800"),
        ("Grüße, 日本語, ελληνικά, 👍", "Grüße, 日本語, ελληνικά, 👍"),
        ("e\u0301\u0301\u0301\u0301\u0301", "e\u0301\u0301\u0301\\u0301\\u0301"),
        ("</script>", "</script>"),
    ],
)
def test_what_acts_or_hides_is_written_out(text, shown):
    assert visible(text) == shown


def test_lines_are_kept_on_request_and_carriage_returns_never():
    assert visible("a\n\tb\r\n", lines=True) == "a\n\tb\\r\n"
    assert visible("a\n\té\x1b\n", lines=True) == "a\n\té\\x1b\n"


def test_long_text_is_cut_and_says_so():
    assert visible("x" * 10, 10) == "x" * 10
    assert visible("x" * 11, 10) == "x" * 10 + "… (1 more characters)"
    assert visible("\x1b" * 10, 10) == "\\x1b\\x1b… (8 more characters)"


@given(text=st.text(max_size=300), limit=st.integers(1, 200), lines=st.booleans())
def test_nothing_invisible_gets_through(text, limit, lines):
    shown = visible(text, limit, lines=lines)
    assert len(shown) <= limit + len("… (300 more characters)")
    for character in shown:
        if lines and character in "\n\t":
            continue
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert character.isprintable()
    shown.encode("utf-8")


@given(text=st.text(alphabet=st.characters(categories=["Lu", "Ll", "Nd", "Po"]), max_size=100))
def test_ordinary_text_is_untouched(text):
    assert visible(text) == text
