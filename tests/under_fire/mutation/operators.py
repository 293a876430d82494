"""The ways to take a guard out of a module: each gives mutants, copies of the source that differ in one place.

The general mutation tools know arithmetic and strings; the guards of this package are calls in a chain of a queryset,
columns of a statement, operands of a condition, states of a table. So these operators are made for them.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from itertools import pairwise

from insights_recovery.lifecycle import Reason, State
from insights_recovery.models import Outcome

Change = tuple[ast.AST, str, str]
"""What is replaced, the source that comes in its place, and the same in words."""

NARROWING = (
    "filter exclude order_by select_for_update distinct unfinished finished dead overdue due in_flight of_kind leased"
    " expired intersection strip none"
).split()
"""Methods without which a chain still says something, only more or in another order."""
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
TURNED = {"lte": "gt", "gte": "lt", "lt": "gte", "gt": "lte"}
"""Lookups, and what they say turned round."""
NEXT = {
    f"{kind.__name__}.{one.name}": f"{kind.__name__}.{other.name}"
    for kind in (State, Reason, Outcome)
    for one, other in pairwise([*kind, next(iter(kind))])
}
"""Each member, and the one that comes in its place."""
NULL_CONTEXT = "__import__('contextlib').nullcontext()"


def _short(node: ast.AST, limit: int = 90) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= limit else f"{text[:limit]}…"


def _without(node: ast.AST, name: str, number: int) -> str:
    copied = copy.deepcopy(node)
    del getattr(copied, name)[number]
    return ast.unparse(copied)


# The operators


def _calls_of_a_chain(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NARROWING:
        arguments = ", ".join(_short(a) for a in (*node.args, *node.keywords))
        yield node, f"({ast.unparse(node.func.value)})", f"without .{node.func.attr}({arguments})"


def _keywords(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Call):
        for number, keyword in enumerate(node.keywords):
            yield node, f"({_without(node, 'keywords', number)})", f"{_short(node.func)}() without {_short(keyword)}"
            if keyword.arg and (turned := _turned(keyword.arg)):
                other = copy.deepcopy(node)
                other.keywords[number].arg = turned
                yield node, f"({ast.unparse(other)})", f"{turned} for {_short(keyword)}"


def _turned(name: str) -> str | None:
    column, _, lookup = name.rpartition("__")
    return f"{column}__{TURNED[lookup]}" if column and lookup in TURNED else None


def _entries_of_a_dict(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Dict):
        for number, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            other = copy.deepcopy(node)
            del other.keys[number], other.values[number]
            entry = f"{_short(key)}: {_short(value)}" if key else f"**{_short(value)}"
            yield node, f"({ast.unparse(other)})", f"dict without {entry}"


def _conditions(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        tests = [node.test]
    elif isinstance(node, ast.comprehension):
        tests = node.ifs
    else:
        return
    for test in tests:
        yield test, f"(({ast.unparse(test)}) or True)", f"if {_short(test)}: always"
        if not isinstance(node, ast.comprehension):
            yield test, f"(({ast.unparse(test)}) and False)", f"if {_short(test)}: never"


def _comparisons(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for number, operation in enumerate(node.ops):
            other = copy.deepcopy(node)
            other.ops[number] = COMPARISONS[type(operation)]()
            yield node, f"({ast.unparse(other)})", f"{_short(other)} for {_short(node)}"


def _operands(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.BoolOp):
        swapped = ast.BoolOp(op=ast.Or() if isinstance(node.op, ast.And) else ast.And(), values=node.values)
        yield node, f"({ast.unparse(swapped)})", f"{_short(swapped)} for {_short(node)}"
        for number, value in enumerate(node.values):
            rest = [ast.unparse(v) for n, v in enumerate(node.values) if n != number]
            word = " and " if isinstance(node.op, ast.And) else " or "
            yield node, "(" + word.join(f"({r})" for r in rest) + ")", f"{_short(node)} without {_short(value)}"
    elif isinstance(node, ast.BinOp):
        yield node, f"({ast.unparse(node.left)})", f"{_short(node)} without {_short(node.right)}"
        if isinstance(node.op, ast.BitOr | ast.BitAnd):
            yield node, f"({ast.unparse(node.right)})", f"{_short(node)} without {_short(node.left)}"
        other = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr}.get(type(node.op))
        if other:
            swapped_op = ast.BinOp(left=node.left, op=other(), right=node.right)
            yield node, f"({ast.unparse(swapped_op)})", f"{_short(swapped_op)} for {_short(node)}"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert | ast.USub):
        yield node, f"({ast.unparse(node.operand)})", f"{_short(node.operand)} for {_short(node)}"


def _constants(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, bool):
        yield node, repr(not node.value), f"{not node.value} for {node.value}"
    elif isinstance(node.value, int):
        for other in (node.value + 1, node.value - 1):
            yield node, f"({other})", f"{other} for {node.value}"
    elif isinstance(node.value, float):
        yield node, "0.0", f"0.0 for {node.value}"


def _members(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Attribute) and (name := ast.unparse(node)) in NEXT:
        yield node, NEXT[name], f"{NEXT[name]} for {name}"


def _statements(node: ast.AST) -> Iterator[Change]:
    is_call = isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
    is_jump = isinstance(node, ast.Raise | ast.Continue | ast.Break | ast.Delete)
    is_write = isinstance(node, ast.AugAssign) or (
        isinstance(node, ast.Assign) and any(isinstance(t, ast.Attribute | ast.Subscript) for t in node.targets)
    )
    if is_call or is_jump or is_write or (isinstance(node, ast.Return) and node.value is None):
        words = "raise" if isinstance(node, ast.Raise) else _short(node)
        yield node, "pass", f"without {words}"


def _contexts(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.With):
        for item in node.items:
            yield item.context_expr, NULL_CONTEXT, f"not within {_short(item.context_expr)}"


def _handlers(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.ExceptHandler) and node.type:
        yield node.type, "()", f"except {_short(node.type)} catches nothing"
        if isinstance(node.type, ast.Tuple):
            for number, one in enumerate(node.type.elts):
                yield node.type, _without(node.type, "elts", number), f"except without {_short(one)}"


def _loops(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.For):
        yield node.iter, "()", f"for {_short(node.target)} in nothing"


def _slices(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        yield node, f"({ast.unparse(node.value)})", f"{_short(node.value)} for {_short(node)}"


def _results(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Return) and node.value and not isinstance(node.value, ast.Constant):
        yield node.value, "None", f"None for {_short(node.value)}"
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "bool":
            yield from ((node.value, text, f"{text} for {_short(node.value)}") for text in ("True", "False"))


def _choices(node: ast.AST) -> Iterator[Change]:
    """Change built-ins that choose, and the sources of the table's transitions."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return
    name = node.func.id
    if name in {"min", "max"}:
        for argument in node.args:
            yield node, f"({ast.unparse(argument)})", f"{_short(argument)} for {_short(node)}"
    elif name in {"any", "all"}:
        other = {"any": "all", "all": "any"}[name]
        yield node.func, other, f"{other} for {_short(node)}"
    elif name == "_transition":
        yield node.args[1], "frozenset(State)", f"{ast.unparse(node.args[0])} from every state"


OPERATORS: tuple[Callable[[ast.AST], Iterator[Change]], ...] = (
    _calls_of_a_chain,
    _keywords,
    _entries_of_a_dict,
    _conditions,
    _comparisons,
    _operands,
    _constants,
    _members,
    _statements,
    _contexts,
    _handlers,
    _loops,
    _slices,
    _results,
    _choices,
)
