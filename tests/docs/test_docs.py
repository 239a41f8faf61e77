"""What the documents say is so: commands, settings, files and detectors."""

import re
from pathlib import Path

import pytest

from subcritical.cli.main import main
from subcritical.cli.reference import reference_page
from subcritical.detectors import detector_names
from subcritical.loop.loopfile import LoopFile, loop_schema
from subcritical.yaml_source import Source

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_command_line_page_is_what_help_says():
    assert (ROOT / "docs/reference/cli.md").read_text() == reference_page(), "run `make docs-write`"


def test_no_mark_of_ours_is_left_in_the_help():
    assert "\\b" not in reference_page()


def test_every_command_has_help_and_takes_json_where_it_answers():
    without = {
        "config",
        "sandbox",
        "ledger",
        "audit",
        "witness",
        "rules",
        "bench",
        "findings",
        "gate",
        "policy",
        "principals",
        "proposals",
        "hook",
        "mcp-proxy",
        "watch",
    }  # groups, and servers
    for name, command in main.commands.items():
        assert command.help, name
        assert name in without or any("--json" in parameter.opts for parameter in command.params), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_loop_file_in_the_readme_is_valid():
    text = next(
        block
        for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
        if "system:" in block
    )
    assert Source(Path("README.md"), text).convert(LoopFile).system == "digits-evolver"


def test_every_section_of_the_loop_file_is_described():
    for name, definition in loop_schema()["$defs"].items():
        assert definition.get("description"), name


def test_every_detector_page_gives_a_measured_rate_with_its_interval():
    for name in detector_names():
        text = (ROOT / "docs" / "detectors" / f"{name}.md").read_text().lower()
        assert "false" in text, name
        assert re.search(r"\[\s*[.0-9]+\s*,\s*[.0-9]+\s*\]", text), f"{name}: no interval"


def test_the_pages_speak_of_the_product_alone():
    forbidden = re.compile(r"/(work|root|farm)/|\bthis session\b|\bas an assistant\b")
    for page in PAGES:
        assert not forbidden.search(page.read_text()), page
