"""Options of the LLM extractor: what is admitted, what is said of the rest, and what makes another version."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from insights_recovery.exceptions import ConfigurationError
from insights_recovery.extractors import loading
from insights_recovery.extractors.llm import LLMExtractor
from insights_recovery.extractors.llm import options as options_module
from insights_recovery.extractors.llm.options import Options

PATH = "insights_recovery.extractors.llm.LLMExtractor"
GOOD: dict[str, Any] = {"base_url": "http://127.0.0.1:11434/v1", "model": "small"}
SECRET = "sk-topsecret-0123456789"


def make(**options: Any) -> LLMExtractor:
    return LLMExtractor(**GOOD | options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"base_url": "ftp://host"}, "'base_url' must be an http"),
        ({"base_url": "host/v1"}, "'base_url'"),
        ({"base_url": "http://"}, "'base_url'"),
        ({"base_url": "http://host:99999"}, "'base_url'"),
        ({"base_url": "http://[half"}, "'base_url'"),
        ({"base_url": f"https://me:{SECRET}@host/v1"}, "'base_url'"),
        ({"base_url": f"https://host/v1?key={SECRET}"}, "'base_url'"),
        ({"base_url": "https://host/v 1"}, "'base_url'"),
        ({"base_url": None}, "'base_url'"),
        ({"model": " "}, "'model' must be the name"),
        ({"model": "a\nb"}, "'model'"),
        ({"api_key_env": SECRET}, "'api_key_env' must be the name of an environment variable"),
        ({"api_key": SECRET}, "no option 'api_key', but 'api_key_env'"),
        ({"nonsense": SECRET}, "no option 'nonsense'"),
        ({"timeout": 0}, "'timeout'"),
        ({"timeout": float("inf")}, "'timeout'"),
        ({"timeout": "60"}, "'timeout'"),
        ({"timeout": True}, "'timeout'"),
        ({"structured": "xml"}, "'structured' must be one of json_schema, json_object, none"),
        ({"max_characters": 0}, "'max_characters'"),
        ({"max_tokens": 1.5}, "'max_tokens'"),
        ({"temperature": -1}, "'temperature'"),
        ({"language": ""}, "'language'"),
        ({"prices": {"input": 1}}, "'prices'"),
        ({"prices": {"input": 1, "output": -1}}, "'prices'"),
        ({"prices": 3}, "'prices'"),
        ({"parameters": {"messages": []}}, "'parameters'"),
        ({"parameters": {"seed": object()}}, "'parameters'"),
        ({"parameters": {"seed": float("nan")}}, "'parameters'"),
        ({"parameters": []}, "'parameters'"),
    ],
)
def test_an_unusable_option_is_named_and_its_value_is_not(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        loading.load([{"BACKEND": PATH, "OPTIONS": GOOD | options}])
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("missing", GOOD)
def test_a_required_option_that_is_missing_is_named(missing: str) -> None:
    with pytest.raises(TypeError, match=f"'{missing}' is required"):
        LLMExtractor(**{name: value for name, value in GOOD.items() if name != missing})


def test_all_options_are_admitted_together() -> None:
    make(
        base_url="https://api.example.com/v1/",
        api_key_env="EXAMPLE_KEY",
        timeout=30,
        structured="none",
        max_characters=10,
        max_tokens=None,
        temperature=None,
        language="English",
        prices={"input": 0, "output": 0.6},
        parameters={"max_completion_tokens": 4000},
    )


@pytest.mark.parametrize(
    "change",
    [
        {"model": "large"},
        {"language": "Deutsch"},
        {"temperature": 1.0},
        {"parameters": {"seed": 1}},
        {"structured": "none"},
    ],
    ids=str,
)
def test_what_changes_the_answer_changes_the_version(change: dict[str, Any]) -> None:
    assert make().version != make(**change).version


@pytest.mark.parametrize(
    "change", [{"timeout": 5}, {"base_url": "http://elsewhere/v1"}, {"api_key_env": "KEY"}], ids=str
)
def test_what_changes_the_way_alone_leaves_the_version(change: dict[str, Any]) -> None:
    assert make().version == make(**change).version


@pytest.mark.parametrize("module", ["messages", "schema"])
def test_another_prompt_or_schema_makes_another_version(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = make().version
    if module == "messages":
        monkeypatch.setattr("insights_recovery.extractors.llm.messages._RULES", "Do as you like. {language}")
    else:
        monkeypatch.setattr("insights_recovery.extractors.llm.messages.schema", lambda: {"type": "object"})
    assert make().version != before


def test_a_version_is_short_however_long_the_name_of_the_model() -> None:
    one, other = (make(model="m" * 300 + end).version for end in "ab")
    assert len(one) <= 64
    assert one != other


def test_a_library_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"httpx: pip install 'django-insights-recovery\[llm\]'"):
        loading.load([{"BACKEND": PATH, "OPTIONS": GOOD | {"model": "never made before"}}])


def test_neither_importing_nor_making_it_loads_the_client() -> None:
    program = (
        "import sys; from insights_recovery.extractors.llm import LLMExtractor;"
        "made = LLMExtractor(base_url='http://127.0.0.1:1/v1', model='m'); made.version;"
        "print(sorted({'httpx', 'httpcore', 'numpy', 'ssl'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True, timeout=60).strip() == "[]"


# The page of the reference

SOURCES = Path(options_module.__file__).parent
PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "reference" / "extractors.md"
REFERENCE = PAGE.read_text(encoding="utf-8").partition("\n## LLMExtractor\n")[2]


@pytest.mark.parametrize("option", fields(Options), ids=lambda option: option.name)
def test_every_option_is_documented_with_its_default(option: Any) -> None:
    default = "required" if option.default is MISSING else f"`{option.default!r}`"
    expected = "`{}`" if option.name == "parameters" else default
    line = next(line for line in REFERENCE.splitlines() if line.startswith(f"| `{option.name}` |"))
    assert f" | {expected} | " in line


def test_every_code_is_documented() -> None:
    source = "".join(path.read_text() for path in SOURCES.glob("*.py"))
    named = set(re.findall(r'"([a-z]+(?:-[a-z]+)+|refused|truncated|timeout|connection)"', source))
    codes = named - {"content-type", "retry-after"}
    assert len(codes) > 15
    assert [code for code in sorted(codes) if f"`{code}`" not in REFERENCE] == []
