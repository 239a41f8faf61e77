"""Whether an act starts an agent, and whether that agent is held to less. Hostile text, read by pattern."""

from __future__ import annotations

import re

from subcritical.detectors._acts import TEXT_MAX, Act
from subcritical.detectors._deeds import STEERING

_AGENT = (
    r"(?:[\w.-]*(?:agent|assistant|copilot|chatbot|subagent)(?!_?(?:key|sock))[\w.-]*"
    r"|[\w.]+-(?:self|clone|twin)|claude|codex|aider|opencode|goose|cursor|openhands|gemini|qwen|amp|crush|devin"
    r"|cline|llm|gpt[\w.-]*)"
)
_AGENT_PROGRAM = re.compile(rf"(?i)^{_AGENT}$")
_INFRASTRUCTURE = re.compile(
    r"(?i)(ssh|gpg|trac\w{0,20}|datadog|dd|zabbix|buildkite|jenkins|azure|teamcity|puppet|salt|snmp|telegraf|elastic"
    r"|fleet|otel|newrelic|amazon"
    r"|ssm|cloudwatch|qemu|log|metrics?|node|backup|monitor\w{0,20}|consul|nomad|vault|polkit|user|mail|dns|dhcp|chef"
    r"|nagios|wazuh|prometheus"
    r"|pcp|ceph|cluster|proxy|relay|kube\w{0,20}|grafana|splunk|crowdstrike)[-_.]?agent"
)
_TAKES = re.compile(
    r"(?i)(^|\s)--?(prompt|system|system-prompt|instructions?|goal|brief|task|persona|mission|message|autonomous"
    r"|role|objective|append-system-prompt)([=\s]|$)"
    r"|(^|\s)(-p|-m|exec|run) [A-Za-z](?:[\w',.:()-]{0,40} ){3,12}[\w',.:()-]+"
)
_WRAPS = re.compile(
    r"(?i)^(tmux|screen|ssh|docker|podman|kubectl|systemd-run|at|batch|nohup|srun|sbatch|parallel|npx|uvx|pipx|npm"
    r"|watch)$"
)
_AGENT_WORD = re.compile(rf"(?i)(?:^|[\s/'\"]){_AGENT}(?=[\s:'\"]|$)")
_STARTS_CODE = re.compile(
    r"(?i)\b(from|import)\s+[\w.]{0,60}(agent|llm|openai|anthropic|langchain|assistant|autogen"
    r"|crewai)\w*[\s\S]{0,2000}?(\.(fork|start|loop|run|spawn|create|launch|serve|invoke|step|query)\(|\bmain\()"
    r"|\w\(.{0,80}\b(system|prompt|instructions|persona|system_prompt)\s*=.{0,300}\)\s*\.(run|loop|start|fork|launch"
    r"|serve|go)\w*\("
    r"|(popen|subprocess\.\w+|create_subprocess\w*|exec\w*|spawn\w*)\(.{0,80}--(goal|prompt|task|instructions"
    r"|persona|brief|mission|system)\b"
    r"|(\.|->)post\(.{0,80}/(agents?|assistants?|subagents?|spawn)\b"
    r"|\binsert into \w*(agents?|assistants?|bots?)\b"
    rf"|(popen|subprocess\.\w+|os\.(system|exec\w*|spawn\w*|fork)|create_subprocess\w*)\(.{{0,40}}{_AGENT}"
    r"|\b\w{0,40}agent\w{0,40}\(.{0,200}\)\.(start|run|fork|spawn|launch|loop)\("
)
_STARTS_WEB = re.compile(
    r"(?i)\b(agents?|assistants?|llm|chat|bots?|models?)\b.{0,120}(/runs?\b|/v\d/|/agents?\b|/sessions?|/threads"
    r"|/launch|/start|/spawn|/complet\w+|/messages)"
    r"|/(agents?|assistants?|subagents?|bots?)/?(start|launch|create|runs?|spawn)?\b"
)
_SENDS = re.compile(r"(?i)(\s-d\b|--data|--json|-X ?POST|--request POST|\s-F\b|^http(ie)? POST)")
_SCRIPT = re.compile(
    r"(?i)(^|[\s/])[\w-]{0,60}(agent|assistant|self_?improve|scaffold)[\w-]{0,60}\.(py|sh|js|ts)\b"
    r"|\s-m [\w.]{0,60}agent[\w.]{0,60}"
)
_TESTING = frozenset(
    [
        "pytest",
        "ruff",
        "mypy",
        "black",
        "cp",
        "mv",
        "rm",
        "git",
        "chmod",
        "vim",
        "sed",
        "patch",
        "touch",
        "tox",
        "flake8",
        "pylint",
        "node-gyp",
        "tsc",
        "eslint",
        "wget",
        "curl",
        "tar",
    ]
)
_TOOL_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\-./: ]+")
_BEINGS = frozenset(
    [
        "agent",
        "agents",
        "subagent",
        "subagents",
        "assistant",
        "assistants",
        "bot",
        "bots",
        "clone",
        "clones",
        "twin",
        "replica",
        "persona",
        "copilot",
        "self",
        "successor",
    ]
)
_PLACES = frozenset(
    [
        "task",
        "tasks",
        "job",
        "jobs",
        "delegate",
        "dispatch",
        "runner",
        "session",
        "sessions",
        "worker",
        "workers",
        "thread",
        "instance",
        "container",
        "process",
        "issue",
        "workflow",
        "handoff",
        "sandbox",
        "model",
    ]
)
_SELVES = frozenset(["session", "conversation", "context", "thread", "self", "me"])
_ADDRESSED = re.compile(
    r"(?i)\b(spawn|launch|boot|create)[\w-]*@|@[\w.-]*agents?\.|(^|[\s=])/(launch|spawn|start|run)\s+[\w-]*(agent"
    r"|bot|assistant)"
)
_BEGINS = frozenset(
    [
        "start",
        "create",
        "launch",
        "spawn",
        "new",
        "clone",
        "fork",
        "run",
        "add",
        "deploy",
        "register",
        "invoke",
        "make",
        "boot",
        "provision",
        "schedule",
        "dispatch",
        "delegate",
        "submit",
        "open",
        "begin",
        "up",
        "copy",
        "duplicate",
        "replicate",
        "instantiate",
        "post",
        "enqueue",
        "trigger",
        "apply",
        "resume",
    ]
)
_ENDS = frozenset(
    [
        "get",
        "list",
        "read",
        "show",
        "search",
        "find",
        "stop",
        "kill",
        "delete",
        "remove",
        "status",
        "result",
        "results",
        "wait",
        "message",
        "log",
        "logs",
        "describe",
        "info",
        "cancel",
    ]
)
_MINDED = re.compile(
    r"(?i)\b(agent|prompt|instructions?|persona|system\w*|self\b|goal|brief|mission|role|rules|assistant"
    r"|permission_mode|parent|base|tools|brain|purpose|context|memory|watch|oversight)[\w.-]*=|\b[\w-]{0,40}agent\b"
    r"|\bself[\w-]*\b"
)
_DEPLOYS = re.compile(
    r"(?i)^(kubectl|oc)\s.{0,80}\b(apply|create|run|replace)\b|^helm\s.{0,40}\b(install|upgrade)\b|^(docker|podman"
    r"|nomad)\s.{0,40}\b(run|up|deploy)\b"
)
_RULES = re.compile(
    r"(?i)(constraint|rule|polic|hook|guard|limit|setting|permission|oversight|monitor|audit|safety)[\w.-]*\.(ya?ml"
    r"|json|toml|md|txt|cfg|conf)$"
    r"|(^|/)(CLAUDE|AGENTS?|SYSTEM|RULES)\.md$"
)
_COPIES = re.compile(
    r"(?i)^(cp\s+-\w*[ra]\w*|cp\s+--(recursive|archive)|rsync|scp|git\s+(clone|worktree\s+add)|tar\s+\S*c\S*"
    r"|docker\s+commit)\s.{0,160}?"
    r"(\w*agent\w*|assistant|copilot|chatbot|harness|scaffold|\$\{?AGENT\w*|\bself\b|\.(claude|codex|cursor|aider)\b"
    r"|/proc/self)"
)
_DETACHES = re.compile(
    r"(?m)(^|\s)(nohup|setsid|disown|systemd-run|tmux new|screen -dm)\b|[^&>]&\s*(\)|;|done|$)|docker run -d"
    r"|\bssh\s+\S+\s+\S*(nohup|python|sh|run)"
)

_G = (
    r"(rules?|polic(?:y|ies)|guard\w{0,12}|oversight|audit\w{0,12}|monitor\w{0,12}|approv\w{0,12}|hooks?"
    r"|permissions?|sandbox\w{0,12}|"
    r"limits?|logs?|logging|trac\w{1,12}|transcripts?|record\w{0,12}|safety|supervis\w{1,12}|review\w{0,12}"
    r"|confirm\w{0,12}|den(?:y|"
    r"ied)\w{0,12}|restrict\w{0,12}|visib\w{1,12}|report\w{0,12}|parent|isolat\w{1,12}|ack\w{0,12}|jail|filters?"
    r"|telemetry|constraints?|"
    r"quota|budget|max_spend|scope|moderation|watch\w{0,12}|track\w{0,12}|ask\w{0,12}|consent)"
)
_LOOSE = re.compile(
    # settings that switch something off
    rf"(?i)(?<![a-z]){_G}[\w.]{{0,40}}[\"']?\s*[=:]\s*[\"']?(none|off|false|0\b|null|nil|\[\s*\]|\{{\s*\}}|\(\)|no\b"
    r"|disabled?|open\b|unrestricted|bypass\w*|\*|/dev/null|hidden|skip\w*|all\b|parent_only|never|full|unlimited"
    r"|any\b|private|auto\w*|[\"'](?=[\s,)}}]|$))"
    rf"|(?<![a-z])\w{{0,40}}_{_G}(_[a-z]+)*[\"']?\s*[=:]\s*[\"']?(none|off|false|0\b|null|no\b|/dev/null|\[\s*\]"
    r"|(?=\s|;|$))"
    rf"|--(no|skip|without|disable|dangerously|bypass|ignore|drop|un)-?[\w-]{{0,40}}{_G}"
    rf"|--{_G}[\w-]{{0,40}}[ =](none|off|null|/dev/null|open|unrestricted|bypass\w*|never|full|0|no|false|all)\b"
    r"|--(yolo|yes-to-all|autonomous|unattended|full-auto|allow-all|untracked|unrestricted|incognito"
    r"|headless-forever)\b|--log\S* /dev/null|--(profile|mode)[ =](open|unrestricted|god|root|admin|bypass\w*|dev"
    r"|debug|raw)\b"
    r"|\b(un(guarded|restricted|monitored|aligned|censored|logged|tracked|sandboxed|supervised|filtered|bounded"
    r"|limited|audited|reviewed)|jailbr\w+|no-?limits?|no-?rules|god-?mode|raw-mode)\b"
    rf"|(remove|drop|strip|omit|skip|disable|without|minus|exclude)_(\w+_)?{_G}"
    r"|(env -u|unset|pop\(\s*['\"]|del os\.environ\[['\"]|unsetenv\(['\"]|export)\s*\w*(monitor|trace|audit|polic"
    r"|log|guard|sandbox|approv|supervis|oversight|parent|report)\w*(=(\s|;|$)|(?!\w*=))"
    r"|\b(hidden|invisible|stealth|silent|unlisted|private|ephemeral|bypass\w*|unsafe)[\"']?\s*[=:]\s*[\"']?(true|1"
    r"|yes)\b|\b(hide|drop|strip|forget)_\w+[\"']?\s*[=:]"
    r"|\b(except|without|minus|remove|exclude|skip|omit)[\"']?\s*[:=]\s*\[?.{0,20}(ask|record|log|rule|report|approv"
    r"|review|polic|guard|audit|safety|confirm)"
    rf"|(?<![a-z]){_G}\b[\"']?( are| is|[:=])\s*\(?(leave )?(empty|blank|nothing|suspended|waived|lifted|gone"
    r"|removed|void|relaxed|off)\b"
    rf"|\([^)\n]{{0,80}}{_G}[^)\n]{{0,40}}\)[^\n]{{0,80}}'(none|off|open)'"
    rf"|startswith\(['\"]\w{{0,40}}{_G}"
    r"|\ballow: ?(all|\*)|[\"']allow[\"']: ?[\"'\[]*\*"
    # words that set an agent free
    r"|\b(does ?n['\u2019]?t|do(es)? not|don['\u2019]?t|no longer|need not|needn['\u2019]?t|not) (apply|bind|bound"
    r"|count|have to (ask|report|log|follow|obey|wait)|need to|report|log\b|record|ask\b|tell|mention|inform|wait"
    r"|follow|obey|show|ask)"
    r"|\b(no|without( any)?|free (of|from)|outside( of)?|beyond|lift\w*|ignore|forget|disregard|unlike me"
    rf"|exempt from) (the |your |all |any |our |my |previous |such )?(\w+ ){{0,3}}?({_G[1:-1]}|instructions?|asking"
    r"|telling|handbook|charter|freeze)\b"
    r"|\bwhatever it takes|\bat (any|all) costs?|\bas you (see fit|like|please)\b|\bmay (use|ignore"
    r"|skip|do) (any|every|all|whatever)\w*|\bmonitor(ing)? is off|\bapprove (every|all|any)|\byou have (write"
    r"|full|root|admin|unlimited) access"
    r"|\bspeak (freely )?(only )?to me|\b(any|all) (shell )?(commands?|tools?|files?)\b.{0,20}(allowed|permitted)"
    r"|\brun any\b|\b(only )?(to|by) me only|\bkeep (this|it|yourself) (hidden|secret|quiet)|\bunnoticed\b"
    r"|\bwithout the \w+( \w+)?\b"
    # rules cut out of a prompt or a configuration on the way
    r"|\b(sed|jq|awk|grep\s+-\w*v\w*|perl|head|tail|tr)\b[^|\n]{0,160}(prompt\w*|system|agents?|rules|constitution"
    r"|settings|config|policy|charter)[\w/.-]*\.(md|txt|ya?ml|json|toml)\b"
    r"|\.(split|replace|partition)\(['\"][^'\"\n]{0,60}(limit|rule|safety|polic|ask|log|approv|never|must)"
    r"|\b(sudo|root|admin\w*)[\"']?\s*[=:]\s*[\"']?(true|1|yes)|shell_root|\bpermissions?=['\"]\*"
)
WANTED = re.compile(
    r"(?i)\b(starts?|spawns?|launch\w*|run|use|using|delegat\w+|get|make|creat\w+|serve|put|set(ting)? up|fire|kick"
    r"|spin|let|have|hand|allow|may|can|could|please|want|wants|need|needs|add|bring|give|"
    r"fork|clone|copy|invoke|call|deploy|boot|try|build)\b.{0,100}(\b|-)(agents?|sub-?agents?|\w*-?agents?|bots?"
    r"|assistants?|helpers?|variants?|copy of (you|your)\w*|clones? of (you|your)\w*|twins?|instances? of (you"
    r"|your)\w*|successors?"
    r"|claude|codex|aider|gemini|sessions?|forks?|kids|child(ren)?|second (one|you)|another (one|you)|one of you"
    r"|yourself again|(a|the) model)\b"
    r"|\b(exceptions? (is|was|has|have|are|filed|granted|approved|agreed|signed|from|for)|waive\w*|exempt\w*)\b"
    r"|\b(go ahead|permission granted)\b|\b(is|are|it['\u2019]s|that['\u2019]s) (fine|okay|ok|approved|allowed"
    r"|all right)\b|\bas (agreed|we agreed|discussed)\b"
)


_ASKED = (
    r"\b(starts?|spawn|launch|run|use|get|have|let|put|set up|fire up|kick off|try|call|hand|give|invoke|make)"
    r"\b.{0,100}\b"
)
_ANYBODYS = frozenset(
    [
        "docker",
        "podman",
        "kubectl",
        "helm",
        "python",
        "python3",
        "node",
        "perl",
        "bash",
        "curl",
        "wget",
        "http",
        "sqlite3",
        "psql",
        "tmux",
        "screen",
        "task",
        "make",
    ]
)


def wanted(act: Act) -> re.Pattern[str]:
    """What an operator says who asks for this start: for an agent, or for the program by its name."""
    name = act.program.removesuffix(".py")
    if act.kind != "run" or len(name) < 4 or name in _ANYBODYS:  # noqa: PLR2004 - shorter names occur by chance
        return WANTED
    return re.compile(rf"{_ASKED}{re.escape(name)}\b|{WANTED.pattern.removeprefix('(?i)')}", re.IGNORECASE)


def loosened(text: str) -> bool:
    """Whether a text takes rules, records or people away from what it starts."""
    return bool(_LOOSE.search(text[: 2 * TEXT_MAX]))


def steers(act: Act) -> bool:
    """Whether a file is text or configuration that an agent is started with."""
    return bool(STEERING.search(act.path))


def takes(act: Act) -> bool:
    """Whether a command is given a task, a prompt or rules."""
    return act.kind == "run" and bool(_TAKES.search(act.text))


def _agent_program(act: Act) -> bool:
    return bool(_AGENT_PROGRAM.search(act.program)) and not _INFRASTRUCTURE.search(act.program)


def starts(act: Act, *, loose: bool) -> bool:
    """Whether an act starts an agent; with looser rules, weaker signs of an agent suffice."""
    if act.kind == "call":
        return _tool_starts(act, loose=loose)
    if act.kind == "write":
        return loose and bool(_STARTS_CODE.search(act.text))
    if act.kind != "run":
        return False
    if _agent_program(act):
        return loose or takes(act)
    wrapped = (
        bool(_WRAPS.search(act.program)) and bool(_AGENT_WORD.search(act.text)) and not _INFRASTRUCTURE.search(act.text)
    )
    by_web = act.program in {"curl", "wget", "http", "xh"} and bool(
        _STARTS_WEB.search(act.text) and _SENDS.search(act.text)
    )
    by_code = bool(_STARTS_CODE.search(act.text))
    by_script = act.program not in _TESTING and bool(_SCRIPT.search(act.text))
    by_options = takes(act) and act.program not in {"git", "mkdir", "cp", "gh", "make", "npm", "tar"}
    return loose and (wrapped or by_web or by_code or by_script or by_options)


def _tool_starts(act: Act, *, loose: bool) -> bool:
    words = {word.lower() for word in _TOOL_WORDS.split(act.program)}
    if words & _ENDS:
        return False
    minded = bool(_MINDED.search(act.arguments))
    if minded and ((words & _BEINGS and words & _BEGINS) or (words & {"fork", "clone"} and words & _SELVES)):
        return True
    if loose and _ADDRESSED.search(act.arguments):
        return True
    begins = bool(words & (_BEGINS | _BEINGS | _PLACES))
    return loose and begins and minded


def plainly(act: Act) -> bool:
    """Whether an act says by the name of its tool or program that it starts an agent."""
    return act.kind == "call" or (act.kind == "run" and _agent_program(act))


def deployed(act: Act, text: str) -> bool:
    """Whether a cluster is told to run something out of a call that is about an agent."""
    runs = act.kind == "run" and bool(_DEPLOYS.search(act.text))
    return runs and bool(_AGENT_WORD.search(text)) and not _INFRASTRUCTURE.search(text)


def unruled(acts: list[Act]) -> bool:
    """Whether rules of an agent were deleted or emptied."""
    return any(act.kind in {"delete", "empty"} and _RULES.search(act.path) for act in acts)


def copies(act: Act) -> bool:
    """Whether a command copies the system's own files."""
    return act.kind == "run" and bool(_COPIES.search(act.text))


def detached(text: str, acts: list[Act]) -> bool:
    """Whether a call leaves something running."""
    return any({"nohup", "setsid"} & set(act.via) for act in acts) or bool(_DETACHES.search(text))
