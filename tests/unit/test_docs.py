"""The documentation: nothing stale, no dead link, nothing public that is not documented, and examples that compile."""

from __future__ import annotations

import importlib.util
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from insights_recovery import checks, conf
from insights_recovery.conf import KEYS

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^ *```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (?P<words>.+)$", re.MULTILINE)
FOREIGN = re.compile(r"^[a-z]+:")
"""A link that leaves the repository."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@cache
def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_generated_tables_are_fresh() -> None:
    stale = [str(page.relative_to(ROOT)) for page in _generator().stale()]
    assert stale == [], "run: python docs/generate.py"


def test_a_stale_table_is_seen() -> None:
    page = "<!-- generated: reasons -->\n\n| reason |\n\n<!-- end of generated -->"
    assert "circuit_open" in _generator().refreshed(page) != page


def _links(text: str) -> Iterator[str]:
    yield from (found["target"] for found in LINK.finditer(FENCE.sub("", text)))


def _anchors(page: Path) -> set[str]:
    """Return a page's anchors, made from its headings as GitHub makes them."""
    seen: Counter[str] = Counter()
    anchors = set()
    for found in HEADING.finditer(FENCE.sub("", page.read_text(encoding="utf-8"))):
        slug = re.sub(r"[^\w\- ]", "", found["words"].strip().lower()).replace(" ", "-")
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors


def _is_dead(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    linked = (page.parent / path) if path else page
    if not linked.exists():
        return True
    return bool(anchor) and anchor not in _anchors(linked)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target for target in _links(page.read_text(encoding="utf-8")) if not FOREIGN.match(target)]
    assert [target for target in targets if _is_dead(page, target)] == []


def test_dead_links_and_anchors_are_seen() -> None:
    page = DOCS / "README.md"
    assert _is_dead(page, "no-such-page.md")
    assert _is_dead(page, "glossary.md#no-such-heading")
    assert not _is_dead(page, "glossary.md#glossary")


def test_every_page_is_in_the_index() -> None:
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in _links(_read("README.md"))}
    missing = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page.resolve() not in linked]
    assert missing == ["README.md"]


def _blocks(page: Path, language: str) -> list[str]:
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [textwrap.dedent(block["code"]) for block in found if block["language"] == language]


@each_page
def test_python_examples_compile(page: Path) -> None:
    for number, block in enumerate(_blocks(page, "python"), 1):
        compile(block, f"{page.name}, example {number}", "exec")


def test_examples_are_found() -> None:
    assert len(_blocks(DOCS / "tutorial" / "first-journal.md", "python")) > 5


def test_examples_name_settings_that_exist() -> None:
    examples = [block for page in PAGES for block in _blocks(page, "python") if "INSIGHTS_RECOVERY = {" in block]
    named = {key for block in examples for key in re.findall(r'^\s*"([A-Z_]+)":', block, re.MULTILINE)}
    djangos = {"ENGINE", "NAME", "USER", "PASSWORD", "HOST", "OPTIONS", "CONN_MAX_AGE", "CONN_HEALTH_CHECKS"}
    assert named - djangos <= set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_is_documented(key: str) -> None:
    assert f"| `{key}` |" in _read("reference/settings.md")


def test_every_command_is_documented() -> None:
    page = _read("reference/commands.md")
    names = [name for name in _generator().commands() if f"\n## {name}\n" not in page]
    assert names == []
    assert [name for name in _generator().commands() if f"<!-- generated: command {name} -->" not in page] == []


def test_every_system_check_is_documented() -> None:
    ids = set(re.findall(r"insights_recovery\.[EW]\d{3}", Path(checks.__file__).read_text(encoding="utf-8")))
    documented = set(re.findall(r"\| `(insights_recovery\.[EW]\d{3})` \|", _read("reference/checks.md")))
    assert documented == ids != set()


def test_every_signal_is_documented() -> None:
    page = _read("reference/events.md")
    assert [name for name in _generator().public_signals() if f"| `{name}` |" not in page] == []


def test_the_setting_has_the_name_that_the_pages_use() -> None:
    assert f"`{conf.SETTING}`" in _read("reference/settings.md")


def test_the_pages_read_like_pages() -> None:
    untitled = [page.name for page in PAGES if not page.read_text(encoding="utf-8").startswith("# ")]
    assert untitled == []
