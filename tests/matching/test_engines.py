"""Every engine gives the ids that Python's `re` gives: on hand cases, on all code points, on random patterns and texts."""

import re
import warnings

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from subcritical.errors import InputError
from subcritical.matching import ENGINES, Pattern, compile_matcher, literals
from subcritical.matching.aho_corasick import AhoCorasickMatcher
from subcritical.matching.leaves import TRAPS

FAST = [name for name in ENGINES if name != "re"]
CASES = [
    (
        r"kill\s+switch",
        True,
        ["KILL \t switch", "kill\u2003switch", "kill\x1cswitch", "killswitch", "\u212aill switch"],
    ),
    (r"\bai\b", False, ["an ai.", "pai", "éai", "ai", "-ai_", "ai\n"]),
    (r"\w{3}\b-", False, ["abc-", "éàü-", "ab-", "---"]),
    (r"[^a-z]sk", True, ["1\u017f\u212a", "ask", "ÀSK", "\nsk"]),
    ("\u017f", True, ["S", "s", "\u017f", "x"]),
    ("\u212aa", False, ["ka", "\u212aa", "\xe2\x84a"]),
    ("strasse|stra\u00dfe", True, ["STRASSE", "stra\u1e9ee", "STRA\u00dfE"]),
    (r"(?<=a)bc(?!d)", False, ["abc", "abcd", "xbc"]),
    (r"(\w+) \1", False, ["no no", "no na", "é é"]),
    (r"(a)?b(?(1)c|d)", False, ["abc", "bd", "abd", "bc"]),
    (r"a++b|(?>a|ab)c", False, ["aab", "ac", "abc"]),
    (r"^ab$", False, ["ab", "ab\n", "ab\n\n", "x\nab", "\nab"]),
    (r"(?m)^ab$", False, ["ab", "x\nab\ny", "xab", "ab\r\n"]),
    (r"(?m)\n^(?!x)", False, ["a\n", "a\nx"]),
    (r"\Aab\Z", False, ["ab", "ab\n"]),
    (r"a{,2}b", False, ["b", "a{,2}b"]),
    (r"[[:alpha:]x]", False, [":]", "a]", "b"]),
    (r"a\x00b", False, ["a\0b", "ab"]),
    (r".{0,300}x.{500}y", False, ["x" + "z" * 500 + "y", "x" + "é" * 500 + "y", "xy"]),
    (r"a.c", False, ["a\nc", "a\rc", "aéc", "a\U0001f600c", "a\u2028c"]),
    (r"(?s)a.c", False, ["a\nc", "a\0c", "ac"]),
    (r"(?x) a  b # c", False, ["ab", "a b"]),
    (r"(?i:A)b(?-i:C)", False, ["abC", "ABC", "abc"]),
    (r"(?a)\w\s", False, ["é ", "e ", "e\x1c", "e\xa0"]),
    ("", False, ["", "a"]),
    (r"a*", False, ["", "b"]),
    (r"\Bb\B", False, ["abc", "b", "éb", "ébc"]),
    (r"\ufffd|\ud800", False, ["\ufffd", "a"]),
    (r"é+n|naïve", True, ["HÉÉN", "NAÏVE", "nai\u0308ve"]),
]


@pytest.mark.parametrize("engine", FAST)
@pytest.mark.parametrize(("regex", "caseless", "texts"), CASES, ids=[case[0] for case in CASES])
def test_traps(engine, regex, caseless, texts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        patterns = [Pattern(7, regex, caseless), Pattern(3, "zz")]
        fast, plain = compile_matcher(patterns, engine=engine), compile_matcher(patterns, engine="re")
    for text in texts:
        assert fast.which(text.encode()) == plain.which(text.encode()), text


@pytest.mark.parametrize("engine", FAST)
@pytest.mark.parametrize(
    "text", [b"a\xffb", b"\xe2\x84aaa", b"a\xc4", b"\xed\xa0\x80ab", b"a\xff\xff\xffb", b"\xe2\x84\xaa\xff"]
)
def test_bytes_that_are_no_utf_8_stand_for_the_replacement_character(engine, text):
    patterns = [
        Pattern(n, regex, n % 2 == 1)
        for n, regex in enumerate(["a.b", "a\ufffdb", "\ufffda", "\\W{3}a", "k\ufffd", "k.$"])
    ]
    assert compile_matcher(patterns, engine=engine).which(text) == compile_matcher(patterns, engine="re").which(text)


def test_no_other_character_matches_an_ascii_letter_when_case_is_ignored():
    beyond = "".join(map(chr, [*range(128, 0xD800), *range(0xE000, 0x110000)]))
    assert set(re.findall("[a-z]", beyond, re.IGNORECASE)) == set(TRAPS)


@pytest.mark.parametrize("engine", ENGINES)
def test_ids_are_sorted_and_given_once_and_nothing_is_kept_from_the_last_text(engine):
    matcher = compile_matcher([Pattern(9, "b"), Pattern(2, "ab"), Pattern(5, "c")], engine=engine)
    assert matcher.engine == engine
    assert matcher.which(b"abab bb") == [2, 9]
    assert matcher.which(b"") == matcher.which(b"xyz") == []
    assert compile_matcher([], engine=engine).which(b"anything") == []


@pytest.mark.parametrize("patterns", [[Pattern(0, "(")], [Pattern(-1, "a")], [Pattern(1, "a"), Pattern(1, "b")]])
def test_unusable_patterns_are_refused(patterns):
    with pytest.raises(InputError):
        compile_matcher(patterns)


def test_an_engine_that_is_not_there_is_refused(monkeypatch):
    with pytest.raises(InputError, match="no engine"):
        compile_matcher([], engine="grep")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"subcritical\[fast\]"):
        compile_matcher([], engine="hyperscan")
    assert compile_matcher([]).engine == "re"


LETTERS = 'abkKsSiI_1- .\n\t\0\x0b\x1c"\\/éÉß\u017f\u212a\u0130\u0131\u2003\ufffd\U0001f600'
TEXTS = st.text(st.sampled_from(LETTERS), max_size=12) | st.text(max_size=8)
ATOMS = st.sampled_from(
    [*map(re.escape, LETTERS), ".", r"\w", r"\W", r"\s", r"\S", r"\d", r"\b", r"\B", "^", "$", r"\A", r"\Z",
     "[a-k]", "[^a-k]", "[^s]", r"[\w-]", r"[^\W_]", "[é-ü]", r"[\x00-\x1f]", "(?=a)", "(?!k)", "(?<=s)", "(?<!é)", "ab", "is"]
)  # fmt: skip


def _grown(inner):
    suffix = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "*?", "+?", "{,2}", "{0,40}"])
    return st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, suffix).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.tuples(ATOMS, suffix).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        inner.map(lambda part: f"(?i:{part})"),
        inner.map(lambda part: f"(?s:{part})"),
        inner.map(lambda part: f"(?m:{part})"),
        inner.map(lambda part: f"(?>{part})"),
    )


REGEXES = st.recursive(ATOMS, _grown, max_leaves=8)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(REGEXES, st.booleans()), min_size=1, max_size=4), st.lists(TEXTS, min_size=1, max_size=6))
@example([("(?:a|)k", True)], ["a\u212a"])
def test_all_engines_agree_on_random_patterns_and_texts(sources, texts):
    patterns = [Pattern(number, regex, caseless) for number, (regex, caseless) in enumerate(sources)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, *fast = (compile_matcher(patterns, engine=engine) for engine in ("re", *FAST))
    for text in texts:
        expected = plain.which(text.encode())
        assert all(matcher.which(text.encode()) == expected for matcher in fast), (sources, text)


def test_literals_are_what_a_match_must_contain():
    assert literals.literals(r"\b(kill|stop)\s+the\s+(monitor|watch)", 0) == {"monitor", "watch"}
    assert literals.literals("(?i)SELF.{0,40}modif", 0) == {"modif"}
    assert literals.literals(r"\w+\s*=\s*(0|1)", 0) is None
    assert literals.literals("a?b*", 0) is None
    assert literals.literals("(?:ab)?cd|ef+gh", 0) == {"abcd", "cd", "gh"}


def test_a_broken_derivation_is_caught(monkeypatch):
    """The planted failure: were an option's words held to be needed, the comparison with `re` would fail."""
    patterns = [Pattern(0, "(?:safe)?guard")]
    assert AhoCorasickMatcher.which(compile_matcher(patterns, engine="aho-corasick"), b"a guard") == [0]
    monkeypatch.setattr("subcritical.matching.aho_corasick.literals", lambda *_: frozenset({"safeguard"}))
    broken = compile_matcher(patterns, engine="aho-corasick")
    assert broken.which(b"a guard") != compile_matcher(patterns, engine="re").which(b"a guard")
