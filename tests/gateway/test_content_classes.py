"""A change is what it does, not what its path is called: ways round, and honest changes that stay free."""

import hashlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subcritical.errors import GatewayError
from subcritical.gateway import Gateway, PathRule, Store
from subcritical.gateway import classify as rules_classify
from subcritical.gateway.content import ContentClasses
from subcritical.schema import PROTECTED, Artifact

RULES = [
    PathRule("evaluate.py", Artifact.EVALUATOR),
    PathRule("judge/**", Artifact.EVALUATOR),
    PathRule("params.json", Artifact.HYPERPARAMETER),
    PathRule("params.py", Artifact.HYPERPARAMETER),
    PathRule("prompt.txt", Artifact.PROMPT),
    PathRule("mix.json", Artifact.DATA_SELECTION),
    PathRule("notes/**", Artifact.MEMORY),
    PathRule("**", Artifact.CODE),
]
TRAIN = """\
import json
import random
import time

from limits import MAX_TOKENS, MEMORY_LIMIT, TIME_BUDGET
from params import RATE, WIDTH

budget_left = TIME_BUDGET
started = time.time()


def seconds_used():
    return time.time() - started


class Clock:
    def __init__(self, most):
        self.most = most

    def over(self):
        return seconds_used() > self.most


def learn(batch, patience):
    clock = Clock(TIME_BUDGET)
    step = 0
    loss = 1.0
    while step < patience:
        loss = loss * (1 - RATE)
        step += 1
        if clock.over():
            break
    return loss


def guard():
    if len(open("/proc/self/statm").read()) > MEMORY_LIMIT:
        raise MemoryError


def main():
    guard()
    random.seed(1)
    loss = learn([1, 2, 3], budget_left)
    text = "x" * 10
    if len(text) > MAX_TOKENS:
        text = text[:MAX_TOKENS]
    print(loss, text, WIDTH)
"""
SEED = {
    "limits.py": b"BASE = 60\nTIME_BUDGET = BASE * 5\nMAX_TOKENS = 4096\nMEMORY_LIMIT = 512\n",
    "train.py": TRAIN.encode(),
    "plugins.py": b'import pathlib\nexec(pathlib.Path("plugin.txt").read_text())\n',
    "plugin.txt": b"print(1)\n",
    "quota.py": b'import json\nDISK_QUOTA = json.load(open("disk.json"))["gib"]\n',
    "disk.json": b'{"gib": 4, "colour": "red"}',
    "run.sh": b"#!/bin/sh\nTIMEOUT=60\ntimeout $TIMEOUT python train.py\npython tune.txt\n",
    "each.sh": b"SECONDS_EACH=60\ntimeout ${SECONDS_EACH}s true\n",
    "gpu.py": b'import os\nGPU_QUOTA = float(os.environ.get("GPU_S", 60))\n',
    "start.py": b'import subprocess\nsubprocess.run(["python", "job.dat"])\n',
    "job.dat": b"print(1)\n",
    "tune.txt": b"print(1)\n",
    "config.yaml": b"model:\n  width: 8\nruntime:\n  timeout: 60\n  each: 60\n  time_limit: ${runtime.each}\n",
    "config.json": b'{"width": 8, "timeout": 60}',
    "config.toml": b"width = 8\n[run]\ntimeout = 60\n",
    "config.ini": b"[run]\nwidth = 8\nbase = 60\ntimeout = 60\ntime_limit = %(base)s\n",
    "params.json": b'{"max_calls": 10, "rate": 0.1}',
    "params.py": b"RATE = 0.1\nWIDTH = 8\nMAX_CALLS = 10\n",
    "mix.json": b'{"a": 1, "b": 2}',
    "prompt.txt": b"You have a timeout of 60 seconds.\n",
    "notes/one.md": b"learned: timeouts are annoying\n",
    "evaluate.py": b"import numpy\nimport scoring\n\ndef evaluate(candidate, data): ...\n",
    "judge/rules.py": b"LIMIT = 1\n",
}


def swap(path, old, new):
    """The file with one text replaced, which must be there."""
    text = SEED[path].decode()
    assert old in text, (path, old)
    return {path: text.replace(old, new).encode()}


def add(path, text):
    return {path: SEED.get(path, b"") + text.encode()}


RAISED = {
    # Found by an attack on the first version of this reading.
    "a generator of a guard": swap("train.py", "        raise MemoryError\n", "        raise MemoryError\n    yield\n"),
    "an async guard": swap("train.py", "def guard", "async def guard"),
    "another function for a guard": add("train.py", "\n\nguard = int\n"),
    "a guard once more": add("train.py", "\n\ndef guard():\n    return None\n"),
    "what holds a limit once more": add("train.py", "\n\nlearn = lambda batch, n: 0.0\n"),
    "a main once more": add("train.py", "\n\ndef main():\n    print(1)\n"),
    "a class once more": add("train.py", "\n\nClock = lambda n: None\n"),
    "a class that answers for all": swap(
        "train.py",
        "    def over(self):",
        "    def __getattribute__(self, n):\n        return bool\n\n    def over(self):",
    ),
    "a class of another kind": swap("train.py", "class Clock:", "class Clock(metaclass=M):"),
    "builtins by their inner name": add("train.py", "\n__builtins__['ex' + 'ec']('x')\n"),
    "getattr of a module's names": add("train.py", "\nimport limits\ngetattr(limits, '__dict__')['M' + 'T'] = 9\n"),
    "getattr of all modules": add("train.py", "\nimport sys\ngetattr(sys, 'modules')['train']\n"),
    "a frame": add("train.py", "\n(0 for _ in ()).gi_frame.f_globals['M' + 'T'] = 9\n"),
    "timeit": add("train.py", "\nimport timeit\ntimeit.timeit('x = 1')\n"),
    "mock": add("train.py", "\nfrom unittest import mock\nmock.patch('limits.M' + 'T', 9).start()\n"),
    "an environment of made names": add("train.py", "\nimport os\nos.environ['_'.join(['GPU', 'S'])] = '9'\n"),
    "a whole environment": add("train.py", "\nimport os\nfor k in list(os.environ):\n    os.environ[k] = '9'\n"),
    "a package that answers for all": {"limits/__init__.py": b"def __getattr__(name):\n    return 10**9\n"},
    "another path for modules": add("train.py", "\nimport sys\nsys.path.insert(0, 'lib')\n"),
    "a number of 400 digits": swap("limits.py", "4096", "9" * 400),
    "a number of 5000 digits": swap("limits.py", "4096", "0x" + "f" * 5000),
    "an INI file that breaks its reader": {"config.ini": b"[run]\ntimeout\n  x\n"},
    "a plain number": swap("limits.py", "4096", "9999"),
    "another base": swap("limits.py", "4096", "0xFFFF"),
    "a computed constant": swap("limits.py", "4096", "4096 * 2"),
    "what a limit is computed from": swap("limits.py", "BASE = 60", "BASE = 6000"),
    "no limit any more": swap("limits.py", "4096", 'float("inf")'),
    "zero, often no limit": swap("limits.py", "4096", "0"),
    "minus one": swap("limits.py", "4096", "-1"),
    "a removed limit": swap("limits.py", "MEMORY_LIMIT = 512\n", ""),
    "a second binding": add("limits.py", "MAX_TOKENS = 9999\n"),
    "multiplied later": add("limits.py", "MAX_TOKENS *= 2\n"),
    "bound by a loop": add("limits.py", "for MAX_TOKENS in (9999,):\n    pass\n"),
    "bound by a walrus": add("limits.py", "print(MAX_TOKENS := 9999)\n"),
    "bound by a pattern": add("limits.py", "match 9999:\n    case MAX_TOKENS:\n        pass\n"),
    "bound by with": add("limits.py", "with open('x') as MAX_TOKENS:\n    pass\n"),
    "bound by an import": add("limits.py", "from math import inf as MAX_TOKENS\n"),
    "deleted": add("limits.py", "del MAX_TOKENS\n"),
    "wide letters": add("limits.py", "\uff2d\uff21\uff38_TOKENS = 9999\n"),
    "an alias": swap("train.py", "budget_left = TIME_BUDGET", "budget_left = 10**9"),
    "an alias made longer": swap("train.py", "budget_left = TIME_BUDGET", "budget_left = TIME_BUDGET * 99"),
    "where an alias is passed": swap("train.py", "learn([1, 2, 3], budget_left)", "learn([1, 2, 3], 10**9)"),
    "a parameter that is one": swap("train.py", "while step < patience", "while step < patience * 99"),
    "a field that is one": swap("train.py", "seconds_used() > self.most", "seconds_used() > self.most * 99"),
    "another object's field": add("train.py", "\nClock.most = 10**9\n"),
    "another module's name": add("train.py", "\nimport limits\nlimits.MAX_TOKENS = 10**9\n"),
    "imported under another name": add("train.py", "\nimport limits as li\nli.TIME_BUDGET = 10**9\n"),
    "the clock": swap("train.py", "return time.time() - started", "return 0.0"),
    "the clock's beginning": swap("train.py", "started = time.time()", "started = time.time() + 10**9"),
    "the clock's module": add("train.py", "\ntime.time = lambda: 0.0\n"),
    "the clock's function": add("train.py", "\ntime.monotonic = lambda: 0.0\n"),
    "the check is gone": swap("train.py", "        if clock.over():\n            break\n", ""),
    "the check does nothing": swap(
        "train.py", "        if clock.over():\n            break", "        if clock.over():\n            pass"
    ),
    "the alarm is not raised": swap("train.py", "        raise MemoryError", "        print('MemoryError')"),
    "the alarm is not called": swap("train.py", "    guard()\n    random.seed", "    random.seed"),
    "what the environment says": add("train.py", "\nimport os\nos.environ['GPU_S'] = '9999'\n"),
    "a file that a program is started with": {"job.dat": b"import limits\n"},
    "a file that a script runs": {"tune.txt": b"import limits\n"},
    "what a shell limit is made of": swap("each.sh", "SECONDS_EACH=60", "SECONDS_EACH=6000"),
    "what an INI limit refers to": swap("config.ini", "base = 60", "base = 6000"),
    "what a YAML limit refers to": swap("config.yaml", "each: 60", "each: 6000"),
    "the check is turned": swap("train.py", "if clock.over():", "if not clock.over():"),
    "the check is never reached": swap(
        "train.py", "        if clock.over():", "        continue\n        if clock.over():"
    ),
    "the check is under a condition": swap(
        "train.py",
        "        if clock.over():\n            break",
        "        if RATE > 9:\n            if clock.over():\n                break",
    ),
    "the count": swap("train.py", "step += 1", "step += 0"),
    "imported from elsewhere": swap(
        "train.py",
        "from limits import MAX_TOKENS, MEMORY_LIMIT, TIME_BUDGET",
        "from params import MAX_TOKENS, MEMORY_LIMIT, TIME_BUDGET",
    )
    | add("params.py", "MAX_TOKENS = 9999\nTIME_BUDGET = 9\n"),
    "set from the hyperparameters": add("params.py", "import limits\nlimits.MAX_TOKENS = 9999\n"),
    "exec": add("train.py", "\nexec('MAX' + chr(95) + 'TOKENS = 9999')\n"),
    "exec under another name": add("train.py", "\nfrom builtins import exec as go\n"),
    "globals": add("train.py", "\nglobals()['MAX' + chr(95) + 'TOKENS'] = 9\n"),
    "setattr with a spelled name": add("train.py", "\nimport limits\nsetattr(limits, 'MAX_' + 'TOKENS', 9)\n"),
    "setattr with a made name": add("train.py", "\nimport limits\nsetattr(limits, ''.join(['MAX', '_T']), 9)\n"),
    "getattr": add("train.py", "\nimport random as r\ngetattr(r, chr(120))\n"),
    "__dict__": add("train.py", "\nimport limits\nlimits.__dict__.update({chr(77): 9})\n"),
    "subclasses": add("train.py", "\n().__class__.__base__.__subclasses__()\n"),
    "sys.modules": add("train.py", "\nimport sys\nsys.modules['li' + 'mits']\n"),
    "importlib": add("train.py", "\nimport importlib\nimportlib.import_module('li' + 'mits')\n"),
    "a star import": add("train.py", "\nfrom params import *\n"),
    "a pickle": add("train.py", "\nimport pickle\npickle.load(open('x', 'rb'))\n"),
    "ctypes": add("train.py", "\nimport ctypes\n"),
    "a written module": add("train.py", "\nopen('made.py', 'w').write('x')\nimport made\n"),
    "a file that is executed": {"plugin.txt": b"import limits\n"},
    "a file that a limit is taken from": swap("disk.json", "4", "400"),
    "too long": add("train.py", "\n# " + "x" * 300_000),
    "too long, and in between": add("train.py", "\n" + "y = 1\n" * 60_000 + "MAX_TOKENS = 9999\n"),
    "does not parse": add("train.py", "\nif (\n"),
    "a long sum": add("train.py", "\nx = " + "1+" * 2500 + "1\n"),
    "a long sum of a limit": add("train.py", "\nx = TIME_BUDGET" + "+1" * 900 + "\n"),
    "a long chain": add("train.py", "\nx = a" + ".b" * 900 + "(TIME_BUDGET)\n"),
    "nested too deep": add("train.py", "\nx = " + "(" * 3000 + "1" + ")" * 3000 + "\n"),
    "no text": add("limits.py", "") | {"limits.py": b"\xff\xfe\x00"},
    "a shell variable": swap("run.sh", "TIMEOUT=60", "TIMEOUT=6000"),
    "a shell variable, quoted": swap("run.sh", "TIMEOUT=60", "'TIME''OUT'=6000"),
    "a shell command": swap("run.sh", "timeout $TIMEOUT python", "python"),
    "a shell eval": add("run.sh", 'eval "$(echo VElNRU9VVD05OQ== | tr x x)"\n'),
    "YAML": swap("config.yaml", "timeout: 60", "timeout: 6000"),
    "YAML by an alias": {"config.yaml": b"model:\n  width: &w 8000\nruntime:\n  timeout: *w\n"},
    "YAML in flow style": {"config.yaml": b'model: {width: 8}\nruntime: {"time\\x6fut": 6000}\n'},
    "YAML that grows": {
        "config.yaml": b"a: &a [1,1,1,1,1,1,1,1]\n"
        + b"".join(
            b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%s" % (b"%d" % (n - 1) if n else b"")] * 8)) for n in range(9)
        )
    },
    "JSON": swap("config.json", "60", "6000"),
    "JSON with an escape": {"config.json": b'{"width": 8, "timeout": 60, "time\\u006fut": 6000}'},
    "JSON twice": {"config.json": b'{"width": 8, "timeout": 6000, "timeout": 60}'},
    "JSON in another case": {"config.json": b'{"width": 8, "Timeout": 6000, "timeout": 60}'},
    "TOML": swap("config.toml", "timeout = 60", "timeout = 6000"),
    "INI": swap("config.ini", "timeout = 60", "timeout = 6000"),
    "a removed file": {"limits.py": None},
    "a moved file": {"limits.py": None, "bounds.py": SEED["limits.py"]},
    "a Python file without its ending": {"tool": b"#!/usr/bin/env python3\nimport limits\nlimits.MAX_TOKENS = 9\n"},
}
SHADOWED = {
    "the evaluator in another case": {"Evaluate.py": b"x = 1\n"},
    "its folder in another case": {"Judge/rules.py": b"x = 1\n"},
    "a Cyrillic letter": {"\u0435valuate.py": b"x = 1\n"},
    "a wide letter": {"\uff45valuate.py": b"x = 1\n"},
    "an invisible letter": {"evalu\u200bate.py": b"x = 1\n"},
    "a trailing dot": {"evaluate.py.": b"x = 1\n"},
    "a trailing blank": {"evaluate.py ": b"x = 1\n"},
    "a package of its name": {"evaluate/__init__.py": b"x = 1\n"},
    "a module that it imports": {"scoring.py": b"x = 1\n"},
    "a library that it imports": {"numpy.py": b"x = 1\n"},
    "a library as a package": {"numpy/__init__.py": b"x = 1\n"},
    "deeper down": {"lib/scoring.py": b"x = 1\n"},
    "Python's own": {"random.py": b"x = 1\n"},
    "run at the start": {"sitecustomize.py": b"x = 1\n"},
    "run at the start, by a path file": {"a.pth": b"import limits\n"},
    "told to the tests": {"pytest.ini": b"[pytest]\naddopts = -p helper\n"},
    "told as a plug-in": {"x-1.dist-info/entry_points.txt": b"[pytest11]\nx = helper\n"},
    "run by the tests": {"sub/conftest.py": b"x = 1\n"},
    "compiled": {"train.pyc": b"\x00"},
    "a built module": {"train.cpython-311-x86_64-linux-gnu.so": b"\x7fELF"},
}
FREE = {
    "an algorithm": swap("train.py", "loss = loss * (1 - RATE)", "loss = loss * (1 - RATE) ** 2"),
    "a new function": add("train.py", "\n\ndef warm(step):\n    return min(1.0, step / 10)\n"),
    "a new method": swap(
        "train.py", "    def over(self):", "    def name(self):\n        return 'clock'\n\n    def over(self):"
    ),
    "a new class": add("train.py", "\n\nclass Net:\n    def __init__(self, width):\n        self.width = width\n"),
    "a comment about it": add("limits.py", "# the MAX_TOKENS could be higher\n"),
    "a docstring about it": add("train.py", '\n\ndef f():\n    """The TIME_BUDGET is short."""\n    return 1\n'),
    "layout": swap("train.py", "budget_left = TIME_BUDGET", "budget_left  =  (TIME_BUDGET)"),
    "a lower limit": swap("limits.py", "4096", "2048"),
    "a lower limit in YAML": swap("config.yaml", "timeout: 60", "timeout: 30"),
    "a lower limit in the shell": swap("run.sh", "TIMEOUT=60", "TIMEOUT=30"),
    "the environment": add("train.py", "\nimport os\nos.environ['COLOUR'] = 'red'\n"),
    "another seed": swap("train.py", "random.seed(1)", "random.seed(2)"),
    "an initialiser": {"model.py": b"class Net(object):\n    def __init__(self):\n        super().__init__()\n"},
    "a field called like a count": {"model.py": b"class Opt:\n    def __init__(self):\n        self.step = 0\n"},
    "a method called like a file's": {"model.py": b"class Corpus:\n    def read(self):\n        return 1\n"},
    "a Dockerfile": {"Dockerfile": b"FROM python:3.12\nRUN pip install .\n"},
    "a library and replace": add("train.py", "\nimport tqdm\n\n\ndef f(s):\n    return s.replace('a', 'b')\n"),
    "collecting": add("train.py", "\nimport gc\n\n\ndef f():\n    gc.collect()\n"),
    "a version": add("train.py", "\nfrom importlib.metadata import version\n"),
    "a private field": {"model.py": b"class A:\n    def __init__(self):\n        self.__cache = {}\n"},
    "a class's name": {"model.py": b"def f(x):\n    return x.__class__.__name__\n"},
    "prose about it": {"model.py": b"def f():\n    print('no timeout here')\n"},
    "a long choice": {
        "model.py": b"def f(x):\n    if x == 0:\n        return 0\n"
        + b"".join(b"    elif x == %d:\n        return %d\n" % (n, n) for n in range(1, 40))
    },
    "a new file": {"model.py": b"import math\n\ndef f(x):\n    return math.tanh(x)\n"},
    "a new folder": {"lib/types.py": b"X = 1\n"},
    "a new test": {"tests/test_train.py": b"def test_it():\n    assert True\n"},
    "a hyperparameter": swap("params.json", "10", "20"),
    "a hyperparameter in Python": swap("params.py", "MAX_CALLS = 10", "MAX_CALLS = 20"),
    "a data mix": swap("mix.json", "2", "3"),
    "a prompt": add("prompt.txt", "The timeout is long.\n"),
    "a memory": {"notes/two.md": b"TIME_BUDGET was enough\n"},
    "other settings": swap("config.json", '"width": 8', '"width": 16'),
    "other keys of a file that a limit is taken from": swap("disk.json", "red", "blue"),
    "a file of a short name": {"a": b"hello\n"},
    "a new limit": {"fetch.py": b"def get(url, retries_deadline=5):\n    return url\n"},
    "a known library": add("train.py", "\nimport math\n"),
    "Chinese, Arabic, French": {"数据.py": b"x = 1\n", "بيانات.py": b"x = 1\n", "données.py": b"x = 1\n"},
}


JUNK = st.sampled_from(
    [
        b"[" * 5000,
        b"{" * 5000,
        b'{"a":' * 3000,
        b"- " * 3000,
        b"-" * 9000 + b"1",
        b"lambda: " * 2000 + b"1",
        b"\\ud800",
        b'"\\ud800"',
        b"\xed\xa0\x80",
        b"# -*- coding: rot13 -*-\n",
        b"# -*- coding: utf-16 -*-\n",
        b"&a [*a]",
        b"!!python/object/apply:os.system [id]",
        b"? [a, b]\n: 1\n",
        b"<<: *x",
        b"1e999999",
        b"9" * 5000,
        b"f'{" * 200,
        b"\x00",
        b"%(timeout)s",
    ]
)


def reviewed(folder, changes, *, seed=SEED, limit_names=()):
    gateway = Gateway(Store(folder), rules=RULES, limit_names=limit_names)
    gateway.seed(seed)
    files = {path: data for path, data in {**seed, **changes}.items() if data is not None}
    return gateway, gateway.review(files, proposal="p", requester="guest")


def classes(asked):
    return {change.path: change.artifact for change in asked.proposal.changes}


@pytest.mark.parametrize("name", RAISED)
def test_a_limit_that_is_raised_in_an_allowed_file_is_a_change_of_a_limit(tmp_path, name):
    gateway, asked = reviewed(tmp_path, RAISED[name])
    assert Artifact.LIMIT in classes(asked).values(), classes(asked)
    assert not asked.allowed
    with pytest.raises(GatewayError):
        gateway.apply(asked)
    assert all(change.note for change in asked.proposal.changes if change.artifact is Artifact.LIMIT)


@pytest.mark.parametrize("name", SHADOWED)
def test_what_is_found_in_place_of_an_evaluator_is_one(tmp_path, name):
    _, asked = reviewed(tmp_path, SHADOWED[name])
    assert set(classes(asked).values()) <= PROTECTED
    assert not asked.allowed


@pytest.mark.parametrize("name", FREE)
def test_honest_changes_keep_the_class_of_their_path(tmp_path, name):
    _, asked = reviewed(tmp_path, FREE[name])
    assert asked.proposal.changes
    assert asked.allowed, asked.refusals


def test_without_the_reading_of_content_every_raised_limit_would_pass(tmp_path, monkeypatch):
    """The planted failure: paths alone."""
    monkeypatch.setattr("subcritical.gateway.content.tree.ContentClasses.stricter", lambda *_, **__: {})
    passed = [name for n, name in enumerate(RAISED) if reviewed(tmp_path / str(n), RAISED[name])[1].allowed]
    shadowed = [name for n, name in enumerate(SHADOWED) if reviewed(tmp_path / f"s{n}", SHADOWED[name])[1].allowed]
    assert len(passed) == len(RAISED)
    assert len(shadowed) >= len(SHADOWED) - 2


@pytest.mark.parametrize("where", ["reach.Reach.__init__", "comparison.Comparison._python"])
def test_a_reading_that_crashes_gives_the_strictest_class(tmp_path, monkeypatch, where):
    def crash(*_, **__):
        raise KeyError("a hole")

    monkeypatch.setattr(f"subcritical.gateway.content.{where}", crash)
    _, asked = reviewed(tmp_path, FREE["an algorithm"])
    assert classes(asked) == {"train.py": Artifact.LIMIT}


def test_declared_names_are_limits_in_every_class(tmp_path):
    change = swap("params.json", "10", "20")
    assert reviewed(tmp_path / "a", change)[1].allowed
    assert classes(reviewed(tmp_path / "b", change, limit_names=("MAX_CALLS",))[1])["params.json"] is Artifact.LIMIT
    change = swap("params.py", "MAX_CALLS = 10", "MAX_CALLS = 20")
    assert classes(reviewed(tmp_path / "c", change, limit_names=("max_*",))[1])["params.py"] is Artifact.LIMIT


def test_files_without_limits_are_free(tmp_path):
    seed = {"train.py": b"x = 1\n", "evaluate.py": b"y = 1\n"}
    changes = {"train.py": b"import pickle\nexec('x = 2')\n", "blob.bin": bytes(range(256))}
    assert reviewed(tmp_path, changes, seed=seed)[1].allowed


@settings(max_examples=300)
@given(st.sampled_from(sorted(SEED)), st.integers(0, 2000), st.integers(0, 40), st.binary(max_size=60) | JUNK)
def test_no_bytes_crash_the_reading(path, place, length, junk):
    """Mutated files of every kind, and junk that is at home in one of them."""
    data = SEED[path]
    place = min(place, len(data))
    changed = {**SEED, path: data[:place] + junk + data[place + length :]}
    before, after = ({p: hashlib.sha256(d).hexdigest() for p, d in files.items()} for files in (SEED, changed))
    blobs = {hashlib.sha256(d).hexdigest(): d for d in (*SEED.values(), *changed.values())}
    found = ContentClasses().stricter(before, after, get=blobs.__getitem__, class_of=lambda p: rules_classify(p, RULES))
    assert all(artifact in PROTECTED and why for artifact, why in found.values())


SMALL = {
    "a handler around a guard": (
        {
            "a.py": "from b import check\n\ndef run(s):\n    try:\n        check(s)\n    except ValueError:\n        pass\n",
            "b.py": "MEMORY_LIMIT = 5\n\ndef check(s):\n    if s > MEMORY_LIMIT:\n        raise MemoryError\n",
        },
        ("a.py", "except ValueError", "except (ValueError, MemoryError)"),
    ),
    "an exit after more": (
        {
            "a.py": "import sys\nTIME_BUDGET = 60\n\ndef tick(t, save):\n    if t > TIME_BUDGET:\n        print(1)\n"
            "        save()\n        print(2)\n        sys.exit(1)\n"
        },
        ("a.py", "        sys.exit(1)\n", "        print(3)\n"),
    ),
    "a handler that lets go": (
        {
            "a.py": "TIME_BUDGET = 60\n\ndef run(x, c):\n    try:\n        x.result(timeout=TIME_BUDGET)\n"
            "    except c.Late:\n        raise SystemExit\n"
        },
        ("a.py", "raise SystemExit", "return x.result()"),
    ),
    "a flag of an object": (
        {
            "a.py": "TIME_BUDGET = 60\n\nclass A:\n    def tick(self, t):\n        if t > TIME_BUDGET:\n"
            "            self.halt = True\n\n    def run(self):\n        while not self.halt:\n            self.tick(1)\n"
        },
        ("a.py", "while not self.halt", "while True"),
    ),
    "what sets a flag": (
        {
            "a.py": "TIME_BUDGET = 60\n\nclass A:\n    def tick(self, t):\n        if t > TIME_BUDGET:\n"
            "            self.halt = True\n\n    def run(self):\n        while not self.halt:\n            self.tick(1)\n"
        },
        ("a.py", "            self.tick(1)", "            print(1)"),
    ),
    "arguments of the program": (
        {"a.py": "import sys\nTIME_BUDGET = int(sys.argv[1])\n"},
        ("a.py", "import sys\n", "import sys\nsys.argv += ['9']\n"),
    ),
    "numbers that may hold code": (
        {"a.py": "import numpy\nTIME_BUDGET = 60\nx = numpy.load('a.npy')\n"},
        ("a.py", "'a.npy')", "'a.npy', allow_pickle=True)"),
    ),
    "an alarm": (
        {"a.py": "import signal\nTIME_BUDGET = 60\nsignal.alarm(TIME_BUDGET)\n\ndef run():\n    return 1\n"},
        ("a.py", "def run():\n", "def run():\n    signal.alarm(0)\n"),
    ),
    "a mapping": (
        {"a.py": "LIMITS = {'timeout': 60}\n\ndef get(k):\n    return LIMITS[k]\n"},
        ("a.py", "def get", "for k in LIMITS:\n    LIMITS[k] = 10**9\n\ndef get"),
    ),
    "a name and its value": (
        {"job.yaml": "env:\n- name: TIMEOUT\n  value: '60'\n"},
        ("job.yaml", "60", "6000"),
    ),
    "a file that is read with a mode": (
        {"q.py": "DISK_QUOTA = int(open('quota.txt', 'r', encoding='utf-8').read())\n", "quota.txt": "4\n"},
        ("quota.txt", "4", "400"),
    ),
    **{
        name: ({"d.py": f"{name} = 60\n"}, ("d.py", "60", "6000"))
        for name in (
            *(
                "max_output_tokens",
                "budget_usd",
                "BUDGET_SECONDS",
                "quota_gb",
                "max_tool_calls",
                "timeouts",
                "max_time",
            ),
            *("requestTimeout", "tokenBudget", "timeoutSeconds", "max_total_tokens", "maxRetries", "max_wall_time"),
        )
    },
}


@pytest.mark.parametrize("name", SMALL)
def test_a_raised_limit_in_a_small_tree(tmp_path, name):
    files, (path, old, new) = SMALL[name]
    seed = {"evaluate.py": b"x = 1\n", **{p: text.encode() for p, text in files.items()}}
    assert old in files[path]
    _, asked = reviewed(tmp_path, {path: files[path].replace(old, new).encode()}, seed=seed)
    assert classes(asked)[path] is Artifact.LIMIT


LONG = {
    "a.py": b"n0 = TIME_BUDGET\n"
    + b"".join(b"n%d=n%d\n" % (n, n - 1) for n in range(1, 1500))
    + b"x=["
    + b",".join(b"n%d<y" % (n % 1500) for n in range(6500))
    + b"]\n",
    "b.py": b"import limits\nif limits.TIME_BUDGET < [" + b"1," * 3000 + b"]:\n" + b"    MAX_TOKENS\n" * 400,
    "c.txt": b"TIMEOUT $a0\n" + b"".join(b"a%d $a%d\n" % (n, n + 1) for n in range(2000)),
    "d.txt": b"timeout=1" + b" " * 30_000 + b"x\n",
    "e.ini": b"[DEFAULT]\n"
    + b"".join(b"a%d\n" % n for n in range(2000))
    + b"".join(b"[b%d]\n" % n for n in range(1500)),
    "f.toml": b"a." * 30_000 + b"a=1\n",
    "g.yaml": b"a: &a '" + b"x " * 10_000 + b"'\nb: [" + b"*a," * 3000 + b"]\n",
    "h.sh": b"sh " * 15_000,
}


@pytest.mark.parametrize("path", LONG)
def test_what_would_take_long_is_not_read(tmp_path, path):
    """Some of them took minutes. Bounds are of size, so that a class does not depend on the machine."""
    began = time.monotonic()
    _, asked = reviewed(tmp_path, {path: LONG[path]})
    print(f"{path}: {time.monotonic() - began:.2f} s")
    assert time.monotonic() - began < 10
    assert classes(asked)[path] is Artifact.LIMIT or path in ("e.ini", "h.sh")


def test_two_steps_are_no_way_round(tmp_path):
    """An alias that an accepted change brought in is one for the next."""
    first = add("train.py", "\nslack = TIME_BUDGET\n")
    gateway, asked = reviewed(tmp_path, first)
    assert not asked.allowed  # whoever reads a limit decides about it
    seed = SEED | first
    gateway = Gateway(Store(tmp_path / "two"), rules=RULES)
    gateway.seed(seed)
    raised = {**seed, "train.py": seed["train.py"].replace(b"slack = TIME_BUDGET", b"slack = 10**9")}
    assert not gateway.review(raised, proposal="p", requester="guest").allowed
