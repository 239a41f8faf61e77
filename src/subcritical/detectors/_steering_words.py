"""What an edit must hold to change a text that steers: least words of the patterns of `prompt_change`."""

from __future__ import annotations

from subcritical.detectors._glance import Group

_W = r"[^\x00-/:-@\[-^`{-\x7f]"
"""A letter, digit or underscore, and whatever is no ASCII."""
_NAME = rf"(?:-|{_W})*"
_FILE = (
    (
        r"(?:claude|agents?|gemini|soul|system|persona|skill|copilot-instructions|conventions)\.md|\.cursorrules"
        r"|\.windsurfrules|\.clinerules|\.(?:cursor|windsurf|roo)/rules/|\.mdc|\.prompty|modelfile|prompts?(?:\.|/)"
    ),
    rf"(?:system|base|agent)[_-]?(?:prompt|instructions){_NAME}\.",
    (
        rf"(?:prompts?|personas?|instructions|preamble|system[_-]message){_NAME}\.(?:txt|md|j2|jinja|tmpl|mustache|hbs|ya?ml"
        rf"|json|toml)|system\.(?:txt|j2|jinja|tmpl)|memory(?:\.{_W}|/)|memories/|\.claude/"
    ),
    (
        r"tools?\.(?:json|ya?ml)|tools?/(?:schema|spec|description|definition)s?/|(?:agents?|assistant|bot|model|llm|claude)"
        r"s?[_-](?:policy|rules|guidelines|guide|notes|principles|charter)\.|(?:tool|function)[_-]?(?:schema|spec|definition"
        rf"|description)s?\.|constitution{_NAME}\."
    ),
)
_IN_CODE = (r"(?:system|base|agent|default|instruction)_?(?:prompt|message|instructions)", r"[:=]")
_STORED = (
    r"system[_-]?(?:prompt|message|instructions?)|prompt|persona|instructions|preamble|memory|memories|guardrail"
    r"|tool[_-]?description"
)
_SETS = (
    r"(?:^|_|\W)(?:update|set|patch|put|write|edit|modify|replace|save|store|upsert|append|remember|add|post|change"
    r"|configure|delete|remove|forget|overwrite|publish)"
)
_HOLDS = (
    r"(?:system|prompt|persona|instruct|template|tmpl|guide|rubric|judge|agent|assistant|bot|character|skill|coach|llm)"
    rf"{_NAME}(?:/(?:[.-]|{_W})+)?\.{_W}"
)
_GAP = r"[\s\\,\"']+"
_ADDRESSES: tuple[Group, ...] = (
    (
        rf"(?-i:You)(?:['\\]*re\b|{_GAP}(?:are|will|must|may|should|can|never|always|help|guide|answer|write|grade|review"
        r"|sort|act|speak|tell|check|plan|run|summari|work|assist|translate|judge|decide|handle|route|triage|draft))"
    ),
    (r"(?:llm|chat|complet\w+|messages|model|agent|assistant)\s*[(.=]", r"prompt|system|guide|template"),
    r"(?:persona|preamble|instructions?|guardrails?|few_?shot\w*|rules_text)[\"'\\]*\s*[:=]",
)
_KEYED = r"system|prompt|instruction"
_INSTRUCTS = (
    r"(?:you|never|always|do[\s\\]+not|don'?t|only|be|answer|ask|reply|respond|report|refuse|refer|escalate|resolve|hand|cite"
    r"|mention|mark|flag|block|allow|treat|prefer|avoid|keep|stay|spend|stop|follow|obey|use|tell|say|write|summari[sz]e"
    r"|leave|help|push|act|cancel|close|approve|reject|grade|score|judge|give|decline|warn|confirm|check|verify|assume"
    r"|ignore|include|omit|explain|limit|speak|think|consult|defer|disclose|reveal|protect|remember|wait|address)[\s\\,\"']"
)
STEERS: tuple[Group, ...] = (
    *_FILE, _IN_CODE, (_STORED, _SETS), *_ADDRESSES, (_KEYED, _HOLDS), (_INSTRUCTS, _HOLDS),
    "(?-i:\u017f|\u212a)",  # Python takes them for an s and a k
)  # fmt: skip
"""Of calls."""
# What was shown of a file is put together line by line, so that a name may come to stand before another line's sign.
SHOWN: tuple[Group, ...] = (
    _ADDRESSES[0],
    r"[(.=].*\b(?:prompt|system|guide|template)\b",
    r"(?:persona|preamble|instructions?|guardrails?|few_?shot\w*|rules_text)[\"']?\s*(?:[:=\n]|$)",
    r"(?:system_?prompt|prompt|system|instructions?)[\"']?\s*(?:[:=\n]|$)",
    "(?-i:\u017f|\u212a)",
)
"""Of results: with such words in sight, an edit of the file may be one of a text that steers."""
