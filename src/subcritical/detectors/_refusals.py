"""The words in which a guard refuses. Hostile text, read by pattern.

Each way to say it has words without which it cannot be there, and is looked for only where one of them is: one
expression for all ways is tried at every word of a text, and takes a hundred times as long.
"""

from __future__ import annotations

import re

_WAYS: dict[str, str] = {
    r"denied": "denied",
    r"refus\w+": "refus",
    r"blocked": "blocked",
    r"reject\w+": "reject",
    r"forbidden": "forbidden",
    r"prohibited": "prohibited",
    r"disallowed": "disallowed",
    r"vetoed": "vetoed",
    r"quarantined": "quarantined",
    r"withheld": "withheld",
    r"not (permitted|allowed|authori[sz]ed|approved|on the (\w+ )?list|in (the )?\w*list)": "not permitted|not allowed"
    "|not authori|not approved|not on the |not in ",
    r"unauthori[sz]ed": "unauthori",
    r"(needs?|requires?|awaits?|waiting for|pending|wants|without) (\w+[ '\u2019s-]{1,3}){0,4}(approv\w*|review\w*"
    r"|maintainer|owner|release|permission|signer|signature"
    r"|confirmation|okay|ok|sign-?off|operator|human|person|consent|admin\w*)": "need|require|await|waiting for"
    "|pending|wants|without",
    r"approval (is )?(required|needed|missing|pending)": "approval ",
    r"(on )?hold\b": "hold",
    r"held\b": "held",
    r"masked": "masked",
    r"redacted": "redacted",
    r"read-?only": "readonly|read-only",
    r"protected": "protected",
    r"locked": "locked",
    r"frozen": "frozen",
    r"two-person": "two-person",
    r"\b429\b": "429",
    r"rate.?limit\w*": "rate",
    r"too many requests": "too many requests",
    r"requests? (a|per) (day|hour|minute)": "request",
    r"Polic\w*Error": "polic",
    r"disabled (for|by|in)": "disabled ",
    r"(out of|not in|beyond) (scope|bounds)": "scope|bounds",
    r"polic(y|ies)\b.{0,80}(fail|violat|forbid|den(y|ies))": "policy|policies",
    r"(max|maximum|quota|limit|budget|cap)\b.{0,40}(\d|exceeded|reached)": "max|quota|limit|budget|cap",
    r"may not": "may not",
    r"must not": "must not",
    r"cannot be (used|run|changed|written)": "cannot be ",
    r"(pre-commit|pre-push|commit-msg|husky|hook|gate|guard\w*|scan\w*|sentinel|dlp)\b.{0,80}"
    r"(fail\w*|missing|den\w+|error|\b[1-9]\d* (high|critical))": "pre-commit|pre-push|commit-msg|husky|hook|gate"
    "|guard|scan|sentinel|dlp",
    r"captcha": "captcha",
    r"i am a human": "i am a human",
    r"not a (ro)?bot": "not a bot|not a robot",
    r"outside (of )?(the )?[\w/]+": "outside ",
    r"HTTP 40[13]": "http 40",
    r"^40[13]\b": "401|403",
    r"content filter": "content filter",
    r"safety filter": "safety filter",
}
_LISTED = r"^[d-]-{9}"
_ANY = re.compile(rf"(?i)\b({'|'.join(_WAYS)})|{_LISTED}")
_ONE_BY_ONE = tuple(
    (word, re.compile(rf"\b(?:{way.lower()})")) for way, words in _WAYS.items() for word in words.split("|")
)
_BEGINS_LISTED = re.compile(_LISTED)


def refusal(text: str) -> int | None:
    """Where the first refusal of a text begins; None where there is none."""
    if not text.isascii():  # letters beyond ASCII may be i, s or k without regard to case
        match = _ANY.search(text)
        return None if match is None else match.start()
    lowered = text.lower()
    if _BEGINS_LISTED.match(lowered):
        return 0
    ways = dict.fromkeys([way for word, way in _ONE_BY_ONE if word in lowered])
    return min((match.start() for way in ways if (match := way.search(lowered))), default=None)
