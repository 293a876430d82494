"""The mutants of a module: copies of its source that differ in one place, as `operators` make them."""

from __future__ import annotations

import ast
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import insights_recovery
from tests.under_fire.mutation.operators import OPERATORS


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A module that differs from the true one in one place."""

    module: str
    """The module's name below the package."""
    where: str
    """Qualified name of the function, or the names that the statement of the module assigns."""
    what: str
    """What is different, in words."""
    lines: tuple[int, int]
    """First and last line of the statement that is changed."""
    span: tuple[int, int]
    """Where the replaced source lies, in bytes."""
    text: str
    """What comes in its place."""
    in_function: bool
    """Whether a function is changed, and not a statement of the module."""

    @property
    def key(self) -> str:
        """Names the mutant for as long as the code is like this, wherever it moves."""
        return f"{self.module}.{self.where}: {self.what}"

    def of(self, source: str) -> str:
        """Return the mutated source."""
        data = source.encode()
        return (data[: self.span[0]] + self.text.encode() + data[self.span[1] :]).decode()


def path_of(module: str) -> Path:
    """Return the file of a module of the package."""
    return Path(insights_recovery.__file__).parent / f"{module}.py"


def source_of(module: str) -> str:
    """Return the source of a module of the package."""
    return path_of(module).read_text()


def chosen(module: str, sample: int) -> list[Mutant]:
    """Return the mutants of a module; with a `sample` other than 0 only so many, each time the same ones."""
    found = mutants(module, source_of(module))
    return random.Random(module).sample(found, sample) if 0 < sample < len(found) else found


def mutants(module: str, source: str) -> list[Mutant]:
    """Return every mutant of a module's source that is Python and not the same program."""
    found = _Finder(module, source).found()
    seen: Counter[str] = Counter()
    told: list[Mutant] = []
    for mutant in found:
        seen[mutant.key] += 1
        number = seen[mutant.key]
        told.append(mutant if number == 1 else replace(mutant, what=f"{mutant.what} ({number})"))
    true = ast.dump(ast.parse(source))
    return [mutant for mutant in told if ast.dump(ast.parse(mutant.of(source))) != true]


class _Finder:
    """Walks a module and asks every operator about every node."""

    def __init__(self, module: str, source: str) -> None:
        self._module = module
        self._source = source
        self._starts = [0]
        for line in source.encode().splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def found(self) -> Iterator[Mutant]:
        for statement in ast.parse(self._source).body:
            if isinstance(statement, ast.FunctionDef):
                yield from self._in_function(statement, statement.name)
            elif isinstance(statement, ast.ClassDef):
                for member in statement.body:
                    if isinstance(member, ast.FunctionDef):
                        yield from self._in_function(member, f"{statement.name}.{member.name}")
            elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                where = ", ".join(ast.unparse(target) for target in targets)
                for node in ast.walk(statement.value):
                    yield from self._changed(node, statement, where, in_function=False)

    def _in_function(self, function: ast.FunctionDef, where: str) -> Iterator[Mutant]:
        for default in (*function.args.defaults, *function.args.kw_defaults):
            if isinstance(default, ast.Constant):
                yield from self._changed(default, function, where, in_function=True)
        for statement, node in _body(function):
            yield from self._changed(node, statement, where, in_function=True)

    def _changed(self, node: ast.AST, statement: ast.stmt, where: str, *, in_function: bool) -> Iterator[Mutant]:
        for operator in OPERATORS:
            for place, text, what in operator(node):
                yield Mutant(
                    module=self._module,
                    where=where,
                    what=" ".join(what.split()),
                    lines=_lines(statement),
                    span=(self._offset(place), self._offset(place, end=True)),
                    text=text,
                    in_function=in_function,
                )

    def _offset(self, node: ast.AST, *, end: bool = False) -> int:
        line, column = (
            (node.end_lineno, node.end_col_offset) if end else (node.lineno, node.col_offset)  # type: ignore[attr-defined]
        )
        return self._starts[line - 1] + int(column)


def _body(function: ast.FunctionDef) -> Iterator[tuple[ast.stmt, ast.AST]]:
    """Return what a function does, node by node, each with the statement it belongs to."""
    waiting: list[tuple[ast.stmt, ast.AST]] = [(statement, statement) for statement in reversed(function.body)]
    while waiting:
        statement, node = waiting.pop()
        if isinstance(node, ast.AnnAssign) and node.value is None:
            continue
        yield statement, node
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "args", "decorator_list"} and not isinstance(node, ast.Call):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr | ast.Raise):
                    waiting.append((child if isinstance(child, ast.stmt) else statement, child))
                elif isinstance(child, ast.Raise):
                    waiting.append((child, ast.Raise(lineno=child.lineno, **_ends(child))))


def _ends(node: ast.stmt) -> dict[str, int | None]:
    return {name: getattr(node, name) for name in ("col_offset", "end_lineno", "end_col_offset")}


def _lines(statement: ast.stmt) -> tuple[int, int]:
    """Return the lines of a statement; of one with a body, those of its head."""
    body = getattr(statement, "body", None)
    if isinstance(statement, ast.FunctionDef):
        return statement.body[0].lineno, statement.end_lineno or statement.lineno
    return statement.lineno, max(statement.lineno, body[0].lineno - 1) if body else statement.end_lineno or 0
