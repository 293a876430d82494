"""Puts a mutant in the place of the true code, in a process that has long imported it.

The functions stay the objects that everybody has imported, and get other code. What a statement of the module assigns
is made anew, with whatever is made of it further down.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib import import_module
from types import CodeType, FunctionType, ModuleType
from typing import Any

from tests.under_fire.mutation.mutants import Mutant

PACKAGE = "insights_recovery"


def module_of(mutant: Mutant) -> ModuleType:
    """Return the module that is mutated."""
    return import_module(f"{PACKAGE}.{mutant.module}")


def apply(mutant: Mutant, source: str) -> None:
    """Let this process run the mutant from now on."""
    module = module_of(mutant)
    mutated = mutant.of(source)
    if mutant.in_function:
        _swap_function(module, mutant.where, mutated)
        _make_anew(module, calls_at_import(mutated, mutant.where))
    else:
        after = [s for s in _assignments(mutated) if s.lineno >= mutant.lines[0]]
        _make_anew(module, after)


def calls_at_import(source: str, function: str) -> list[ast.stmt]:
    """Return the statements of a module that call this function of it: all of its work may be done by the import."""
    return [
        statement
        for statement in _assignments(source)
        if any(isinstance(n, ast.Call) and ast.unparse(n.func) == function for n in ast.walk(statement))
    ]


def _assignments(source: str) -> list[ast.stmt]:
    return [statement for statement in ast.parse(source).body if isinstance(statement, ast.Assign | ast.AnnAssign)]


def _swap_function(module: ModuleType, where: str, mutated: str) -> None:
    function = _function(module, where)
    compiled = compile(mutated, str(module.__file__), "exec")
    function.__code__ = next(code for code in nested(compiled) if code.co_qualname == where)
    for node in ast.walk(ast.parse(mutated)):
        if isinstance(node, ast.FunctionDef) and node.name == function.__name__ and function.__kwdefaults__:
            for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                if isinstance(default, ast.Constant) and argument.arg in function.__kwdefaults__:
                    function.__kwdefaults__[argument.arg] = default.value


def _function(module: ModuleType, where: str) -> FunctionType:
    owner: Any = module
    *classes, name = where.split(".")
    for part in classes:
        owner = getattr(owner, part)
    found = vars(owner)[name]
    found = found.fget if isinstance(found, property) else found
    function: FunctionType = getattr(found, "__func__", found)
    return function


def nested(code: CodeType) -> Iterator[CodeType]:
    """Return a piece of code and all that is within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


def _make_anew(module: ModuleType, statements: list[ast.stmt]) -> None:
    namespace = dict(vars(module))
    exec(compile(ast.Module(statements, []), str(module.__file__), "exec"), namespace)  # noqa: S102 - a mutant is there to be run
    for name, value in namespace.items():
        if name in vars(module) and vars(module)[name] is not value and not name.startswith("__"):
            _replace(name, vars(module)[name], value)


def _replace(name: str, old: Any, new: Any) -> None:
    """Replace a value wherever it was imported; a dict is changed in place."""
    if isinstance(old, dict):
        old.clear()
        old.update(new)
        return
    for other in list(sys.modules.values()):
        if vars(other).get(name) is old and other.__name__.startswith((PACKAGE, "tests.")):
            setattr(other, name, new)
