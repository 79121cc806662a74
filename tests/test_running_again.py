"""Any cell can be run again, in any order: whatever it takes from another cell is made in that one cell alone.

A static check of all notebooks; ``run_notebooks.py`` runs them so.
"""

import ast
import symtable
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# These change what they are called on: its maker's cell no longer tells what it holds.
CHANGING = {"add", "append", "clear", "extend", "insert", "pop", "remove", "setdefault", "update"}
AT_ONCE = {"listcomp", "setcomp", "dictcomp", "genexpr"}  # scopes that have run when their statement has


class Names(ast.NodeVisitor):
    """The names that a cell's source takes from elsewhere (``reads``), gives (``binds``), and alters (``changes``).

    ``later`` are those that its functions look up whenever they are called, and ``random`` its generators, whose state
    depends on who has drawn from them.
    """

    def __init__(self, source: str) -> None:
        self.reads, self.binds, self.changes, self.random = set(), set(), set(), set()
        self.imported: dict[str, str] = {}  # name -> the statement: the same import makes the same thing anywhere
        for statement in ast.parse(source).body:
            self.visit(statement)
        at_once, self.later = globals_within(symtable.symtable(source, "cell", "exec"))
        self.reads |= at_once - self.binds

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Store):
            self.binds.add(node.id)
        elif node.id not in self.binds:
            self.reads.add(node.id)

    def visit_Assign(self, node):
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)
            if isinstance(target, ast.Name) and ast.unparse(node.value).startswith("torch.Generator("):
                self.random.add(target.id)

    def visit_AugAssign(self, node):
        self.visit(node.value)
        if isinstance(node.target, ast.Name) and node.target.id not in self.binds:
            self.reads.add(node.target.id)
        self.visit(node.target)

    def visit_For(self, node):
        for part in (node.iter, node.target, *node.body, *node.orelse):
            self.visit(part)

    def visit_Subscript(self, node):
        if not isinstance(node.ctx, ast.Load):
            self._change(node.value)
        self.generic_visit(node)

    def visit_Attribute(self, node):
        self.visit_Subscript(node)

    def visit_Call(self, node):
        if isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            self._change(node.func.value)
        self.generic_visit(node)

    def _change(self, node):
        while isinstance(node, ast.Subscript | ast.Attribute):
            node = node.value
        if isinstance(node, ast.Name) and node.id not in self.binds:
            self.changes.add(node.id)

    def visit_Import(self, node):
        for alias in node.names:
            name = (alias.asname or alias.name).split(".")[0]
            self.binds.add(name)
            self.imported[name] = f"{getattr(node, 'module', '')}.{alias.name}"

    def visit_ImportFrom(self, node):
        self.visit_Import(node)

    def visit_FunctionDef(self, node):
        for part in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(part)
        self.binds.add(node.name)

    def visit_Lambda(self, node):
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(default)

    def visit_ClassDef(self, node):
        for part in (*node.decorator_list, *node.bases):
            self.visit(part)
        self.binds.add(node.name)

    def visit(self, node):
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            node = node.generators[0].iter  # the only part that is looked up outside of its own scope
        super().visit(node)


def globals_within(table: symtable.SymbolTable) -> tuple[set[str], set[str]]:
    """The global names of the scopes inside this one: of those that run at once, and of functions."""
    at_once, later = set(), set()
    for scope in table.get_children():
        names = {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global() and symbol.is_referenced()}
        (at_once if scope.get_name() in AT_ONCE else later).update(names)
        inner_at_once, inner_later = globals_within(scope)
        (at_once if scope.get_name() in AT_ONCE else later).update(inner_at_once)
        later |= inner_later
    return at_once, later


def surprises(cells: dict[str, str]) -> list[str]:
    """What could go wrong if cells, by id, were run again in another order."""
    names = {cell: Names(source) for cell, source in cells.items()}
    found = []
    for cell, own in names.items():
        for name in own.later | own.reads:
            # A stub's function goes no further than the check beneath it, which hands one on under the same name.
            makers = [other for other in names if name in names[other].binds and not other.endswith("-stub")]
            if len({names[maker].imported.get(name, maker) for maker in makers}) > 1:
                found.append(f"{cell} uses {name}, which is made in {', '.join(makers)}")
            if any(name in names[maker].random for maker in makers) and (makers != [cell] or name in own.later):
                found.append(f"{cell} draws from {name}, which others draw from too")
        for name in own.changes:
            if any(name in other.binds for other in names.values()):
                found.append(f"{cell} changes {name}, which another cell has made")
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_name_stands_for_two_things_where_it_matters(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert surprises({cell.id: cell.source for cell in cells}) == []


@pytest.mark.parametrize(
    ("cells", "surprise"),
    [
        (["x = 1", "y = x", "x = 'text'"], "1 uses x, which is made in 0, 2"),
        (["x = 'text'", "x = 1", "y = x"], "2 uses x, which is made in 0, 1"),
        (["x = 1\ndef f():\n    return x", "f()", "x = 2"], "0 uses x, which is made in 0, 2"),
        (["t = 1", "f = lambda: t", "for t in range(3):\n    print(t)"], "1 uses t, which is made in 0, 2"),
        (["x = 1", "x = x + 1"], "1 uses x, which is made in 0, 1"),
        (["x = 1", "x += 1"], "1 uses x, which is made in 0, 1"),
        (["seen = []", "seen.append(1)"], "1 changes seen, which another cell has made"),
        (["by = {}", "by['a'], other = 1, 2"], "1 changes by, which another cell has made"),
        (["g = torch.Generator().manual_seed(1)", "y = torch.randn(2, generator=g)"], "1 draws from g"),
        (["g = torch.Generator().manual_seed(1)\ndef f():\n    return draw(g)"], "0 draws from g"),
        (["from a import f", "f()", "from b import f"], "1 uses f, which is made in 0, 2"),
        # none of these can surprise
        (["from a import f", "f()", "from a import f"], ""),
        (["x = 1", "print(x)", "y = 2"], ""),
        (["x = 1\nprint(x)", "x = 2\nprint([x for _ in 'ab'])"], ""),
        (["for t in range(3):\n    print([t for _ in 'ab'])", "for t in range(2):\n    print(t)"], ""),
    ],
)
def test_what_would_be_noticed(cells, surprise):
    found = surprises({str(number): source for number, source in enumerate(cells)})
    assert len(found) == (surprise != "")
    assert not surprise or found[0].startswith(surprise)


def test_the_check_of_an_exercise_may_replace_its_stub():
    assert surprises({"a-stub": "def f(): ...", "a-check": "f = check('01.1', f)", "b": "f(1)"}) == []
