"""Makes mutants of a module: its source with one thing changed. Reads source, writes nothing.

What is not changed, because no test should have to notice: docstrings, annotations, imports, decorators, assertions
(they state invariants), `repr`s, and what is written to the log.
"""

from __future__ import annotations

import ast
import copy
import io
import re
import tokenize
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

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
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
SQL = {
    r"\bAND\b": "OR",
    r"\bOR\b(?! IGNORE)": "AND",
    r"\bmin\(": "max(",
    r"\bmax\(": "min(",
    r"\bNOT NULL\b(?! )": "NULL",
    r" <= ": " < ",
    r" >= ": " > ",
    r" < ": " <= ",
    r" > ": " >= ",
    r" = (?=[?\d'])": " <> ",
    r" = 0\b": " = 1",
    r" = 1\b": " = 0",
    r"(?<=, )0\)": "1)",
    r"\+ 1\b": "+ 2",
    r" = NULL\b": " = 0",
    r"\bTHEN (\w+) ELSE (\w+)": r"THEN \2 ELSE \1",
}
"""What is changed in a string of SQL."""

IS_SQL = re.compile(r"\b(SELECT|UPDATE|INSERT|DELETE|WHERE|AND|CHECK)\b")

KEPT_CALLS = ("log", "logging", "warnings", "TypeVar", "ParamSpec", "cast")


class Mutant(NamedTuple):
    """One change: the line and the function that it is in, its text before and after, and the whole source with it."""

    line: int
    where: str
    before: str
    after: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Make every mutant of a module, in the order of its lines. Two changes with the same effect are made once."""
    text = _Text(source)
    found = {mutant.source: mutant for mutant in (*_of_tree(text, ast.parse(source)), *_of_sql(text)) if mutant}
    yield from sorted(found.values(), key=lambda mutant: mutant.line)


class _Text:
    """A source that pieces can be replaced in. Positions are ast's: lines from 1, columns in bytes."""

    def __init__(self, source: str) -> None:
        self._bytes = source.encode()
        starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self._starts = starts
        self.source = source
        self._tree = ast.parse(source)
        self._meaning = ast.dump(self._tree)

    def replaced(self, node: ast.expr | ast.stmt, after: str) -> Mutant | None:
        """Replace a node, if that gives valid source that means something else."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        return self.cut(begin, end, after)

    def cut(self, begin: int, end: int, after: str) -> Mutant | None:
        """Replace some bytes."""
        before = self._bytes[begin:end].decode()
        source = (self._bytes[:begin] + after.encode() + self._bytes[end:]).decode()
        try:
            if ast.dump(ast.parse(source)) == self._meaning:
                return None
        except SyntaxError:
            return None
        line = self._bytes.count(b"\n", 0, begin) + 1
        return Mutant(line, _where(self._tree, line), _one_line(before), _one_line(after), source)

    def offset(self, line: int, column: int) -> int:
        """Where a token is that starts at this column, in characters."""
        start = self._starts[line - 1]
        text = self._bytes[start : self._starts[line]].decode()
        return start + len(text[:column].encode())


def _where(node: ast.AST, line: int) -> str:
    """Name the function or class that a line is in, and those around it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt) and child.lineno <= line <= (child.end_lineno or 0):
            inner = _where(child, line)
            return ".".join(name for name in (getattr(child, "name", ""), inner) if name)
    return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _of_tree(text: _Text, tree: ast.Module) -> Iterator[Mutant | None]:
    for node in _worthy(tree):
        if isinstance(node, ast.expr | ast.stmt):
            for after in _other_statements(node) if isinstance(node, ast.stmt) else _other_expressions(node):
                yield text.replaced(node, after)
        if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, ast.Compare | ast.UnaryOp):
            yield text.replaced(node.test, f"(not ({ast.unparse(node.test)}))")


def _worthy(node: ast.AST) -> Iterator[ast.AST]:
    """Walk over what a test should notice a change of."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.JoinedStr():
            return
        case ast.FunctionDef(name="__repr__") | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return
        case ast.Call(func=func) | ast.Assign(value=ast.Call(func=func)) if _root_of(func) in KEPT_CALLS:
            return
        case ast.Expr(value=ast.Constant() | ast.Call()) if not list(_worthy(node.value)):
            return
        case ast.Constant(value=str()):
            yield node
            return
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("decorator_list", "bases", "annotation", "returns"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_docstring(node, child):
                    yield from _worthy(child)


def _root_of(name: ast.expr) -> str:
    return ast.unparse(name).split(".")[0]


def _is_docstring(parent: ast.AST, child: ast.AST) -> bool:
    is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
    return is_text and isinstance(parent, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)


def _other_expressions(node: ast.expr) -> Iterator[str]:
    """Give what may stand in the place of an expression."""
    match node:
        case ast.Compare(ops=operators):
            for number, operator in enumerate(operators):
                others = [*operators[:number], COMPARISONS[type(operator)](), *operators[number + 1 :]]
                yield _with(node, "ops", others)
        case ast.BoolOp(op=operator, values=values):
            yield _with(node, "op", ast.Or() if isinstance(operator, ast.And) else ast.And())
            for number in range(len(values)):
                rest = values[:number] + values[number + 1 :]
                yield ast.unparse(rest[0]) if len(rest) == 1 else _with(node, "values", rest)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield f"({ast.unparse(operand)})"
        case ast.BinOp(op=operator) if type(operator) in ARITHMETIC:
            yield _with(node, "op", ARITHMETIC[type(operator)]())
        case ast.IfExp(body=body, orelse=orelse):
            yield f"({ast.unparse(body)})"
            yield f"({ast.unparse(orelse)})"
        case ast.Constant(value=value):
            yield from _other_values(value)
        case ast.Call():
            yield from _other_calls(node)


def _with(node: ast.expr, part: str, value: object) -> str:
    changed = copy.copy(node)
    setattr(changed, part, value)
    return f"({ast.unparse(changed)})"


def _other_values(value: object) -> Iterator[str]:
    match value:
        case bool():
            yield repr(not value)
        case int() | float():
            yield repr(value + 1)
        case str():
            yield repr("" if value else "other")


def _other_calls(call: ast.Call) -> Iterator[str]:
    """Swap two arguments that stand side by side, and leave a named one out."""
    is_chosen = isinstance(call.func, ast.Name) and call.func.id in ("min", "max")
    for number in range(0 if is_chosen else len(call.args) - 1):
        args = call.args.copy()
        args[number], args[number + 1] = args[number + 1], args[number]
        yield _with(call, "args", args)[1:-1]
    for number, keyword in enumerate(call.keywords):
        if keyword.arg is not None:
            yield _with(call, "keywords", call.keywords[:number] + call.keywords[number + 1 :])[1:-1]
    match call:
        case ast.Call(func=ast.Name(id="min" | "max" as name)):
            yield _with(call, "func", ast.Name("max" if name == "min" else "min"))[1:-1]
        case ast.Call(func=ast.Name(id="any" | "all" as name)):
            yield _with(call, "func", ast.Name("all" if name == "any" else "any"))[1:-1]


def _other_statements(statement: ast.stmt) -> Iterator[str]:
    """Leave a statement out, or what it gives."""
    match statement:
        case ast.Expr() | ast.AugAssign() | ast.Delete() | ast.Raise():
            yield "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "pass"
        case ast.Assign(targets=[ast.Name() as name]):
            yield f"{name.id} = None"
        case ast.Break() | ast.Continue():
            yield "pass"
            yield "continue" if isinstance(statement, ast.Break) else "break"
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "return None"


def _of_sql(text: _Text) -> Iterator[Mutant | None]:
    """Change one word in a string of SQL."""
    for token in tokenize.generate_tokens(io.StringIO(text.source).readline):
        if token.type != tokenize.STRING or token.line.lstrip().startswith('"""') or not IS_SQL.search(token.string):
            continue
        for pattern, after in SQL.items():
            for match in re.finditer(pattern, token.string):
                begin = text.offset(*token.start) + len(token.string[: match.start()].encode())
                yield text.cut(begin, begin + len(match[0].encode()), match.expand(after))
