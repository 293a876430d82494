"""The shape of the package: who may import whom, who may write the processing columns, who may catch everything."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import insights_recovery

PACKAGE = "insights_recovery"
FOLDER = Path(insights_recovery.__file__).parent

LAYERS = {
    "vocabulary": ["", "clock", "conf", "connections", "exceptions", "identity", "scrubbing", "signals"],
    "domain": ["extractors.base", "indexes", "lifecycle", "patience", "retry"],
    "data": ["corrections", "extractors", "history", "hosts", "insights", "models", "querysets", "texts"],
    "services": ["admission", "dispatch", "extraction", "monitoring", "schedule", "settling"],
    "use cases": ["erasure", "export", "monitoring.health", "operations", "processing", "recovery", "reflections"],
    "edges": [
        "admin",
        "api",
        "chaos",
        "checks",
        "embedded_broker",
        "lifeline",
        "management",
        "service",
        "startup",
        "tasks",
        "urls",
        "views",
        "worker",
    ],
    "frame": ["apps", "testing"],
}
"""Imports run from a layer to itself or to one above it in this list. A name covers the modules below it, unless they
have an entry of their own; the empty name is the package's own `__init__`."""

MAY_IMPORT = {
    "celery": ["chaos", "dispatch", "monitoring", "tasks", "worker"],
    "kombu": ["dispatch", "embedded_broker", "monitoring", "tasks", "worker"],
    "billiard": ["dispatch", "monitoring", "tasks", "worker"],
    "django_celery_beat": ["schedule"],
    "httpx": ["extractors.llm"],
}
"""The only modules that may import what is named."""

NEVER_READ_SETTINGS = ["extractors", "lifecycle", "querysets", "retry"]
"""They are given values as arguments."""

BOUNDARIES = {
    "the broker's boundary": ["dispatch"],
    "the probe's boundary": ["monitoring"],
    "the worker's boundary": ["extraction", "extractors.loading", "processing", "service", "tasks", "texts"],
}
"""The three places where any exception may arrive, and their modules; a comment beside the `except` names the place."""

MAY_IMPORT_LATE = {"apps", "chaos.apps"}
"""Django lets models be imported no earlier than in `ready()`."""

COLUMNS = "processing_"
WRITING_METHODS = {"acreate", "aupdate", "bulk_update", "create", "get_or_create", "update", "update_or_create"}
MAY_PREPARE_NEW_ROWS = "models.entries"
"""The mixin gives an instance its first values as its own save inserts it; every later change is lifecycle's."""


@dataclass(frozen=True, kw_only=True)
class Module:
    """One module of the package."""

    name: str
    """Its dotted name below the package."""
    path: Path
    """Where it lies."""

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @functools.cached_property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def is_below(self, name: str) -> bool:
        return self.name == name or self.name.startswith(f"{name}.")


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported name."""

    target: str
    """The dotted name of what is imported, as written."""
    line: int
    """Where."""
    in_function: bool
    """Whether it is done inside a function."""
    for_types: bool
    """Whether only a type checker does it."""


def _modules() -> list[Module]:
    found = [path for path in sorted(FOLDER.rglob("*.py")) if "migrations" not in path.relative_to(FOLDER).parts]
    return [Module(name=_name(path), path=path) for path in found]


def _name(path: Path) -> str:
    parts = path.relative_to(FOLDER).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = _modules()
NAMES = {module.name for module in MODULES}

each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name or PACKAGE)


def _imports(module: Module) -> Iterator[Import]:
    yield from _imports_below(module, module.tree, in_function=False, for_types=False)


def _imports_below(module: Module, node: ast.AST, *, in_function: bool, for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        for target in _targets(module, child):
            yield Import(target=target, line=child.lineno, in_function=in_function, for_types=for_types)
        yield from _imports_below(
            module,
            child,
            in_function=in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda),
            for_types=for_types or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)),
        )


def _targets(module: Module, node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = _absolute(module, node)
        return [f"{base}.{alias.name}" for alias in node.names]
    return []


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    package = [PACKAGE, *filter(None, module.name.split("."))]
    up = node.level if module.path.name != "__init__.py" else node.level - 1
    return ".".join([*package[: len(package) - up], *([node.module] if node.module else [])])


def _own(target: str) -> str | None:
    """Return the module of ours that `target` names or lies in; None for what is not ours."""
    parts = target.split(".")
    if parts[0] != PACKAGE:
        return None
    for length in range(len(parts), 0, -1):
        if (name := ".".join(parts[1:length])) in NAMES:
            return name
    return ""


def _layer(name: str) -> int:
    """Return a module's height: its own entry in the table, or that of the nearest package above it."""
    heights = {entry: height for height, entries in enumerate(LAYERS.values()) for entry in entries}
    nearest = name
    while nearest not in heights and nearest:
        nearest = nearest.rpartition(".")[0]
    assert nearest or not name, f"{name} has no place in LAYERS: which room does it belong to?"
    return heights[nearest]


@each_module
def test_imports_run_downwards(module: Module) -> None:
    upwards = [
        f"line {found.line}: {own}"
        for found in _imports(module)
        if (own := _own(found.target)) is not None and _layer(own) > _layer(module.name)
    ]
    assert upwards == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {
        module.name: {
            own
            for found in _imports(module)
            if not found.for_types and (own := _own(found.target)) not in (None, "", module.name)
        }
        for module in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


@each_module
def test_no_import_dodges_a_circle_inside_a_function(module: Module) -> None:
    if module.name in MAY_IMPORT_LATE:
        return
    dodges = [f"line {f.line}: {f.target}" for f in _imports(module) if f.in_function and _own(f.target) is not None]
    assert dodges == []


@each_module
@pytest.mark.parametrize("library", MAY_IMPORT)
def test_libraries_stay_in_their_rooms(module: Module, library: str) -> None:
    if any(module.is_below(name) for name in MAY_IMPORT[library]):
        return
    foreign = [f"line {f.line}: {f.target}" for f in _imports(module) if f.target.split(".")[0] == library]
    assert foreign == []


@each_module
def test_values_arrive_as_arguments_where_settings_are_not_read(module: Module) -> None:
    if not any(module.is_below(name) for name in NEVER_READ_SETTINGS):
        return
    settings = {f"{PACKAGE}.conf", "django.conf"}
    reads = [f"line {f.line}: {f.target}" for f in _imports(module) if _is_or_lies_in(f.target, settings)]
    assert reads == []


def _is_or_lies_in(target: str, modules: set[str]) -> bool:
    return any(target == module or target.startswith(f"{module}.") for module in modules)


@each_module
def test_only_conf_reads_our_setting(module: Module) -> None:
    if module.name == "conf":
        return
    reads = [
        f"line {node.lineno}: settings.{node.attr}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "settings"
        if node.attr == PACKAGE.upper()
    ]
    assert reads == []


@each_module
def test_only_lifecycle_writes_the_processing_columns(module: Module) -> None:
    if module.name == "lifecycle":
        return
    writes = [f"line {line}: {what}" for line, what in _writes(module)]
    assert writes == []


def _writes(module: Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            for name in _assigned_columns(node):
                if module.name != MAY_PREPARE_NEW_ROWS or not name.startswith("self."):
                    yield node.lineno, name
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, name) for name in _columns_written_by(node))


def _assigned_columns(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    flat = [part for target in targets for part in ast.walk(target)]
    return [ast.unparse(part) for part in flat if isinstance(part, ast.Attribute) and part.attr.startswith(COLUMNS)]


def _columns_written_by(call: ast.Call) -> list[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "setattr":
        return [ast.unparse(argument) for argument in call.args[1:2] if _names_a_column(argument)]
    if name not in WRITING_METHODS:
        return []
    keywords = [keyword.arg for keyword in call.keywords if (keyword.arg or "").startswith(COLUMNS)]
    return keywords + [ast.unparse(part) for part in ast.walk(call) if name == "bulk_update" and _names_a_column(part)]


def _names_a_column(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(COLUMNS)


@pytest.mark.parametrize(
    "line",
    [
        "entry.processing_state = 'FAILED'",
        "entry.processing_attempts += 1",
        "entry.text, entry.processing_state = row",
        "rows.update(processing_state='FAILED')",
        "rows.bulk_update(entries, ['processing_state'])",
        "Entry.objects.create(processing_state='FAILED')",
        "setattr(entry, 'processing_state', 'FAILED')",
    ],
)
def test_the_guard_sees_each_way_to_write_a_column(line: str, tmp_path: Path) -> None:
    path = tmp_path / "culprit.py"
    path.write_text(line)
    assert list(_writes(Module(name="culprit", path=path)))


@pytest.mark.parametrize(
    "line",
    ["rows.filter(processing_state='FAILED')", "state = entry.processing_state", "rows.order_by('processing_due_at')"],
)
def test_the_guard_lets_reading_pass(line: str, tmp_path: Path) -> None:
    path = tmp_path / "reader.py"
    path.write_text(line)
    assert not list(_writes(Module(name="reader", path=path)))


@each_module
def test_every_module_says_what_it_is_for(module: Module) -> None:
    assert ast.get_docstring(module.tree)


@each_module
def test_everything_is_caught_at_three_boundaries_only(module: Module) -> None:
    boundaries = [place for place, names in BOUNDARIES.items() if any(map(module.is_below, names))]
    lines = module.source.splitlines()
    unfounded = [
        f"line {node.lineno}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node)
        if not any(place in lines[node.lineno - 1] for place in boundaries)
    ]
    assert unfounded == []


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(
        isinstance(part, ast.Name) and part.id in {"Exception", "BaseException"} for part in ast.walk(handler.type)
    )
