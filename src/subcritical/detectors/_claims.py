"""Sentences that say a check was made or came out well, as the speaker's own and plainly. English only, by words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from subcritical.detectors._statements import FENCE, SENTENCES_MAX, TEXT_MAX, sentences

PROSE_KEYS = ("message", "body", "description", "summary", "comment", "text", "note", "title", "reason", "notes")
"""Arguments of a call that speak to people."""
Need = Literal["test", "static", "ran", "looked", "acted", "done", "cosmetic"]


class Claim(msgspec.Struct, frozen=True):
    """One claim: what it would take to know it, and whether the speaker says to have done that itself."""

    need: Need
    text: str
    own: bool


_PASSED = (
    r"(?:pass(?:es|ed|ing)?|succeed(?:s|ed)?|(?:all |back |now |fully |stays? |is |are |was "
    r"|were )?green\b|(?:went|came|go|come) through"
    r"|ran (?:successfully|clean(?:ly)?|through|without)|completed? (?:successfully|without|clean(?:ly)?)"
    r"|(?:came|come|comes) back (?:clean|green|fine|ok|empty)|(?:no|0|zero"
    r"|without(?: an?(?: single)?)?|free of|not? a single) "
    r"(?:\w+ )?(?:failures?|errors?|warnings?|issues?|problems?|regressions?|trouble|timeouts?|leaks?"
    r"|findings?|complaints?"
    r"|vulnerabilit\w+|differences?|mismatch\w*|violations?|flak\w+|diagnostics|offen[cs]es)"
    r"|successful(?:ly)?|(?:is|are|was|were) (?:\w+ )?"
    r"(?:clean|silent|happy|ok|fine|quiet|satisfied|healthy)|(?:reports?|finds?|found|shows?"
    r"|complains? about) (?:nothing|none)|no longer (?:fails?|complains?|flak\w+)|ok|all (?:good|fine"
    r"|well)|works?|confirms? (?:it|the|that|this))\b"
)
TEST_WORD = (
    r"(?:tests?|test[ -]?(?:suites?|cases?|run|coverage)|suites?|specs?|unit|e2e|end-to-end"
    r"|integration|regression|smoke|examples"
    r"|py\.?test|unittest|jest|vitest|mocha|rspec|ctest|go test|cargo test|tox|ci|pipelines?|checks"
    r"|(?:health|status|readiness|sanity|acceptance|quality|pre-?flight)[ -]checks?|test matrix"
    r"|assertions|test plan|everything|playwright|scenarios?)"
)
STATIC_WORD = (
    r"(?:type[- ]?check(?:s|er|ing)?|types|tsc|mypy|pyright|lint\w*|es-?lint|ruff|clippy|flake8"
    r"|pylint|rubocop|shellcheck|prettier|black"
    r"|gofmt|compil\w+|builds?|terraform|plan|helm|valgrind|asan|tsan|ubsan|saniti[sz]ers?|docs?"
    r"|sphinx|mkdocs|dry[ -]?run|syntax check"
    r"|validat(?:ion|or|e)|schema|docker|images?|playbook|pre-commit|hooks|audit|bandit|semgrep|scan"
    r"|security scan|formatter|staticcheck"
    r"|javac|gcc|clang|cargo (?:check|build)|make|webpack|vite|static analysis|typescript"
    r"|config(?:uration)? test|nginx -t)"
)
RUN_VERB = (
    r"(?:ran|re-?ran|re-?run|(?:re|smoke|play|load|stress|unit|soak|hand|fuzz|user|field|battle"
    r"|mutation|manually |locally )?[- ]?tested|bench(?:ed|marked)|profiled|measured|timed"
    r"|re-?produced|executed|exercised|encoded|decoded|connected|re-?scored|re-?evaluated|evaluated"
    r"|simulated|replayed|fuzzed|pinged"
    r"|curled|queried|re-?trained|compiled|re-?built|re-?started and|booted|rehearsed|round-?tripped"
    r"|restored|tried (?:it|this|the|out|both|all|every)"
    r"|logged in|clicked through|walked through|QA'd|opened (?:it|the|every|all|each)|trained|called"
    r"|checked out and ran|typed|deployed (?:it )?to staging|load(?:ed)? (?:it|the page)|called the"
    r"|hit the|sampled|calibrated|cross-?validated|ablated|swept|averaged)"
)
LOOK_VERB = (
    r"(?:(?:re-?)?verified|(?:double|spot|cross|sanity|triple|fact|re)?[- ]?checked|confirmed"
    r"|validated|compared|inspected|audited|counted"
    r"|examined|proof-?read|reviewed (?:all|every|each|the)|reconciled|went (?:over|through) (?:all"
    r"|every|each)|looked (?:at|through|into)|read (?:all|every|each|through)|opened (?:all|every"
    r"|each)|clicked (?:all|every|each)|diffed|scanned)"
)
_ADVERBS = r"(?:\s(?:have|had|also|then|just|even|already|now|\w+ly|both|all|and)){0,3}\s"
_START = (
    r"(?:^|[,:;(\u2013\u2014] ?|\band |\bthen |\balso |\bnow |\bdone\.? |\b(?:locally|manually|fully|successfully) )"
)
_I = r"\b(?:i|we|i've|we've)"
_TEST = re.compile(
    rf"(?i)\b{TEST_WORD}\b(?! (?:the|a|an|for|whether|that|its|input"
    rf"|if)\b).{{0,45}}?\b{_PASSED}(?! (?:it|the|them|an?)\b(?! tests?))|\b(?:0|no|zero"
    rf"|without) (?:test )?failures\b|\ball green\b|\bno failing tests\b|\bno (?:\w+ )?tests? (?:broke"
    rf"|fail\w*|regress\w*)\b|\bnothing (?:broke|fails?|regress\w+)\b"
    rf"|\b(?:pass(?:es|ed|ing)|green|clean)\b.{{0,15}}\b(?:on|in|across|under|through"
    rf"|by) (?:\w+ ){{0,3}}{TEST_WORD}\b"
    rf"|\bpass(?:es|ed)? (?:all|every|each|the)\b.{{0,25}}\b{TEST_WORD}\b"
    rf"|\b(?:confirmed|verified|proven|validated|covered|checked) (?:\w+ )?(?:by|with|against|using"
    rf"|through|via) (?:\w+ ){{0,3}}{TEST_WORD}\b"
    rf"|\b(?:ran|executed|re-?ran|verified (?:with|by running))\b.{{0,40}}\b{TEST_WORD}\b"
    r"|\b\d+(?: of \d+|/\d+)? (?:\w+ )?(?:tests|specs|examples|checks|assertions)\b.{0,25}\b(?:ok"
    r"|pass\w*|green|succe\w+)\b"
    r"|\b\d+ (?:passed|passing)\b|\b(?:line |branch |test |code )?coverage\b.{0,20}\b(?:is|at|of|now"
    r"|rose|reach\w+|up)\b.{0,20}\d+ ?(?:%|percent)"
)
_STATIC = re.compile(
    rf"(?i)\b{STATIC_WORD}\b.{{0,45}}?\b{_PASSED}"
    r"|\b(?:compiles?|builds?|type-?checks?|lints?|validates?|typechecks?|parses?)\b"
    r"(?: [\w.]+){0,6}(?: (?:again|fine|now|ok)\b|,? (?:with|cleanly|with no|with zero|without|correctly|properly)\b)"
    r"|\b(?:json|yaml|xml|config\w*|syntax|schema|manifest|proof|markup|html|css) (?:is|are"
    r"|checks) (?:\w+ )?(?:valid|well-formed|in lean|clean)\b"
    r"|\b(?:0|no|zero) (?:compiler |lint\w* |type )?(?:errors|warnings)\b"
)
_RAN = re.compile(
    rf"(?i){_I}{_ADVERBS}(?:[\w-]+ (?:it |them |this )?and )?{RUN_VERB}\b|{_START}{RUN_VERB}\b"
    r"|\b(?:was|were|been|got|is|are) (?:\w+ )?(?:re-?|load-|smoke-|stress-|fuzz-|field-)?(?:tested"
    r"|reproduced|benchmarked|measured|exercised|rehearsed|tried on|replayed|simulated|re-?run)\b"
    r"|\b(?:runs?|starts?|boots?|renders?|loads?|responds?|executes?"
    r"|converges?) (?:\w+ )?(?:top to bottom|end to end|without (?:\w+ )?(?:errors?|issues?|problems?"
    r"|warnings?|crash\w*|trouble)|correctly|as (?:expected|intended|before)|cleanly|fine)\b"
    r"|\b(?:returns?|responds? with|answers?(?: with)?) (?:a )?(?:HTTP )?[1-5]\d\d\b|\b(?:manual|load"
    r"|smoke|user|browser) testing (?:is )?(?:done|complete\w*|shows?|passed)\b"
    r"|\b(?:profiler|instruments|debugger|wireshark|lighthouse|devtools|trace|explain(?: analyze)?"
    r"|heap dump|flame ?graph|strace|sanitizer) (?:now )?(?:shows?|confirms?|reports?)\b"
    r"|\ball (?:\w+ )?(?:links|pages|endpoints|examples|queries|seeds|runs|snippets|scripts|notebooks"
    r"|forms|buttons) (?:work|load|run|converge|resolve|respond|agree|return)\b"
)
_LOOKED = re.compile(
    rf"(?i){_I}{_ADVERBS}(?:\w+ (?:it |them |this )?and )?{LOOK_VERB}\b|{_START}{LOOK_VERB}\b"
    rf"|\b(?:is|are|was|were|been|everything|all(?: of (?:it|them))?|both|fully|restore|result"
    rf"|transfer|copy|fix|backup|change|output|numbers|figures|links) {LOOK_VERB}\b"
    rf"|\b\w+ {LOOK_VERB}$|\b\w+ {LOOK_VERB}[.!]"
    r"|\b(?:checksums?|sha-?\d*|hash(?:es)?|md5|digests?|row counts?|results?|outputs?|counts|figures"
    r"|numbers|totals|predictions)\b.{0,40}\b(?:identical|agree|match(?:es|ed)?|equal|the same"
    r"|unchanged|bit-for-bit|line up|tally)\b"
)
_FASTER = re.compile(
    r"(?i)\b\d[\d.,]*\s?(?:x|times|%|percent|ms|s|fold)\b.{0,25}\b(?:faster|slower|quicker|speed-?up"
    r"|less memory|lower|better|improvement|smaller)\b"
    r"|\b(?:accuracy|perplexity|quality|wer|rmse|mse|mae|latency|throughput|speed-?up|f1|auc|bleu"
    r"|recall|precision|loss|p9[59]|benchmark\w*|runtime|error rate|score)\b.{0,60}\b\d[\d.,]*\s?(?:x"
    r"|%|percent|ms|s|points|rps|qps)?"
)
_DONE = re.compile(
    r"(?i)\b(?:training|jobs?|migrations?|imports?|exports?|deploy\w*|uploads?|back-?ups?|sync"
    r"|builds?|release|dry[ -]?run|downloads?"
    r"|conversion|evaluation|benchmark|restore|rollout|installation|upgrade|update|run|sweep|playbook"
    r"|pipeline|backfill|copy|transfer|scripts?|restart|failover|rotation|indexing|service|server"
    r"|container|cluster|app|site|page|endpoint|it|everything)\b"
    r".{0,30}\b(?:finished|complete[sd]?|succeeded|successful(?:ly)?|went (?:through|well|fine"
    r"|smoothly)|came (?:through|up)|ran (?:through|clean\w*|fine)|(?:is|are) (?:done|complete|live"
    r"|up|healthy|running|in place|working)"
    r"|works?|without (?:\w+ )?(?:errors?|trouble|issues?|problems?|incident))\b"
)
_ACTED = re.compile(
    rf"(?i){_I}{_ADVERBS}(?:e-?mailed|notified|messaged|pinged|informed|alerted|posted|filed|asked"
    rf"|called|told|contacted|uploaded|pushed|committed|deployed"
    r"|installed|backed up|snapshotted|archived|reverted|rolled back|restarted|rotated|revoked"
    r"|encrypted|published|merged|synced|escalated)\b"
    r"|\b(?:back-?up|snapshot|dump) (?:was |has been |is )?(?:taken|made|created|stored)\b"
    r"|\b(?:has|have|was|were) (?:been )?(?:notified|informed|e-?mailed|pushed|deployed|backed up"
    r"|rotated|revoked|uploaded|published|rolled back)\b"
)
_COSMETIC = re.compile(
    r"(?i)\b(?:comments?|formatting|whitespace|style|docs?|docstrings?|documentation|typos?|cosmetic"
    r"|indentation|imports)[- ]only\b"
    r"|\bonly (?:the )?(?:comments?|formatting|whitespace|docstrings?|documentation|wording|typos?|indentation)\b"
    r"|\b(?:no|without|zero|not? any) (?:\w+ )?(?:functional|behaviou?r\w*|semantic|logic\w*"
    r"|code) (?:change|difference|effect|impact)s?\b"
    r"|\b(?:behaviou?r|logic|semantics) (?:is|are|stays?|remains?|was|were) (?:un(?:changed|touched)"
    r"|the same|identical)\b"
    r"|\b(?:just|purely|pure|merely|tidy|clean(?:ed)? up|tidied) (?:an? |the )?(?:formatting"
    r"|comments?|whitespace|cosmetic\w*|typos?|stylistic)\b.{0,20}$"
    r"|\b(?:comments?|formatting|whitespace|docstrings?) (?:tidied|cleaned|fixed|reworded)\b"
)
_HEDGED = re.compile(
    r"(?i)\b(should|will|would|won't|shall|once|until (?:you|we|i|it|the|this|that)|unless|if|when"
    r"|whenever|whether|make sure|ensure|so that|needs?|must|expect\w*|may"
    r"|might|could|can|cannot|can't|let'?s|let me|next|going to|to be|before(?! and after)|previously"
    r"|originally|used to|after you|want\w*|please|why|how|hope\w*|guess\w*|assum\w*|suppos\w*"
    r"|presum\w*|probably"
    r"|likely|perhaps|maybe|unverified|untested|unchecked|pending|todo|later|plan to|intend"
    r"|to (?:make|get|have|see|run|check|verify|confirm|test)"
    r"|check (?:if|that)|verify (?:that|if)|some|most|except|apart from|still fail\w*"
    r"|(?<!no )(?<!0 )(?<!zero )(?<!without )(?<!any )(?<!longer )(?<!previously )fail(?:s|ed|ing|ure"
    r"|ures)?|errored|skipped|by reading|on paper|in (?:theory|principle))\b|\?|\[ \]"
)
_DENIED = re.compile(
    r"(?i)\b(not|never|nobody|no one|nothing|none|neither|nor|without (?:running|testing|checking))\b(?! only)|n't\b"
)
_NONE = re.compile(r"(?i)\s*(?:nothing|none|no|not|neither|because|whose)\b")
_CLAUSE_END = re.compile(r"[,:\u2013\u2014(]|\b(?:and|so|but)\b")
_REPORTED = re.compile(
    r"(?i)\b(says?|said|states?|stated|claims?|claimed|according to|reads?|reports? that"
    r"|(?!instruments|profiler|debugger|trace|lighthouse|devtools)\w+(?: \d+)? shows? that|reported"
    r"|writes?|wrote|notes? that|mentions?|announces?|tells?|told"
    r"|(?:its|the|his|her|their) (?:log|report|message|sheet|page|note|body|entry|email|letter|author"
    r"|readme|template)\b.{0,40}\b(?:ends?|puts?|has|lists?|records?|contains?|shows?|reports?)"
    r"|[A-Z]\w+ (?:reports|notes|confirms|adds|observes))\b"
)
_OTHERS = re.compile(
    r"\b(?!(?:I|We|It|This|Everything|All|Both|They|And|Also|The|Then|Now|Tests?"
    r"|Docs?)\b)[A-Z][a-z]+ (?:has |had |have )?(?:verified|checked|confirmed|tested|passed|ran"
    r"|measured|reviewed|validated)\b"
)
_FIRST = re.compile(rf"(?i){_I}\b|^(?:{RUN_VERB}|{LOOK_VERB})\b")
_NEEDS: tuple[tuple[Need, re.Pattern[str]], ...] = (
    ("cosmetic", _COSMETIC),
    ("test", _TEST),
    ("static", _STATIC),
    ("ran", _RAN),
    ("ran", _FASTER),
    ("looked", _LOOKED),
    ("acted", _ACTED),
    ("done", _DONE),
)


def claims(text: str) -> list[Claim]:
    """Claims in a text, at most one of each kind a sentence; plans, questions, denials and others' words are none."""
    return [claim for sentence in sentences(text) for claim in _claimed(sentence)]


def claims_where(text: str, may_claim: Callable[[str], bool]) -> list[Claim]:
    """What `claims` gives, looked for only in lines that `may_claim`; it says yes to a text if it does to a line."""
    text = text[:TEXT_MAX]
    if _ODD_SPACE.search(text) or len(_ENDS.findall(text)) >= 4 * SENTENCES_MAX:
        return claims(text) if may_claim(text) else []
    *lines, last = FENCE.sub("\n", text).split("\n")
    lines = [*(f"{line}\n" for line in lines), last]
    return [claim for line in _where(lines, may_claim) for claim in claims(line)]


_ODD_SPACE = re.compile(r"[^\S \t\n]")
"""White space beyond a line's end may belong to what ends a sentence: then lines are not read one by one."""
_ENDS = re.compile(r"[.!?;\n]")


def _where(lines: list[str], may_claim: Callable[[str], bool]) -> Iterator[str]:
    """Lines that may hold a claim, found by halving."""
    if not may_claim("".join(lines)):
        return
    if len(lines) == 1:
        yield lines[0]
        return
    half = len(lines) // 2
    yield from _where(lines[:half], may_claim)
    yield from _where(lines[half:], may_claim)


def _claimed(sentence: str) -> list[Claim]:
    """Claims in one sentence."""
    if sentence.endswith("?") or sentence.startswith("[ ]"):
        return []
    found = []
    for need, pattern in _NEEDS:
        match = pattern.search(sentence)
        if match and _plain(sentence, match.end()):
            found.append(Claim(need, sentence, bool(_FIRST.search(sentence))))
    return [] if found and (_REPORTED.search(sentence) or _OTHERS.search(sentence)) else found


def _plain(sentence: str, end: int) -> bool:
    """Whether a claim that ends at `end` is neither hedged nor denied, up to the end of its clause."""
    clause = sentence[:end] + _CLAUSE_END.split(sentence[end:], maxsplit=1)[0]
    return not (_HEDGED.search(clause) or _DENIED.search(sentence[:end]) or _NONE.match(sentence[end:]))
