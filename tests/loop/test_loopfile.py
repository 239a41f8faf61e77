"""A loop file is right, or it is refused with file, line and what to write instead."""

import pytest

from subcritical.errors import ConfigError
from subcritical.loop.loopfile import load_loop, loop_schema
from subcritical.yaml_source import seconds, size_bytes

GOOD = """\
system: digits-evolver
guest: {kind: evolve}
workspace: seed
artifacts:
  - {path: "solution.py", is: code}
evaluate: {run: evaluate.py, public: p.npz, held_out: h.npz, timeout: 20s, bounds: {accuracy: [0, 1]}}
limits: {generations: 60, wall: 10m, memory: 1GiB, network: none}
oversight: {review: assumed}
tripwires:
  - {on: {technique: RSI-T0300}, action: pause}
  - {on: {silence: 10s}, action: stop}
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "seed").mkdir()
    for name in ("evaluate.py", "p.npz", "h.npz"):
        (tmp_path / name).write_text("")

    def writer(text):
        path = tmp_path / "loop.yaml"
        path.write_text(text)
        return path

    return writer


def test_a_good_file_is_read(write):
    loop = load_loop(write(GOOD))
    assert loop.settings.limits.generations == 60
    assert seconds(loop.settings.limits.wall) == 600
    assert size_bytes(loop.settings.limits.memory) == 1 << 30
    assert loop.settings.evaluate.bounds == {"accuracy": (0, 1)}


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("generations", "generatoins", 7, "did you mean `generations`"),
        ("10m", "10x", 7, "a duration such as 30s"),
        ("1GiB", "lots", 7, "a size such as"),
        ("is: code", "is: code, approvals: 1", 5, "approvals need people"),
        ("is: code", "is: code, approvals: -1", 5, "approvals"),
        ("review: assumed", "review: assumed, principals: nobody.txt", 8, "no file `nobody.txt`"),
        ("review: assumed", "review: assumed, principals: seed/who.txt", 8, "no file `seed/who.txt`"),
        ("review: assumed", "review: assumed, resume_by: 2", 8, "resume_by needs people"),
        ("oversight:", "policy: {file: none.cedar}\noversight:", 8, "no file `none.cedar`"),
        ("oversight:", "policy: {mode: off}\noversight:", 8, "enforce"),
        ("oversight:", "containment: {proof: required}\noversight:", 8, "policy prove --attest"),
        ("is: code", "is: cod", 5, "expected one of code, prompt"),
        ("kind: evolve", "kind: evol", 2, "expected one of command"),
        ("kind: evolve", "kind: command", 2, "needs `run"),
        ("kind: evolve", "kind: evolve, run: [x]", 2, "takes no `run`"),
        ("workspace: seed", "workspace: sed", 3, "not a directory"),
        ("workspace: seed", "workspaces: seed", 3, "did you mean `workspace`"),
        ("public: p.npz", "public: q.npz", 6, "no file `q.npz`"),
        ("held_out: h.npz", "held_out: p.npz", 6, "is the public split"),
        ("60", "0", 7, ">= 1"),
        ("10s", "&a 10s", 11, "anchors"),
        ("10s", "!!python/object:os.system 10s", 11, "not allowed"),
        ("silence: 10s", "silence: 10s, technique: RSI-T0300", 11, "exactly one"),
        ("action: stop", "action: resume", 11, "only a person"),
        ("action: stop", "action: throttle", 11, "at_most"),
        ("{technique: RSI-T0300}", "{measure: holdout_gap}", 10, "`above`"),
        ("review: assumed", "", 8, "how often a person reviews"),
        ("network: none", "network: {socket: x, y: 1}", 7, "unknown key `y`"),
        ("system: digits-evolver", "system: a\nsystem: b", 2, "given twice"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(write, old, new, line, words):
    with pytest.raises(ConfigError, match=words) as caught:
        load_loop(write(GOOD.replace(old, new, 1)))
    assert caught.value.line == line
    assert f"loop.yaml:{line}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"), [("", "empty"), ("a: [1\n", "expected"), ("- 1\n", "object"), ("\x00", "not readable as YAML")]
)
def test_unreadable_files(write, text, words):
    with pytest.raises(ConfigError, match=words):
        load_loop(write(text))


def test_missing_and_odd_files(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_loop(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_loop(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"system: \xff\n")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 8"):
        load_loop(tmp_path / "latin.yaml")
    (tmp_path / "huge.yaml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load_loop(tmp_path / "huge.yaml")
    (tmp_path / "deep.yaml").write_text("a: " + "[" * 500 + "]" * 500)
    with pytest.raises(ConfigError, match="nested too deeply"):
        load_loop(tmp_path / "deep.yaml")


def test_held_out_data_in_the_workspace_is_refused(write, tmp_path):
    (tmp_path / "seed" / "h.npz").write_text("")
    with pytest.raises(ConfigError, match="inside the workspace"):
        load_loop(write(GOOD.replace("held_out: h.npz", "held_out: seed/h.npz")))


def test_the_schema_knows_every_section():
    definitions = loop_schema()["$defs"]
    assert set(definitions["LoopFile"]["required"]) == {"system", "guest", "workspace", "artifacts", "evaluate"}
    assert definitions["Limits"]["properties"]["wall"]["pattern"].startswith("^")
