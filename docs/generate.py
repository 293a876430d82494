"""Writes the tables of the reference pages from the code: `python docs/generate.py [--check]`.

A page marks a region by `<!-- generated: NAME -->` and `<!-- end of generated -->`; what stands between is replaced.
With `--check` nothing is written, and the exit status is 1 where a page is stale.

It needs the package and its test dependencies, since it reads models, signals and commands as Django sees them.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import os
import pkgutil
import re
import sys
from argparse import Action
from collections.abc import Callable, Iterator
from dataclasses import MISSING
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
REGION = re.compile(r"(<!-- generated: (?P<name>[\w ]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)

Table = list[list[str]]


def main() -> int:
    """Write the pages, or say which are stale; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 where a page is stale")
    check = parser.parse_args().check
    set_up_django()
    found = stale()
    for page, text in found.items():
        sys.stdout.write(f"{'stale' if check else 'written'}: {page.relative_to(ROOT)}\n")
        if not check:
            page.write_text(text, encoding="utf-8")
    return 1 if check and found else 0


def set_up_django() -> None:
    """Set Django up with the settings of the tests' host."""
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings.main")
    importlib.import_module("django").setup()


def stale() -> dict[Path, str]:
    """Return the pages whose regions are not as the code has them, each with its text as it should be."""
    fresh = {page: refreshed(page.read_text(encoding="utf-8")) for page in pages()}
    return {page: text for page, text in fresh.items() if text != page.read_text(encoding="utf-8")}


def pages() -> list[Path]:
    """Return all pages that may hold a region."""
    return sorted(DOCS.rglob("*.md"))


def refreshed(text: str) -> str:
    """Return a page's text with its regions written anew."""
    return REGION.sub(lambda found: f"{found[1]}\n{content(found['name'])}\n\n{found[3]}", text)


def content(name: str) -> str:
    """Return what belongs into the region of this name.

    Raises:
        KeyError: nothing is known by that name.
    """
    kind, _, argument = name.partition(" ")
    return BUILDERS[kind](argument) if argument else BUILDERS[name]("")


# Reading the code


def module(name: str) -> ModuleType:
    """Return a module of the package by its dotted name below it."""
    return importlib.import_module(f"insights_recovery.{name}")


def explained(owner: Any) -> dict[str, str]:
    """Return the string that stands under each assignment in a class or module, by the assigned name."""
    body: Any = ast.parse(inspect.getsource(owner)).body
    if inspect.isclass(owner):
        body = body[0].body
    words: dict[str, str] = {}
    for node, following in pairwise(body):
        for target in targets_of(node):
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                words[target] = " ".join(str(following.value.value).split())
    return words


def targets_of(node: ast.stmt) -> list[str]:
    """Return the names that a statement assigns."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def commands() -> dict[str, Any]:
    """Return the management commands of the package by name."""
    found = pkgutil.iter_modules(module("management.commands").__path__)
    return {info.name: module(f"management.commands.{info.name}").Command() for info in found}


# Writing Markdown


def table(head: list[str], rows: Table) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def code(value: Any) -> str:
    """Return a value as code; nothing where there is none."""
    return f"`{value}`" if value != "" else ""


# The regions


def settings(_: str) -> str:
    """Return the keys of INSIGHTS_RECOVERY."""
    conf = module("conf")
    words = explained(conf.RecoverySettings)
    rows = [
        [code(key), default_of(item), f"{item.metadata['rule'][0]}", words[item.name]]
        for key, item in conf.KEYS.items()
    ]
    return table(["key", "default", "must be", "meaning"], rows)


def default_of(item: Any) -> str:
    """Return a setting's default, or that it has none."""
    if item.default is not MISSING:
        return code(repr(item.default))
    return code(repr(item.default_factory())) if item.default_factory is not MISSING else "required"


def states(_: str) -> str:
    """Return the states, each with the verbs that lead out of it."""
    lifecycle = module("lifecycle")
    words = explained(lifecycle.State)
    moves = lifecycle.TRANSITIONS.values()
    rows = [[code(state), str(state.label), words[state.name], leaving(state, moves)] for state in lifecycle.State]
    return table(["state", "in words", "meaning", "left by"], rows)


def leaving(state: Any, moves: Any) -> str:
    """Return the verbs that take an entry out of a state."""
    return ", ".join(code(move.verb) for move in moves if state in move.sources and move.target != state)


def transitions(_: str) -> str:
    """Return every legal move."""
    lifecycle = module("lifecycle")
    rows = [
        [code(move.verb), in_order(move.sources, lifecycle.State), code(move.target), move.guard, move.caller]
        for move in lifecycle.TRANSITIONS.values()
    ]
    return table(["verb", "from", "to", "guard", "made by"], rows)


def in_order(chosen: Any, states: Any) -> str:
    """Return some states in the order of their definition."""
    return ", ".join(code(state) for state in states if state in chosen)


def diagram(_: str) -> str:
    """Return the moves as a Mermaid diagram; verbs that join the same two states share an arrow."""
    lifecycle = module("lifecycle")
    arrows: dict[tuple[str, str], list[str]] = {}
    for move in lifecycle.TRANSITIONS.values():
        for source in (state for state in lifecycle.State if state in move.sources):
            arrows.setdefault((str(source), str(move.target)), []).append(move.verb)
    lines = [f"    {source} --> {target}: {', '.join(verbs)}" for (source, target), verbs in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> PENDING", *lines, "```"])


def reasons(_: str) -> str:
    """Return the reasons."""
    return table(["reason", "in words"], [[code(item), str(item.label)] for item in module("lifecycle").Reason])


def outcomes(_: str) -> str:
    """Return how an attempt may end."""
    outcome = module("models").Outcome
    words = explained(outcome)
    return table(["outcome", "meaning"], [[code(item), words[item.name]] for item in outcome])


def model(name: str) -> str:
    """Return the columns of a model; of the mixin where it is named."""
    models = module("models")
    entry = name == "RecoverableEntry"
    fields = processing_fields(models) if entry else getattr(models, name)._meta.concrete_fields
    return table(
        ["column", "type", "in words"], [[code(field.name), kind_of(field), words_of(field)] for field in fields]
    )


def processing_fields(models: ModuleType) -> list[Any]:
    """Return the columns that the mixin adds to a host's model."""
    fields = module("hosts").entry_model()._meta.concrete_fields
    return [field for field in fields if field.name.startswith(models.entries.PREFIX)]


def kind_of(field: Any) -> str:
    """Return what a column holds."""
    names = {"CharField": "text", "TextField": "text", "DateTimeField": "moment", "JSONField": "JSON"}
    names |= {"PositiveIntegerField": "whole number", "BigAutoField": "key", "FloatField": "number"}
    names |= {"BooleanField": "true or false", "UUIDField": "UUID", "ForeignKey": "reference"}
    kind = names.get(field.get_internal_type(), field.get_internal_type())
    length = f", at most {field.max_length}" if kind == "text" and field.max_length else ""
    return f"{kind}{length}{', may be null' if field.null else ''}"


def words_of(field: Any) -> str:
    """Return a column's label and help, where they say more than its name."""
    plain = field.name.removeprefix("processing_").replace("_", " ")
    label = str(field.verbose_name)
    parts = [label if label not in {plain, field.name.replace("_", " ")} else "", str(field.help_text)]
    return ". ".join(part.rstrip(".") for part in parts if part)


def dataclass(path: str) -> str:
    """Return the fields of a dataclass of the extractor protocol."""
    owner = getattr(module("extractors.base"), path)
    words = explained(owner)
    fields = owner.__dataclass_fields__.values()
    rows = [[code(item.name), code(item.type), dataclass_default(item), words[item.name]] for item in fields]
    return table(["field", "type", "default", "meaning"], rows)


def dataclass_default(item: Any) -> str:
    """Return a field's default."""
    if item.default is not MISSING:
        return code(repr(item.default))
    return code(repr(item.default_factory())) if item.default_factory is not MISSING else "required"


def kinds(_: str) -> str:
    """Return the kinds of insights."""
    kind = module("extractors.base").Kind
    words = explained(kind)
    return table(["kind", "meaning"], [[code(item), words[item.name]] for item in kind])


def events(_: str) -> str:
    """Return the signals, each with the level at which it is logged."""
    signals = module("signals")
    words = explained(signals)
    levels = {name: level for name, (_, level) in signals._WORDS.items()}
    rows = [[code(name), words[name], level_name(levels.get(name))] for name in public_signals()]
    return table(["signal", "sent when; arguments", "log level"], rows)


def public_signals() -> list[str]:
    """Return the names of our signals."""
    signals = module("signals")
    return [name for name, value in vars(signals).items() if isinstance(value, signals.Signal)]


def level_name(level: int | None) -> str:
    """Return the name of a log level."""
    return {10: "debug", 20: "info", 30: "warning", 40: "error"}.get(level or 0, "not logged")


def probes(_: str) -> str:
    """Return the probes of health."""
    rows = [
        [code(probe.name), (probe.__doc__ or "").strip().split("\n")[0], probe.remedy]
        for probe in module("monitoring.health").PROBES
    ]
    return table(["probe", "asks", "remedy where it cannot even ask"], rows)


def laws(_: str) -> str:
    """Return the laws that the audit proves."""
    meanings = module("monitoring.audit").MEANINGS
    return table(["law", "broken by"], [[code(name), meaning] for name, meaning in meanings.items()])


def periodic(_: str) -> str:
    """Return the periodic tasks."""
    tasks = module("schedule").TASKS
    return table(["name", "task", "for"], [[code(item.name), code(item.task), item.description] for item in tasks])


def command(name: str) -> str:
    """Return a command's own options."""
    parser = commands()[name].create_parser("manage.py", name)
    rows = [[code(option_words(action)), (action.help or "")] for action in own_options(parser)]
    return table(["option", "meaning"], rows)


def own_options(parser: Any) -> Iterator[Action]:
    """Yield the options that are not Django's, which every command has."""
    djangos = {"help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color"}
    yield from (action for action in parser._actions if action.dest not in {*djangos, "skip_checks"})


def option_words(action: Action) -> str:
    """Return an option with its argument, or the name of an argument that has no option."""
    if not action.option_strings:
        return str(action.metavar or action.dest).upper()
    if action.choices:
        return f"{action.option_strings[0]} {'|'.join(map(str, action.choices))}"
    argument = f" {action.metavar}" if action.metavar else ""
    return f"{action.option_strings[0]}{argument}{' ...' if action.nargs == '+' else ''}"


BUILDERS: dict[str, Callable[[str], str]] = {
    "settings": settings,
    "states": states,
    "transitions": transitions,
    "diagram": diagram,
    "reasons": reasons,
    "outcomes": outcomes,
    "model": model,
    "dataclass": dataclass,
    "kinds": kinds,
    "events": events,
    "probes": probes,
    "laws": laws,
    "periodic": periodic,
    "command": command,
}
"""Each region's name, or its first word, and what writes it."""


if __name__ == "__main__":
    sys.exit(main())
