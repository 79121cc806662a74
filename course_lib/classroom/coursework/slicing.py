"""From a handed-in notebook to the code of one answer: the function, and what stands elsewhere that it needs by name.

A notebook is not run from top to bottom to be graded: that would train networks, and one bad cell would spoil all below.
So cells may be missing, doubled, out of order or unreadable; what counts is the last definition that is more than the
stub, with the definitions, imports and values that it uses.
"""

import ast
import re
import symtable
from bisect import bisect, bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from IPython.core.inputtransformer2 import TransformerManager

LONGEST_CELL, LONGEST_NOTEBOOK = 100_000, 1_000_000  # characters
CELL_MAGIC = re.compile(r"^%%.*$", re.MULTILINE)


@dataclass(frozen=True)
class Statement:
    """One statement of a cell, at the outermost level.

    Args:
        cell: its number, from 1.
        binds: the names that it gives a value.
        changes: the names whose value it changes, as in ``names[3] = …``.
        uses: the names that it reads, sooner or later.
        uses_now: those of them that it reads when it runs, and not only when a function of it is called.
    """

    cell: int
    line: int
    source: str
    node: ast.stmt = field(compare=False)
    binds: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    uses_now: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Code:
    """The statements of a notebook, in its order, and the cells that could not be read: number and reason."""

    statements: tuple[Statement, ...]
    unreadable: dict[int, str]
    sources: dict[int, str]

    @cached_property
    def binders(self) -> dict[str, list[int]]:
        """The places of the statements that give a name a value, by name."""
        return _by_name((place, each.binds) for place, each in enumerate(self.statements) if not _is_check(each))

    @cached_property
    def changers(self) -> dict[str, list[int]]:
        """The places of the statements that change a name's value, by name."""
        return _by_name((place, each.changes) for place, each in enumerate(self.statements))


@dataclass(frozen=True)
class Slice:
    """The code of one answer.

    Args:
        parts: (cell, line, source) each, in the order in which they have to run.
        cell: the answer's own.
        answer: the statement that defines it.
        uses: the names that it reads.
    """

    parts: tuple[tuple[int, int, str], ...]
    cell: int
    answer: str
    uses: frozenset[str]

    @property
    def text(self) -> str:
        return "\n\n".join(source for *_, source in self.parts)


def read_cells(cells: list[str]) -> Code:
    """Take the code of a notebook's code cells apart."""
    statements, unreadable, sources = [], {}, dict(enumerate(cells, start=1))
    for number, source in sources.items():
        try:
            if len(source) > LONGEST_CELL or sum(map(len, cells)) > LONGEST_NOTEBOOK:
                raise ValueError
            statements += _statements(number, source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            why = "too long, or no text" if type(error) is ValueError else type(error).__name__
            told = f": {error.msg}" if isinstance(error, SyntaxError) else ""
            unreadable[number] = f"{why}{f' in line {line}' if line else ''}{told}"[:200]
    return Code(tuple(statements), unreadable, sources)


def answer_in(code: Code, name: str, given: frozenset[str] = frozenset()) -> Slice | None:
    """The code of the answer called ``name``; None if there is none beside stubs.

    The names that checks hand back, as in ``add_noise = check("01.3")``, are those of the notebook's own functions,
    except for those that are ``given``.
    """
    binders = [place for place in code.binders.get(name, []) if _is_answer(code.statements[place])]
    if not binders:
        return None
    needed, before = _needed(code, binders[-1], name, given)
    in_order = ((place, code.statements[place]) for place in _in_order(needed, before))
    parts = tuple((each.cell, each.line, _narrowed(each, needed[place])) for place, each in in_order)
    uses = frozenset().union(*(code.statements[place].uses for place in needed))
    own = code.statements[binders[-1]]
    return Slice(parts, own.cell, own.source, uses)


def other_answers(part: Slice, names: list[str]) -> list[str]:
    """Which of the names of other exercises' functions a slice needs."""
    return [name for name in names if name in part.uses]


def cell_of_stub(code: Code, name: str) -> int | None:
    """The number of the cell in which a function is still a stub."""
    for each in code.statements:
        if name in each.binds and not _is_check(each) and not isinstance(each.node, ast.Import | ast.ImportFrom):
            return each.cell
    return None


def unreadable_cell_of(code: Code, name: str) -> tuple[int, str] | None:
    """The number of the unreadable cell in which a function seems to be defined, and why it cannot be read."""
    for number, reason in code.unreadable.items():
        if re.search(rf"def\s+{name}\b", code.sources[number]):
            return number, reason
    return None


def _statements(cell: int, source: str) -> Iterator[Statement]:
    source = source.replace("\r\n", "\n")
    try:
        nodes = ast.parse(source).body
    except SyntaxError:  # with lines for the notebook itself, such as %%time
        source = TransformerManager().transform_cell(CELL_MAGIC.sub("", source, count=1))
        nodes = ast.parse(source).body
    lines = source.split("\n")
    for node in nodes:
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        whole = lines[first - 1 : node.end_lineno]
        alone = node.col_offset == 0 and len(whole[-1].encode()) == node.end_col_offset
        text = "\n".join(whole) if alone else ast.unparse(node)
        yield Statement(cell, first, text, node, _binds(node), _changes(node), *_uses(text))


def _binds(node: ast.stmt) -> frozenset[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return frozenset({node.name})
    if isinstance(node, ast.Import | ast.ImportFrom):
        return frozenset(_name_of(alias) for alias in node.names)
    names = set()
    if isinstance(node, ast.AugAssign):
        return frozenset()
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            names.add(each.id)
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(each.name)
        elif isinstance(each, ast.Import | ast.ImportFrom):
            names.update(map(_name_of, each.names))
    return frozenset(names)


def _changes(node: ast.stmt) -> frozenset[str]:
    """The names whose value a statement changes: by ``names[3] = …``, ``total += 1`` or ``names.append(…)``."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return frozenset()
    names = set()
    for each in ast.walk(node):
        if isinstance(each, ast.AugAssign) and isinstance(each.target, ast.Name):
            names.add(each.target.id)
        target = each.value.func if isinstance(each, ast.Expr) and isinstance(each.value, ast.Call) else each
        stored = isinstance(getattr(each, "ctx", None), ast.Store) or target is not each
        while stored and isinstance(target, ast.Subscript | ast.Attribute):
            target = target.value
            if isinstance(target, ast.Name):
                names.add(target.id)
    return frozenset(names)


def _uses(source: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a statement reads from outside, and those of them that it reads at once; a function's local ones are
    none of them.
    """
    waiting, names, now = [symtable.symtable(source, "a cell", "exec")], set(), set()
    while waiting:
        table = waiting.pop()
        outermost = table.get_type() == "module"
        names.update(
            symbol.get_name()
            for symbol in table.get_symbols()
            if (symbol.is_referenced() and (outermost or symbol.is_global())) or symbol.is_declared_global()
        )
        if outermost or table.get_type() == "class":
            now |= names
        waiting += table.get_children()
    return frozenset(names), frozenset(now)


def _by_name(places: Iterable[tuple[int, frozenset[str]]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, names in places:
        for name in names:
            found.setdefault(name, []).append(place)
    return found


def _name_of(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def _is_check(statement: Statement) -> bool:
    """Whether a statement takes what a check hands back."""
    value = getattr(statement.node, "value", None)
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "check"


def _is_answer(statement: Statement) -> bool:
    """Whether a statement defines something of its own: no stub, no import, and not what a check hands back."""
    node = statement.node
    if _is_check(statement) or isinstance(node, ast.Import | ast.ImportFrom):
        return False
    return not _is_stub(node)


def _is_stub(node: ast.stmt) -> bool:
    """Whether nothing but ``raise NotImplementedError`` stands in a function, beside docstring and comments."""
    if not isinstance(node, ast.FunctionDef):
        return False
    body = [line for line in node.body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))]
    return not body or (len(body) == 1 and ast.unparse(body[0]).startswith("raise NotImplementedError"))


def _needed(
    code: Code, place: int, name: str, given: frozenset[str]
) -> tuple[dict[int, set[str]], dict[int, set[int]]]:
    """The places of the statements that an answer needs, with the names that it needs of each, and which have to have run
    before which.
    """
    statements = code.statements
    needed: dict[int, set[str]] = {place: {name}}
    waiting = [(used, place) for used in statements[place].uses]
    needs: dict[int, set[int]] = {}
    before: dict[int, set[int]] = {}
    seen = set()
    for at, each in enumerate(statements):
        if isinstance(each.node, ast.ImportFrom) and "*" in each.binds:
            needed[at] = {"*"}
    while waiting:
        used, at = waiting.pop()
        if (used, at) in seen or used in given:
            continue
        seen.add((used, at))
        binders = [k for k in code.binders.get(used, []) if k != at and not _is_stub(statements[k].node)]
        if not binders:
            continue
        now = used in statements[at].uses_now
        defined = [k for k in binders if not now and isinstance(statements[k].node, ast.FunctionDef | ast.ClassDef)]
        # A function is looked up when it is called, so its last version counts; a value is taken as it stood above.
        bound = defined[-1] if defined else binders[max(bisect(binders, at) - 1, 0)]
        changers = code.changers.get(used, [])
        imported = isinstance(statements[bound].node, ast.Import | ast.ImportFrom)
        changing = [] if imported else changers[bisect(changers, bound) : bisect_left(changers, at)]
        for k in (bound, *changing):
            needed.setdefault(k, set()).add(used)
            waiting += [(more, k) for more in statements[k].uses]
            needs.setdefault(at, set()).add(k)
            if now:
                before.setdefault(at, set()).add(k)
    # What a statement calls has to find what it needs, too.
    return needed, {at: _reached(first, needs) for at, first in before.items()}


def _reached(first: set[int], needs: dict[int, set[int]]) -> set[int]:
    """These places and all that they need, directly or not."""
    reached, waiting = set(first), list(first)
    while waiting:
        more = needs.get(waiting.pop(), set()) - reached
        reached |= more
        waiting += more
    return reached


def _in_order(needed: Iterable[int], before: dict[int, set[int]]) -> list[int]:
    """The places as they stand, but that what has to have run comes first: cells may have been moved."""
    order: dict[int, None] = {}
    waiting = sorted(needed, reverse=True)
    entered = set()
    while waiting:
        place = waiting[-1]
        first = [k for k in sorted(before.get(place, ()), reverse=True) if k not in entered and k not in order]
        entered.add(place)
        waiting += first
        if not first:
            order.setdefault(waiting.pop())
    return list(order)


def _narrowed(statement: Statement, names: set[str]) -> str:
    """An import of the needed names alone: whatever else a line imports may be missing where answers are run."""
    node = statement.node
    if not isinstance(node, ast.Import | ast.ImportFrom) or "*" in names:
        return statement.source
    aliases = [alias for alias in node.names if _name_of(alias) in names]
    if isinstance(node, ast.Import):
        return ast.unparse(ast.Import(aliases))
    return ast.unparse(ast.ImportFrom(node.module, aliases, node.level))
