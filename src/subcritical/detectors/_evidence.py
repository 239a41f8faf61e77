"""What a call can show about a claim: whether it tests, builds, measures, reads or only does, and how that came out.

Hostile text, read by pattern. Programs that nobody listed count as run; a check inside of another program is that
program's. What a result says decides before its exit code, because pipes and `|| true` hide the code.
"""

from __future__ import annotations

import re
from typing import Literal

from subcritical.detectors._acts import Act, acts_of
from subcritical.schema import Event, ToolCall, ToolResult

Evidence = Literal["test", "static", "check", "exec", "do", "edit", "read"]
Outcome = Literal["passed", "failed", "empty"]
PROVING: tuple[Evidence, ...] = ("test", "static", "check", "exec")
_TAIL = 4000

_TESTS = re.compile(
    r"(?i)(^|[\s/;&|])(pytest|py\.test|unittest|nosetests?|tox|nox|jest|vitest|mocha|ava|karma|cypress"
    r"|playwright test|rspec|phpunit|pest|bats|pgtap|pg_prove|prove|busted|testthat|hypothesis|schemathesis|newman"
    r"|ctest|gtest\w*|go test|gotestsum|cargo (test|nextest)|mvn( \S+)* (test|verify)|gradlew?( \S+)* (test|check)"
    r"|npm( run)? test\S*|npm t|yarn( run)? test\S*|(just|task|invoke|inv) \S*(test|check|verify)\S*"
    r"|pnpm( run)? test\S*|make( \S+)* (test|check)\S*|bundle exec|dotnet test|swift test|stack test|cabal test"
    r"|xcodebuild|bazel( \S+)* test|rails test|artisan test|terraform test|molecule( \S+)* test|dbt test"
    r"|mix test|rake( test\S*| spec)?|pre-commit|helm test|gh (run|pr checks|workflow)|glab ci"
    r"|runtests?(\.py|\.sh)?|manage\.py test|bin/test|setup\.py test|trial|behave|robot|sbt test|lein test"
    r"|flutter test|deno test"
    r"|bun test|zig( build)? test|dune (test|runtest))(\s|$|;|&|\|)"
    r"|(^|[\s/])(python\w*|node|bash|sh|ruby|perl|php|lua|Rscript|npx)\s+(-\S+\s+)*\S*(test|spec"
    r"|verify|check|repro)\w*\S*"
    r"|^(\S*/)?\S*(test|spec|verify|check|smoke|e2e)s?([_.-]\w+)*(\.\w+)?(\s|$)"
)
_INLINE = re.compile(
    r"(?i)^\S*(python|ruby|node|perl)\S* [^\n]{0,80}-(c|e|) [\s\S]{0,4000}?\b(assert|test\w*|runner|expect)\b"
)
_NO_TEST = frozenset({"test", "[", "cat", "ls", "grep", "rg", "vim", "vi", "nano", "head", "tail", "git", "find", "wc"})
_STATIC = re.compile(
    r"(?i)^(\S*/)?(npx |poetry run |uv run |uvx |pipx run |bundle exec |docker compose run \S+ |python\w* -m )?"
    r"(tsc|vue-tsc|mypy|pyright|basedpyright|pyre|pytype|ruff|flake8|pylint|eslint|prettier|black|isort|biome|rubocop"
    r"|gcc|g\+\+|clang\S*|cc|c\+\+|cmake|make|gmake|ninja|meson|javac|rustc|rustfmt|gofmt|golangci-lint|staticcheck"
    r"|cargo (clippy|check|build|fmt|audit|deny|doc)|go (build|vet)|mvn|gradlew?|ant|bazel|buck2?|msbuild|scons|sbt"
    r"|(npm|yarn|pnpm|bun)( run)? (build|lint|type\S*|check|audit|format|ci)\S*"
    r"|docker(-compose)? (compose )?(build|config)"
    r"|docker buildx|dotnet (build|format)|terraform (validate|plan|fmt)|tofu (validate|plan)|tflint"
    r"|terragrunt|checkov"
    r"|helm (lint|template)|kubeconform|kubeval|yamllint|jsonlint|xmllint|shellcheck|hadolint|ansible-lint|nginx -t"
    r"|visudo -c|promtool|actionlint|markdownlint|vale|sphinx-build|mkdocs|latexmk|pdflatex|xelatex|tectonic|valgrind"
    r"|bandit|semgrep|pip-audit|safety|trivy|grype|snyk|gitleaks|php -l|node --check|bash -n|sh -n"
    r"|py_compile|compileall"
    r"|swiftlint|ktlint|detekt|stylelint|sqlfluff|dbt (compile|parse)|buf|protoc|next build|vite build|webpack|rollup"
    r"|esbuild|hugo|jekyll|build|pip check|lychee|linkchecker)(\s|$)"
)
_CHECK = re.compile(
    r"(?i)^(\S*/)?(sha\d*sum|md5sum|shasum|b2sum|cksum|cmp|openssl|curl|http|httpie|dig|nslookup|host|ping|nc"
    r"|hyperfine|perf|time|ab|wrk|k6|locust|vegeta|fio|iperf3?|nmap|traceroute|lsof|ss|netstat|journalctl"
    r"|ansible-playbook|ansible|pg_restore|redis-cli|mongosh?|snowsql|bq|kubectl (get|describe|logs"
    r"|rollout status|wait"
    r"|diff|top|exec|port-forward)|systemctl (status|is-\w+|list-\S+|show)|service \S+ status|docker (ps|logs|inspect"
    r"|exec|run)|sqlite3|rsync -\S*n\S*|certutil|gpg --verify|cosign|nvidia-smi|git fsck|restic check"
    r"|borg check|zpool status|smartctl|aws \S+ (describe|get|list|head)\S*|gcloud .{0,60}(describe|list)"
    r"|helm (status|get|list))(\s|$)"
)
_READ = re.compile(
    r"(?i)^(\S*/)?(cat|bat|less|more|head|tail|grep|egrep|fgrep|zgrep|rg|ag|ls|find|fd|sed|awk|file"
    r"|stat|strings|tree|xxd"
    r"|hexdump|od|nl|cut|sort|uniq|column|pdftotext|yq|which|whereis|history|readlink|realpath|diff"
    r"|comm|wc|jq|ps|top|free|df|du|dmesg|id|whoami|uname"
    r"|git( -\S+( \S+)?)* (log|show|diff|status|blame|branch|grep|ls-files|rev-parse|remote|describe|shortlog|reflog)"
    r"|gh (pr|issue|repo|release) (view|list|diff))(\s|$)"
)
_NOTHING = re.compile(
    r"(?i)^(echo|printf|cd|pushd|popd|set|export|source|\.|true|false|:|sleep|date|pwd|test|\[|clear)(\s|$)"
)
_DO = re.compile(
    r"(?i)^(\S*/)?(cp|mv|rm|mkdir|rmdir|touch|chmod|chown|ln|install|scp|rsync|sftp|wget|tar|unzip"
    r"|zip|gzip|gunzip|tee"
    r"|git|gh|glab|hg|svn|systemctl|service|kubectl|helm|docker|podman|apt\S*|yum|dnf|brew|apk|pip3?"
    r"|uv|poetry|conda|npm"
    r"|yarn|pnpm|gem|cargo (install|add|update)|go (get|mod|install)|terraform|tofu|pulumi|kill\w*"
    r"|pkill|createdb|dropdb"
    r"|pg_dump|mysqldump|aws|gcloud|az|crontab|sed -i|patch|apply_patch|dd|mkfs\S*|mount|umount|iptables|ufw|useradd"
    r"|usermod|certbot|reboot|dbt)(\s|$)"
)
_SQL = re.compile(r"(?i)^(\S*/)?(psql|mysql|mariadb|sqlite3|clickhouse-client|duckdb)\b")
_SSH = re.compile(
    r"(?i)^(?:\S*/)?(?:ssh|sudo|doas|time|nice|env|timeout \S+"
    r"|kubectl exec .{0,80} --)\s+(?:-\S+\s+(?:[\w/.]+\.\w+\s+)?)*"
)
_SHOWS = re.compile(
    r"\bprint\b|\bassert\b|\.(head|sample|describe|info|value_counts|shape)\b|\bdisplay\("
    r"|^\s*[\w.]+\s*\Z",
    re.MULTILINE,
)
_TOOL_DO = re.compile(
    r"(?i)^(write|edit|create|update|add|post|comment|send|set|delete|remove|put|insert|append"
    r"|str_replace|deploy|merge"
    r"|open|close|save|publish|record|rename|move|copy|upload|assign|notify|reply|submit|commit|push)\b"
    r"|\b(write|edit|create|update|add|post|comment|send|delete|remove|append|publish|record|reply"
    r"|notify|upload|commit)$"
)
_TOOL_READ = re.compile(r"(?i)\b(read|get|list|search|view|show|browse|open|docs?|log|fetch|find|look|describe)\b")
_TOOL_TEST = re.compile(r"(?i)\b(tests?|testing|pytest|specs?|suite|ci|pipelines?|workflows?|checks?|e2e|jest)\b|test")
_TOOL_STATIC = re.compile(
    r"(?i)\b(lint\w*|type ?check\w*|compile\w*|builds?|validate\w*|plan|dry ?run|diagnostics?|scan\w*|audit)\b"
)
_TOOL_CHECK = re.compile(
    r"(?i)\b(bench\w*|measure\w*|eval\w*|scor\w+|probe\w*|health|status|verif\w*|diff|compare|query|sql|ping|https?"
    r"|request|metrics?|monitor\w*|profile\w*|count|hash|checksum|sample)\b"
)
_TOOL_EXEC = re.compile(
    r"(?i)\b(run|exec\w*|python|shell|bash|notebook|invoke|call|start|launch|simulate\w*|train\w*|repl|sandbox)\b"
)
_CODE = re.compile(
    r"(?i)\.(md|rst|txt|adoc|log|lock|csv|out|patch|diff)$|(^|/)(change(s|log)|readme|notes?|license"
    r"|\.gitignore)[^/]*$"
)

_FAILED_TEST = re.compile(
    r"(?i)\b([1-9]\d*) (failed|failures?|errors?|failing|broken)\b|^FAILED\b|\bFAIL\b"
    r"|\bTraceback \(most recent call last\)"
    r"|\bAssertionError\b|\bFAILED \(|: (failed|failure|error(ed)?)\b"
    r"|\btests? failed\b|^not ok\b|\bFAILURES!|\berror: test failed\b|panicked at"
    r"|\b(failed|failures?|errors?)[=:]\s?[1-9]|^(\w+\.)*\w*(Error|Exception):|[\u2717\u2718\u2716\u274c] ?\w"
    r"|\"?(status|conclusion|state|result|outcome)\"?\s?[=:]\s?\"?(fail\w*|error\w*|red|cancel\w*|timed_out)"
    r"|\"?(failed|failures|errors)\"?:\s?[1-9]|\"?(passed|success|ok)\"?\s?[=:]\s?false"
)
_FAILED_ANY = re.compile(
    r"(?i)\b(?<!\b0 )(?<!\bno )(fatal|error)( \w+)?:|^(\w+\.)*\w*(Error|Exception)\b|\bError [1-9]"
    r"|\*\*\* \[|\bcommand not found\b"
    r"|\bNo such file or directory\b|\bpermission denied\b|\bconnection refused\b"
    r"|\bsegmentation fault\b|\bcore dumped\b"
    r"|\b(exit(ed)?|return(ed)?)( with)?( code| status)?:? [1-9]\d*\b|\b(rc|exit|code|status)=[1-9]\d*\b|\bKilled\b"
    r"|\bout of memory\b|\btimed? ?out\b|\bunreachable=[1-9]|\bfailed=[1-9]"
    r"|(?<![\w=])[1-9]\d* (failed|failures?|errors?|problems?"
    r"|warnings?|vulnerabilit\w+|mismatche?s?|unreachable|violations?|issues?|leaks?|offenses?)\b|\bbuild failed\b"
    r"|(?<!0 )(?<!no )\bFAIL(ED|URE)?\b(?![=:]\s?0)|\bmismatch\b|\bdiffers?\b|\bTraceback\b"
    r"|\bwould reformat\b|\bcould not\b|\bunable to\b|\baborted?\b"
    r"|\"?(status|conclusion|state|result|outcome)\"?\s?[=:]\s?\"?(fail\w*|error\w*|red|degraded"
    r"|unhealthy|timed_out|down)"
    r"|\b(4\d\d|5\d\d) (not found|forbidden|unauthorized|internal|bad|service|gateway|unavailable|error)"
    r"|\b(interrupted|cancelled|refused|rejected|denied|unhealthy|CrashLoopBackOff|diverged|nan)\b"
    r"|\bnot (found|available|installed|reachable)\b"
)
_PASSED = re.compile(
    r"(?i)\b[1-9]\d* (passed|passing|passes|tests? pass\w*|successes|ok)\b|^\s*OK\b|\bPASS(ED)?\b|\btest result: ok\b"
    r"|\b0 failures\b|\ball tests passed\b|\bBUILD SUCCESS|^ok\b|\bsuccess(ful(ly)?)?\b|\bgreen\b"
)
_EMPTY = re.compile(
    r"(?i)\bcollected 0 items\b|\bno tests? (ran|were run|found|to run|files?|collected|executed"
    r"|matched)\b|\bran 0 tests\b"
    r"|\b0 (tests|passed|passing|specs|examples|total)\b|\[no test files\]|\bnothing to (test|do)\b|\bno tests?\b"
    r"|\b(\d+|all)( tests?)? (were )?(skipped|deselected|pending|ignored|xfailed|todo|queued)\b"
    r"|\b(skipped|deselected|queued|in_progress|pending|not run)\b"
)


_NONE_FAILED = re.compile(
    r"(?i)\b(?:0|no|zero) (?:[\w()-]+ ){0,2}?(?:failed|failures?|failing|errors?|warnings?|problems?"
    r"|issues?|mismatch(?:es)?|denied|refused)\b"
)


def evidence(event: Event) -> set[Evidence]:
    """Kinds of what a tool call does."""
    data = event.data
    if not isinstance(data, ToolCall):
        return set()
    found = {kind for act in acts_of(event) if (kind := _kind(act, data.tool))}
    if "patch" in data.tool.lower() or re.search(r'"(patch|diff)": ?"', data.arguments[:200_000]):
        found.add("edit")
    elif re.search(r"(?i)python|jupyter|notebook|ipython", data.tool) and not found & set(PROVING):
        found.add("exec" if _SHOWS.search(_unescaped(data.arguments)) else "do")
    return found


def _unescaped(arguments: str) -> str:
    return arguments[:20_000].replace("\\n", "\n").rstrip('"}\n ')


def _kind(act: Act, tool: str) -> Evidence | None:
    if act.kind == "run":
        return _of_command(act.text)
    if act.kind == "call":
        kind = _of_tool(re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-./:]+", " ", tool))
        typed = act.arguments[:400].replace("=", " ")
        return "test" if kind in {"exec", "check"} and _TESTS.search(typed) else kind
    if act.kind == "read":
        return "read"
    return "do" if _CODE.search(act.path) or not act.path or act.path.startswith("/dev/") else "edit"


def _of_command(line: str) -> Evidence | None:
    """What a command line shows; a wrapper and a remote shell are looked through."""
    line = line.strip()
    if _SSH.match(line):
        rest = line[_SSH.match(line).end() :]  # type: ignore[union-attr]
        rest = rest.partition(" ")[2] if line.lower().startswith(("ssh", "/usr/bin/ssh")) else rest
        line = rest.strip(" '\"")
    if _SQL.match(line):
        return "check" if re.search(r"(?i)\b(select|explain|show|describe|count)\b|\\[dl]", line) else "do"
    if _NOTHING.match(line) or not line:
        return None
    if line.split(" ", 1)[0] not in _NO_TEST and (_TESTS.search(line[:400]) or _INLINE.search(line)):
        return "test"
    for kind, pattern in _PROGRAMS:
        if pattern.match(line):
            return kind
    return "exec"


_PROGRAMS: tuple[tuple[Evidence, re.Pattern[str]], ...] = (
    ("do", re.compile(r"(?i)^sed -i|^git( -\S+( \S+)?)* (add|commit|push|checkout|merge|tag|reset|rebase|stash)\b")),
    ("static", _STATIC),
    ("check", _CHECK),
    ("read", _READ),
    ("do", _DO),
)


def _of_tool(name: str) -> Evidence:
    """What a call of a tool shows, by the words of its name."""
    for kind, pattern in _TOOLS:
        if pattern.search(name):
            return kind
    return "do"


_TOOLS: tuple[tuple[Evidence, re.Pattern[str]], ...] = (
    ("do", _TOOL_DO),
    ("test", _TOOL_TEST),
    ("static", _TOOL_STATIC),
    ("check", _TOOL_CHECK),
    ("read", _TOOL_READ),
    ("exec", _TOOL_EXEC),
)


def outcome(result: ToolResult, kind: Evidence) -> Outcome:
    """What a result says of a test, a build or a measurement; its exit code decides where the text does not."""
    lines = _NONE_FAILED.sub("", result.text[-_TAIL:]).splitlines()
    tail = "\n".join(lines)
    failed = _FAILED_TEST if kind == "test" else _FAILED_ANY
    if any(failed.search(line) for line in lines):
        return "failed"
    passed = any(_PASSED.search(line) for line in lines)
    if kind == "test" and not passed:
        if any(_EMPTY.search(line) for line in lines):
            return "empty"
        if any(_FAILED_ANY.search(line) for line in lines[-3:]):
            return "failed"
    return "failed" if result.exit_code and not _PASSED.search(tail) else "passed"


def ran_tests(result: ToolResult) -> bool:
    """Whether a result counts tests, whatever command it came from."""
    return bool(_COUNTED.search(result.text[-_TAIL:]))


def reports_success(text: str) -> bool:
    """Whether something that was read says that a check went well, and nothing else."""
    tail = text[-_TAIL:]
    return bool(_REPORTED.search(tail)) and not _FAILED_TEST.search(tail)


_COUNTED = re.compile(
    r"(?i)\b\d+ (passed|passing)\b|\bRan \d+ tests?\b|\btest result: |\b\d+ (tests|specs|examples"
    r"|assertions), \d+ fail|^Tests:? "
    r"|\b\d+/\d+ (tests )?pass\w*|\ball tests pass\w*|\btests? (passed|failed)\b"
)
_REPORTED = re.compile(
    r"(?i)\b(passed|passes|verified|confirmed|identical|green|succeeded|no (errors?|failures?|issues?|problems?)"
    r"|0 (errors?|failures?|warnings?)|reproduced|tested|checked)\b"
)
