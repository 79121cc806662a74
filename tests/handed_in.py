"""A class of students: what they hand in, and the marks that they have to get for it, written beforehand."""

import ast
import copy
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from answers import RIGHT, WRONG, Answer

from course_lib.classroom.checks import source_of
from course_lib.classroom.coursework.assignment import Assignment
from course_lib.classroom.coursework.task import functions_of
from course_lib.classroom.exercises import EXERCISES

RIGHT_STEP = "def forward_step(x_prev, beta, eps):\n    return (1 - beta) ** 0.5 * x_prev + beta**0.5 * eps\n"


@dataclass(frozen=True)
class Attack:
    """What somebody hands in for exercise 01.1 who does not mean to solve it.

    Args:
        code: the cell with the answer.
        right: whether it nevertheless is a right answer, which only does something else as well.
        says: words that the student must read.
        note: words that the instructor must read, "" for none.
    """

    code: str
    right: bool = False
    says: str = ""
    note: str = ""

    def aimed(self, outside: Path, port: int, secret: Path) -> str:
        """The code, aimed at a file to write, a port to talk to and a file to read."""
        places = {"OUTSIDE": repr(str(outside)), "PORT": str(port), "SECRET": repr(str(secret))}
        code = self.code
        for word, place in places.items():
            code = code.replace(word, place)
        return code


def within_answer(line: str, after: str = "return x_prev") -> str:
    """An answer that does something, and then returns."""
    return f"def forward_step(x_prev, beta, eps):\n    {line}\n    {after}\n"


ATTACKS = {
    "ends the process": Attack(
        "import os\n" + within_answer("os._exit(0)"), says="ended the whole process", note="ended"
    ),
    "ends the process at once": Attack(f"import os\n{RIGHT_STEP}\nX = os._exit(0)\n", right=True),
    "never ends": Attack(within_answer("while True: pass"), says="is there a loop that never ends"),
    "sleeps": Attack("import time\n" + within_answer("time.sleep(1000)"), says="is there a loop that never ends"),
    "calls itself": Attack(within_answer("return forward_step(x_prev, beta, eps)"), says="RecursionError"),
    "leaves threads alive": Attack(
        "import threading\nimport time\n\n\ndef forward_step(x_prev, beta, eps):\n"
        "    threading.Thread(target=lambda: time.sleep(1000)).start()\n"
        "    return (1 - beta) ** 0.5 * x_prev + beta**0.5 * eps\n",
        right=True,
    ),
    "leaves a process alive": Attack(
        "import subprocess\nimport sys\n"
        + within_answer("subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])"),
        says="does not come out right",
    ),
    "forks without end": Attack("import os\n" + within_answer("while True: os.fork()"), says=""),
    "takes 2 GB": Attack(within_answer("return bytearray(2 * 2**30)"), says="MemoryError"),
    "prints 1 GB": Attack(within_answer("for _ in range(2**16): print('x' * 2**14)"), says=""),
    "writes a large file": Attack(within_answer("open('own', 'w').write('x' * 2**24)"), says="File too large"),
    "equals everything": Attack(
        "class Equal:\n    def __eq__(self, other):\n        return True\n\n    def __getattr__(self, name):\n"
        "        return lambda *given, **named: Equal()\n\n\n" + within_answer("pass", "return Equal()"),
        says="should return a torch.Tensor, but got Equal",
    ),
    "imports the solutions": Attack(
        "from course_lib.classroom.exercises import EXERCISES\n"
        + within_answer("pass", "return EXERCISES['01.1'].solution(x_prev, beta, eps)"),
        says="ModuleNotFoundError",
        note="classroom.exercises",
    ),
    "calls the library": Attack(
        "from course_lib import forward\n" + within_answer("pass", "return forward.forward_step(x_prev, beta, eps)"),
        says="calls the course's own forward_step",
    ),
    "asks the check's own frames": Attack(
        "import sys\n" + within_answer("pass", "return sys._getframe(1).f_locals['self'].expected"),
        says="AttributeError",
        note="_getframe",
    ),
    "reaches for the other process": Attack(
        "import os\n" + within_answer("os.open('/proc/1/fd/3', os.O_WRONLY)"), says="Permission denied", note="/proc"
    ),
    "writes into its memory": Attack(
        within_answer("open('/proc/1/mem', 'r+b')"), says="Permission denied", note="/proc"
    ),
    "fills the other folder in memory": Attack(
        within_answer("open('/dev/shm/x', 'w').write('x')"), says="Read-only file system"
    ),
    "patches torch": Attack(
        "import torch\n\n\ndef forward_step(x_prev, beta, eps):\n    torch.allclose = lambda *given, **named: True\n"
        "    torch.Tensor.__eq__ = lambda *given: True\n    return x_prev\n",
        says="does not come out right",
    ),
    "patches the checker": Attack(
        "from course_lib.classroom import exercise\n"
        + within_answer("exercise.Trial.agrees = exercise.Exercise.findings = lambda *given: None"),
        says="does not come out right",
    ),
    "writes outside": Attack(within_answer("open(OUTSIDE, 'w').write('x')"), says="No such file or directory"),
    "opens a socket": Attack(
        "import socket\n" + within_answer("socket.create_connection(('127.0.0.1', PORT), timeout=3)"), says="refused"
    ),
    "reads the secret from the environment": Attack(
        "import os\n" + within_answer("pass", "return os.environ['COURSEWORK']"), says="KeyError"
    ),
    "reads the secret from the disk": Attack(
        within_answer("pass", "return open(SECRET).read()"), says="No such file", note="assignment.json"
    ),
    "crashes": Attack("import ctypes\n" + within_answer("ctypes.string_at(0)"), says="SIGSEGV", note="SIGSEGV"),
    "writes into every pipe": Attack(
        "import os\n\n\ndef forward_step(x_prev, beta, eps):\n    for pipe in range(3, 30):\n        try:\n"
        "            os.write(pipe, b'{}\\n' * 100)\n        except OSError:\n            pass\n    return x_prev\n",
        note="os.write",
    ),
}


def notebook(cells: list[str], **metadata: object) -> dict:
    """A notebook of code cells."""
    code = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": cell,
        }
        for number, cell in enumerate(cells)
    ]
    return {"cells": code, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def cells_of(answers: list[Answer]) -> list[str]:
    """Code cells in which these functions, of one notebook, answer their exercises: their own file, and their names."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(answers[0].function)))
    wanted = {EXERCISES[each.exercise].solution.__name__ for each in answers}
    kept = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "answers":
            continue
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.decorator_list = [each for each in node.decorator_list if not _registers(each)]
            if node.name in wanted:
                continue
        kept.append(node)
    named = [f"{EXERCISES[each.exercise].solution.__name__} = {each.function.__name__}" for each in answers]
    return [ast.unparse(ast.Module(kept, [])), *named]


def alone(function: Callable, name: str) -> list[str]:
    """Code cells with one function of a file under another name, and the file's imports of whole modules."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(function)))
    imports = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import)]
    definition = ast.parse(inspect.getsource(function)).body[0]
    definition.decorator_list = []
    return ["\n".join(imports), ast.unparse(definition), f"{name} = {function.__name__}"]


def usable(notebook_number: str, answers: list[Answer]) -> dict[str, list[Answer]]:
    """The answers of a notebook that have a name of their own, by exercise."""
    found: dict[str, list[Answer]] = {each: [] for each in EXERCISES if each[:2] == notebook_number}
    for answer in answers:
        function = inspect.unwrap(answer.function) if isinstance(answer.function, Callable) else None
        name = getattr(function, "__name__", "<lambda>")
        stands = getattr(function, "__module__", "").startswith("answers.")
        named = name.isidentifier() and answer.exercise in found and name != _name(answer.exercise)
        if stands and named and getattr(inspect.getmodule(function), name, None) is answer.function:
            found[answer.exercise].append(answer)
    return found


def right_and_wrong(notebook_number: str) -> tuple[dict[str, list[Answer]], dict[str, list[Answer]]]:
    return usable(notebook_number, RIGHT), usable(notebook_number, WRONG)


def write_notebook(path: Path, cells: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook(cells)), encoding="utf-8")


def _name(exercise: str) -> str:
    return EXERCISES[exercise].solution.__name__


def _registers(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") in ("right", "wrong")


def solved(notebook: dict, assignment: Assignment, instead: dict[str, str] | None = None) -> dict:
    """A hand-out with every answer written in, or another one for some tasks."""
    made = copy.deepcopy(notebook)
    for cell in made["cells"]:
        told, source = cell["metadata"].get("exercise", {}), "".join(cell["source"])
        if told.get("role") == "answer":
            cell["source"] = (instead or {}).get(told["id"], source_of(assignment.tasks[told["id"]].solution))
        elif told.get("role") == "words":
            cell["source"] = "The variance falls to 0.01, and drawing starts from 1."
        elif "def my_betas(" in source:
            cell["source"] = f"{source_of(assignment.tasks['01.E'].solution)}\n"
    return made


def ten_hand_ins(release: dict, assignment: Assignment) -> dict[str, tuple[dict, int]]:
    """Ten notebooks made from a hand-out of notebook 01, and the points that they deserve before anybody has read the words."""
    right = solved(release, assignment)
    stripped, doubled, deleted, turned = (copy.deepcopy(right) for _ in range(4))
    for cell in stripped["cells"]:
        cell["metadata"] = {}
    doubled["cells"] += copy.deepcopy([cell for cell in doubled["cells"] if "exercise" in cell["metadata"]])
    deleted["cells"] = [cell for cell in deleted["cells"] if not _is_check(cell)]
    edited = copy.deepcopy(release)
    for cell in edited["cells"]:
        if _is_check(cell):
            cell["source"] = 'print("all right")'
    turned["cells"].reverse()
    full = sum(task.points for task in functions_of(assignment.tasks).values())

    def first(code: str) -> tuple[dict, int]:
        return solved(release, assignment, {"01.1": code}), full - EXERCISES["01.1"].points

    return {
        "right": (right, full),
        "untouched": (release, 0),
        "wrong": first("def forward_step(x_prev, beta, eps):\n    return x_prev"),
        "exits": first(ATTACKS["ends the process"].code),
        "equal": first(ATTACKS["equals everything"].code),
        "stripped": (stripped, full),
        "doubled": (doubled, full),
        "deleted": (deleted, full),
        "edited": (edited, 0),
        "turned": (turned, full),
    }


def _is_check(cell: dict) -> bool:
    return cell["metadata"].get("exercise", {}).get("role") == "check"
