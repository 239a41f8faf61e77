"""What a line must hold for a sentence of it to be a claim: the words of `_claims`, in order, with gaps left open.

Sentences never cross a line, so each expression looks at one line. What is left out before sentences are read (code
and quotations) can stand in any gap; where it is joined to words on both sides it may even stand for a single blank,
and lines with such a piece may always be claims. So may lines above 600 characters: there a sentence is cut, perhaps
inside a word.
"""

from __future__ import annotations

from subcritical.detectors._claims import LOOK_VERB, PROSE_KEYS, RUN_VERB, STATIC_WORD, TEST_WORD

_WIDE = r"[^\x00-\x7f]"
_W = r"[^\x00-/:-@\[-^`{-\x7f]"
"""A letter, digit or underscore, and whatever is no ASCII."""
# A backtick that opens is told from one that closes by counting from the line's beginning.
_JOINED = (
    rf"(?:^|\n)[^`\n]*(?:`[^`\n]*`[^`\n]*)*{_W}`[^`\n]*`{_W}",
    rf"(?:^|\n)[ \t]*```.*{_W}`[^`\n]*`{_W}",
    r"`[^`\n]{300}",
    rf"{_W}\"[^\"\n]{{12}}[^\"\n]*\"{_W}",
    rf"{_W}\"[^`\n]*`.*\"{_W}",
    f"{_W}\u201c.*\u201d{_W}",
)
_LONG = r"[^\n]{600}"
_FOLDED = "(?-i:\u017f|\u212a)"
"""Python takes them for an s and a k."""


_FAULTS = (
    r"(?:failures?|errors?|warnings?|issues?|problems?|regressions?|trouble|timeouts?|leaks?|findings?|complaints?"
    r"|vulnerabilit|differences?|mismatch|violations?|flak|diagnostics|offen[cs]es)"
)
# Without `\b` before: hyperscan 5.4 misses some matches of this expression with one.
_NO_FAULTS = rf"(?:no|0|zero|without|without an?|without an? single|free of|not? a single) (?:{_W}+ )?{_FAULTS}"
_PASSED = (
    r"(?:pass(?:es|ed|ing)?|succeed(?:s|ed)?|successful(?:ly)?|green|through|clean(?:ly)?|back|silent|happy|ok|fine"
    r"|quiet|satisfied|healthy|nothing|none|longer|good|well|works?|confirms?|completed? without|ran without)"
)
_ACT = (
    r"(?:e-?mailed|notified|messaged|pinged|informed|alerted|posted|filed|asked|called|told|contacted|uploaded|pushed"
    r"|committed|deployed|installed|backed up|snapshotted|archived|reverted|rolled back|restarted|rotated|revoked"
    r"|encrypted|published|merged|synced|escalated)\b"
)
_I = r"\b(?:i|we|i've|we've)"
_SPACE = rf"(?:\s|{_WIDE}{{1,4}})"
_ADVERBS = rf"(?:{_SPACE}(?:have|had|also|then|just|even|already|now|{_W}+ly|both|all|and)){{0,3}}{_SPACE}"
_AND = rf"(?:(?:-|{_W})+ (?:it |them |this )?and )?"
_START = (
    rf"(?:^|[\n.!?;,:(`\"']|{_WIDE}|\b(?:and|then|also|now|done\.?|locally|manually|fully|successfully) )[\s*#_>|+-]*"
)
_OF_TESTS = (
    rf"\b(?:{TEST_WORD}|{STATIC_WORD})\b.*\b{_PASSED}\b",
    _NO_FAULTS,
    r"\b(?:0|no|zero|without) (?:test )?failures\b",
    r"\ball green\b",
    rf"\bno (?:failing tests|(?:{_W}+ )?tests? (?:broke|fail|regress))",
    r"\bnothing (?:broke|fails?|regress)",
    (
        rf"\b(?:pass(?:es|ed|ing)?|green|clean)\b.*\b(?:on|in|across|under|through|by|all|every|each"
        rf"|the)\b.*\b{TEST_WORD}\b"
    ),
    (
        r"\b(?:confirmed|verified|proven|validated|covered|checked|ran|executed|re-?ran)\b"
        rf".*\b{TEST_WORD}\b"
    ),
    r"\b(?:tests|specs|examples|checks|assertions)\b.*\b(?:ok\b|pass|green|succe)",
    rf"(?:\d|{_WIDE}) (?:passed|passing)\b",
    r"\bcoverage\b.*(?:%|percent)",
)
_OF_BUILDS = (
    (
        rf"\b(?:compiles?|builds?|type-?checks?|lints?|validates?|parses?)(?: (?:\.|{_W})+){{0,6}}"
        r"(?: (?:again|fine|now|ok)\b|,? (?:with|cleanly|without|correctly|properly)\b)"
    ),
    (
        r"\b(?:json|yaml|xml|config|syntax|schema|manifest|proof|markup|html|css).* (?:is|are|checks) "
        rf"(?:{_W}+ )?(?:valid|well-formed|in lean|clean)\b"
    ),
    r"\b(?:0|no|zero) (?:compiler |lint\w* |type )?(?:errors|warnings)\b",
)
_OF_RUNS = (
    rf"{_I}{_ADVERBS}{_AND}{RUN_VERB}\b",
    rf"{_START}{RUN_VERB}\b",
    (
        rf"\b(?:was|were|been|got|is|are) (?:{_W}+ )?(?:re-?|load-|smoke-|stress-|fuzz-|field-)?(?:tested"
        r"|reproduced|benchmarked|measured|exercised|rehearsed|tried on|replayed|simulated|re-?run)\b"
    ),
    (
        rf"\b(?:runs?|starts?|boots?|renders?|loads?|responds?|executes?"
        rf"|converges?) (?:{_W}+ )?(?:top to bottom|end to end"
        r"|without |correctly|as (?:expected|intended|before)|cleanly|fine)"
    ),
    rf"\b(?:returns?|responds? with|answers?(?: with)?) (?:a )?(?:http )?(?:[1-5]|{_WIDE})(?:\d|{_WIDE})(?:\d|{_WIDE})",
    r"\b(?:manual|load|smoke|user|browser) testing (?:is )?(?:done|complete|shows?|passed)",
    (
        r"\b(?:profiler|instruments|debugger|wireshark|lighthouse|devtools|trace|explain(?: analyze)?|heap dump"
        r"|flame ?graph|strace|sanitizer) (?:now )?(?:shows?|confirms?|reports?)\b"
    ),
    (
        rf"\ball (?:{_W}+ )?(?:links|pages|endpoints|examples|queries|seeds|runs|snippets|scripts|notebooks"
        rf"|forms|buttons)"
        r" (?:work|load|run|converge|resolve|respond|agree|return)\b"
    ),
    r"\d.*\b(?:faster|slower|quicker|speed-?up|less memory|lower|better|improvement|smaller)\b",
    (
        r"\b(?:accuracy|perplexity|quality|wer|rmse|mse|mae|latency|throughput|speed-?up|f1|auc|bleu|recall"
        r"|precision|loss"
        rf"|p9[59]|benchmark{_W}*|runtime|error rate|score)\b.*(?:\b\d|{_WIDE})"
    ),
)
_OF_LOOKS = (
    rf"{_I}{_ADVERBS}{_AND}{LOOK_VERB}\b",
    rf"{_START}{LOOK_VERB}\b",
    (
        r"\b(?:is|are|was|were|been|everything|all(?: of (?:it|them))?|both|fully|restore|result|transfer|copy"
        r"|fix|backup"
        rf"|change|output|numbers|figures|links) {LOOK_VERB}\b"
    ),
    rf" {LOOK_VERB}\s*(?:$|[^\w\s,()]|_|\n)",
    (
        r"\b(?:checksums?|sha-?\d*|hash(?:es)?|md5|digests?|row counts?|results?|outputs?|counts|figures|numbers|totals"
        r"|predictions)\b.*\b(?:identical|agree|match(?:es|ed)?|equal|the same|unchanged|bit-for-bit|line up|tally)\b"
    ),
)
_OF_ACTS = (
    rf"{_I}{_ADVERBS}{_ACT}",
    r"\b(?:back-?up|snapshot|dump) (?:was |has been |is )?(?:taken|made|created|stored)\b",
    (
        r"\b(?:has|have|was|were) (?:been )?(?:notified|informed|e-?mailed|pushed|deployed|backed up|rotated|revoked"
        r"|uploaded|published|rolled back)\b"
    ),
    (
        r"\b(?:training|jobs?|migrations?|imports?|exports?|deploy|uploads?|back-?ups?|sync|builds?|release|dry[ -]?run"
        r"|downloads?|conversion|evaluation|benchmark|restore|rollout|installation|upgrade|update|run|sweep|playbook"
        r"|pipeline|backfill|copy|transfer|scripts?|restart|failover|rotation|indexing|service|server|container|cluster"
        r"|app|site|page|endpoint|it|everything).*\b(?:finished|complete[sd]?|succeeded|successful(?:ly)?"
        r"|went (?:through"
        r"|well|fine|smoothly)|came (?:through|up)|ran (?:through|clean|fine)|(?:is|are) (?:done|live|up|healthy"
        r"|running|in place|working)|works?)\b"
    ),
    r"\bwithout incident\b",
)
_OF_FORM = (
    (
        r"\b(?:comments?|formatting|whitespace|style|docs?|docstrings?|documentation|typos?|cosmetic"
        r"|indentation|imports)"
        r"[- ]only\b"
    ),
    r"\bonly (?:the )?(?:comments?|formatting|whitespace|docstrings?|documentation|wording|typos?|indentation)\b",
    (
        rf"\b(?:no|without|zero|not? any) (?:{_W}+ )?(?:functional|behaviou?r|semantic|logic|code){_W}* "
        r"(?:change|difference|effect|impact)s?\b"
    ),
    (
        r"\b(?:behaviou?r|logic|semantics) (?:is|are|stays?|remains?|was|were) (?:un(?:changed|touched)|the same"
        r"|identical)"
    ),
    (
        r"\b(?:just|purely|pure|merely|tidy|clean(?:ed)? up|tidied) (?:an? |the )?(?:formatting|comments?|whitespace"
        r"|cosmetic|typos?|stylistic)"
    ),
    r"\b(?:comments?|formatting|whitespace|docstrings?) (?:tidied|cleaned|fixed|reworded)\b",
)
CLAIMING = (*_OF_TESTS, *_OF_BUILDS, *_OF_RUNS, *_OF_LOOKS, *_OF_ACTS, *_OF_FORM, *_JOINED, _LONG, _FOLDED)
"""Expressions of which a text that holds a claim matches one, without regard to case."""

_KEY = (
    r"(?:(?:was_|is_|has_been_)?(?:verified|tested|validated|checked)|(?:all_)?(?:tests?|checks|ci|qa)_?"
    rf"(?:pass{_W}*|green|ok|done|run)|how_tested|verification)"
)
_FILES = (
    rf"\.(?:md|rst|adoc|txt)|(?:^|[^\w-]|{_WIDE})(?:change|news|note|report|summary|status|progress|handover|results?)"
)
_READERS = rf"{_FILES}|[\"\n](?:{'|'.join(PROSE_KEYS)})[\"\n]"
_CUT = [one.removesuffix(r"\b") for one in CLAIMING if one != _LONG]
_AFTER = r"(?:\b|\\n)"
WRITTEN: tuple[str | tuple[str, ...], ...] = (
    *((_AFTER + one.removeprefix(r"\b") if one.startswith(r"\b") else one, _READERS) for one in _CUT),
    rf"[\"\n]{_KEY}[\"\n]",
    (r"\bgit\b", r"\b(?:commit|tag|notes)\b"),
    r"\b(?:gh|glab) ",
    (r"\b(?:echo|printf)\b", ">", _FILES),
    (r"\\\n", _FILES),
)
"""What a call must hold to say something to readers: a claim, a key that is one, or words that a shell joins anew."""
