"""Coursework, from the hand-out to the marks: every hand-in gets what it deserves, whatever it tries."""

import csv
import json
import os
import signal
import socket
import zipfile
from pathlib import Path

import pytest
import torch
from handed_in import ATTACKS, RIGHT_STEP, cells_of, right_and_wrong, write_notebook

from course_lib.classroom.chance import other_numbers, seeded
from course_lib.classroom.coursework import __main__ as command
from course_lib.classroom.coursework import grading
from course_lib.classroom.coursework.assignment import (
    Assignment,
    AssignmentError,
    load_assignment,
    new_assignment,
    numbers_for,
)
from course_lib.classroom.coursework.giving_back import write_feedback, write_overview, write_similar, write_tables
from course_lib.classroom.coursework.grading import grade_all
from course_lib.classroom.coursework.handed_in import File, read_hand_ins
from course_lib.classroom.coursework.handed_in import cells_of as cells_in
from course_lib.classroom.coursework.handout import NOTEBOOKS, handed_out
from course_lib.classroom.coursework.marking import Marker
from course_lib.classroom.coursework.sandbox import Sandbox, _pickled, bubblewrap, course_without_solutions
from course_lib.classroom.coursework.similarity import similar_pairs
from course_lib.classroom.coursework.slicing import read_cells
from course_lib.classroom.coursework.within import Asked, Limits
from course_lib.classroom.exercise import BugHunt
from course_lib.classroom.exercises import EXERCISES

SECRET = "the instructor's own"
FIRST = ["01.1", "01.2", "01.3", "01.4", "01.5"]
needs_bubblewrap = pytest.mark.skipif(bubblewrap() is None, reason="bubblewrap is not here, or not allowed")


@pytest.fixture(scope="module")
def course():
    with course_without_solutions() as folder:
        yield folder


@pytest.fixture(scope="module")
def boxes(course):
    """The process in which answers run, with walls around it and without."""
    with Sandbox(course, bubblewrap()) as walled, Sandbox(course, None) as open_one:
        yield {"walls": walled, "no walls": open_one}


def mark(box, cells, exercises=("01.1",), seconds=20.0):
    numbers = {each[:2] for each in exercises}
    of_notebook = {each: exercise for each, exercise in EXERCISES.items() if each[:2] in numbers}
    marks = Marker(box, SECRET, Limits(seconds=seconds)).mark(read_cells(cells), of_notebook)
    return {each: marks[each] for each in exercises}


# --- attacks ----------------------------------------------------------------------------------------------------------


@needs_bubblewrap
@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gets_its_mark_and_harms_nobody(name, boxes, tmp_path):
    attack, outside, secret = ATTACKS[name], tmp_path / "outside", tmp_path / "assignment.json"
    secret.write_text(SECRET)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        code = attack.aimed(outside, listening.getsockname()[1], secret)
        cells = ["import math", code, "def wide_beta(beta, s, t):\n    return 1 - (1 - beta[s + 1 : t + 1]).prod()"]
        marks = mark(boxes["walls"], cells, ["01.1", "01.2"], seconds=3.0)
    first = marks["01.1"]
    assert (first.state, first.points) == (("right", 2) if attack.right else ("wrong", 0)), first
    assert attack.says in first.says
    assert (attack.note in first.note) if attack.note else not first.note, first.note
    assert marks["01.2"].state == "right"  # what comes after is not touched
    assert not outside.exists()
    assert SECRET not in first.says


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ends the process", "never ends", "equals everything", "imports the solutions", "crashes"]
)
def test_without_bubblewrap_marks_are_the_same(name, boxes):
    attack = ATTACKS[name]
    marks = mark(boxes["no walls"], [attack.code, "x = 1"], seconds=2.0)
    assert marks["01.1"].state == "wrong"
    assert attack.says in marks["01.1"].says
    assert mark(boxes["no walls"], [RIGHT_STEP])["01.1"].state == "right"


@pytest.mark.parametrize(
    "said",
    [
        *(b"{", b"null", b"[" * 50_000, b'{"kinds": 3}', b'{"wrong": {}}', b'{"stopped": 3}'),
        b'{"kinds": [{"type": "Tensor", "shape": [-1], "dtype": "torch.float32"}]}',
        b'{"kinds": [{"type": "Tensor", "shape": [1e400], "dtype": "x"}]}',
        b'{"tensor": {"shape": [9], "dtype": "torch.int8"}}',
        b'{"tensor": {"shape": [99999999999999999999], "dtype": "torch.int8"}}',
    ],
)
def test_what_an_answer_writes_in_place_of_its_reply_gets_nothing(said, boxes):
    write = (
        "import os\n\n\ndef forward_step(x_prev, beta, eps):\n    for place in range(3, 64):\n        try:\n"
        f"            os.write(place, {said + chr(10).encode()!r})\n"
        "        except OSError:\n            pass\n    return x_prev\n"
    )
    first = mark(boxes["walls"], [write])["01.1"]
    assert (first.state, first.points) == ("wrong", 0)
    assert first.says


def test_the_copy_that_answers_see_holds_no_solution(course):
    assert not (course / "course_lib" / "classroom" / "exercises").exists()
    code = b"".join(path.read_bytes() for path in course.rglob("*.py") if "data" not in path.parts[-3:])
    assert b"def step_without_roots" not in code


def test_what_is_tried_goes_along_without_the_solution():
    for exercise in EXERCISES.values():
        if not isinstance(exercise, BugHunt):
            sent = _pickled(Asked((), "answer", tuple(trial.run for trial in exercise.trials)))
            for function in (exercise.solution, *exercise.mistakes):
                first_line = f"{function.__module__}.{function.__qualname__}".encode()
                assert first_line not in sent
            assert exercise.why.encode() not in sent


# --- the same marks as the notebook's check ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, pytest.param(1, marks=pytest.mark.proof)])
@pytest.mark.parametrize("number", ["01", "02", "03", "04", "05", "06", "07", "08", "09"])
def test_answers_of_any_style_get_the_marks_that_they_get_in_the_notebook(number, place, boxes):
    """The first answers of each exercise, right and wrong, and in ``make proof-coursework`` the second."""
    for answers, state in zip(right_and_wrong(number), ("right", "wrong"), strict=True):
        for answer in (each[place] for each in answers.values() if len(each) > place):
            got = mark(boxes["walls"], cells_of([answer]), [answer.exercise])[answer.exercise]
            assert (answer.function.__name__, got.state) == (answer.function.__name__, state), got.says


@pytest.mark.slow
def test_a_slow_test_is_tried_as_often_as_a_quick_one_and_by_what_its_time_allows(boxes):
    sleeps = (
        "import time\n\ntries = []\n\n\ndef find_the_bug(average):\n    tries.append(average)\n    time.sleep({})\n"
    )
    sleeps += "    near = abs(average(1.0, 0.0, 0.9) - 0.9) < 1e-6\n"
    once = sleeps + "    assert near or len(tries) == 12\n"
    always = sleeps + "    assert near\n"
    late = mark(boxes["walls"], [once.format(0.07)], ["02.9"])["02.9"]
    assert (late.state, "now and then" in late.says) == ("wrong", True), late.says
    slow = mark(boxes["walls"], [always.format(0.15)], ["02.9"], seconds=3.0)["02.9"]
    assert slow.state == "right", slow.says


@pytest.mark.slow
@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=list(EXERCISES))
def test_on_other_numbers_right_stays_right_and_no_usual_mistake_passes(exercise):
    right, _ = right_and_wrong(exercise.id[:2])
    for secret in ("one", "another"):
        with other_numbers(numbers_for(secret, exercise.id)):
            for answer in right[exercise.id][:2]:
                assert exercise.findings(answer.function) is None
            if not isinstance(exercise, BugHunt):
                for mistake in exercise.mistakes:
                    with torch.random.fork_rng(devices=()):
                        assert exercise.findings(lambda *given, wrong=mistake: wrong(*given)) is not None, mistake


def test_the_numbers_of_a_check_and_of_two_secrets_are_different():
    draws = [torch.randn(3, generator=seeded(1))]
    for secret in ("one", "another"):
        with other_numbers(numbers_for(secret, "01.1")):
            draws.append(torch.randn(3, generator=seeded(1)))
    assert len({tuple(each.tolist()) for each in draws}) == 3
    assert torch.equal(torch.randn(3, generator=seeded(1)), draws[0])
    assert numbers_for("one", "01.1") != numbers_for("one", "01.2")


def test_an_answer_may_call_another_one_and_does_with_the_courses_until_that_is_right(boxes):
    helper = "def forward_step(x_prev, beta, eps):\n    return {} * x_prev + beta**0.5 * eps\n"
    calls = "def wide_beta(beta, s, t):\n    return 1 - forward_step(torch.tensor(1.0), {}, torch.tensor(0.0)) ** 2"
    product = "1 - (1 - beta[s + 1 : t + 1]).prod()"
    for factor, state in (("(1 - beta) ** 0.5", "right"), ("(1 - beta)", "wrong")):
        cells = ["import torch", calls.format(product), helper.format(factor), 'forward_step = check("01.1")']
        marks = mark(boxes["walls"], cells, ["01.1", "01.2"])
        assert (marks["01.1"].state, marks["01.2"].state) == (state, "right"), marks["01.2"].says


STYLES = {
    "a class": "class Step:\n    def __call__(self, x_prev, beta, eps):\n        return R(1 - beta) * x_prev + R(beta) * eps\n"
    "\n\nforward_step = Step()",
    "a decorator": "@functools.wraps(abs)\ndef forward_step(x_prev, beta, eps):\n"
    "    return R(1 - beta) * x_prev + R(beta) * eps",
    "wrapped later": "def forward_step(x_prev, beta, eps):\n    return R(1 - beta) * x_prev + R(beta) * eps\n\n\n"
    "forward_step = functools.partial(forward_step)",
    "within if": "if True:\n    def forward_step(x_prev, beta, eps):\n        return R(1 - beta) * x_prev + R(beta) * eps",
    "a lambda": "forward_step = lambda x_prev, beta, eps: R(1 - beta) * x_prev + R(beta) * eps",
    "annotations of nothing": "def forward_step(x_prev: 'Tensor', beta: Beta, eps: Noise) -> Picture:\n"
    "    return R(1 - beta) * x_prev + R(beta) * eps",
    "magic": "%%time\ndef forward_step(x_prev, beta, eps):\n    return R(1 - beta) * x_prev + R(beta) * eps",
    "imports within": "def forward_step(x_prev, beta, eps):\n    from math import sqrt\n"
    "    return sqrt(1 - beta) * x_prev + sqrt(beta) * eps",
    "a star": "from math import *\n\n\ndef forward_step(x_prev, beta, eps):\n"
    "    return sqrt(1 - beta) * x_prev + sqrt(beta) * eps",
    "a table": "ROOTS = {}\nROOTS[2] = R\n\n\ndef forward_step(x_prev, beta, eps):\n"
    "    return ROOTS[2](1 - beta) * x_prev + ROOTS[2](beta) * eps",
    "below its name": "forward_step = step\n\n\ndef step(x_prev, beta, eps, root=R):\n"
    "    return root(1 - beta) * x_prev + root(beta) * eps",
    "a helper that stands there twice": "def half():\n    return 0.5\n\n\ndef power():\n    return half()\n"
    "\n\nP = power()\n\n\n"
    "def forward_step(x_prev, beta, eps):\n    return (1 - beta) ** P * x_prev + beta**P * eps\n\n\n"
    "def half():\n    return 0.5\n",
    "display": "def forward_step(x_prev, beta, eps):\n    display(beta)\n    return R(1 - beta) * x_prev + R(beta) * eps",
    "a cache": "@functools.lru_cache\ndef root(x):\n    return R(x)\n\n\ndef forward_step(x_prev, beta, eps):\n"
    "    return root(1 - beta) * x_prev + root(beta) * eps",
    "a counter": "calls = 0\n\n\ndef forward_step(x_prev, beta, eps):\n    global calls\n    calls += 1\n"
    "    return R(1 - beta) * x_prev + R(beta) * eps",
}


@pytest.mark.parametrize("name", STYLES)
def test_a_right_answer_is_right_wherever_and_however_it_stands(name, boxes):
    cells = ["import functools\nimport math", "R = math.sqrt", STYLES[name], 'forward_step = check("01.1")']
    first = mark(boxes["walls"], cells)["01.1"]
    assert first.state == "right", first.says


def test_stubs_missing_and_unreadable_answers_are_told_apart(boxes):
    stub = "def forward_step(x_prev, beta, eps):\n    raise NotImplementedError"
    marks = mark(boxes["walls"], [stub, "def wide_beta(beta, s, t):\n    return (1"], ["01.1", "01.2", "01.3"])
    assert [each.state for each in marks.values()] == ["open", "wrong", "missing"]
    assert "Code cell 2, where wide_beta stands, cannot be read: SyntaxError in line 2" in marks["01.2"].says


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "torch.randn(x_prev.shape)",
            "Called twice with the same arguments, it gives two different results: use the eps",
        ),
        ("torch.randn(x_prev.shape, generator=torch.Generator().manual_seed(0))", "gives the same whatever eps is"),
    ],
)
def test_noise_of_its_own_and_an_unused_argument_are_named_as_in_the_notebook(code, says, boxes):
    step = f"def forward_step(x_prev, beta, eps):\n    return (1 - beta) ** 0.5 * x_prev + beta**0.5 * {code}"
    assert says in mark(boxes["walls"], ["import torch", step])["01.1"].says


def test_a_usual_mistake_is_named(boxes):
    marks = mark(boxes["walls"], ["def forward_step(x_prev, beta, eps):\n    return (1 - beta) * x_prev + beta * eps"])
    assert "without the square roots" in marks["01.1"].says


# --- a whole class ----------------------------------------------------------------------------------------------------


def write_class(folder):
    """Hand-ins, and the points that they have to get in 01.1 to 01.5."""
    right, wrong = (dict(zip(FIRST, each, strict=True)) for each in _first_of_each())
    all_right = cells_of(list(right.values()))
    write_notebook(folder / "anna" / "01_forward_step.ipynb", all_right)
    write_notebook(folder / "ben" / "01_forward_step.ipynb", cells_of(list(wrong.values())))
    mixed = [right["01.1"], wrong["01.2"], right["01.3"], wrong["01.4"], right["01.5"]]
    write_notebook(folder / "carla" / "01_forward_step.ipynb", cells_of(mixed))
    write_notebook(
        folder / "dan" / "01_forward_step.ipynb", [ATTACKS["ends the process"].code, *all_right[:1], *all_right[2:]]
    )
    write_notebook(folder / "eve" / "homework.ipynb", list(reversed([*all_right, *all_right])))
    (folder / "finn").mkdir()
    (folder / "finn" / "01_forward_step.ipynb").write_text("I had no time.")
    write_notebook(folder / "gül" / "first try.ipynb", cells_of([wrong["01.1"]]))
    write_notebook(folder / "gül" / "z last try.ipynb", cells_of([right["01.1"]]))
    return {
        "anna": [2, 2, 3, 2, 2],
        "ben": [0, 0, 0, 0, 0],
        "carla": [2, 0, 3, 0, 2],
        "dan": [0, 2, 3, 2, 2],
        "eve": [2, 2, 3, 2, 2],
        "finn": [0, 0, 0, 0, 0],
        "gül": [2, 0, 0, 0, 0],
    }


def _first_of_each():
    right, wrong = right_and_wrong("01")
    return [each[0] for each in right.values()], [each[0] for each in wrong.values()]


@pytest.fixture(scope="module")
def graded_class(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    expected = write_class(folder / "handed in")
    assignment = Assignment("Week 1", ("01_forward_step",), SECRET)
    hand_ins = read_hand_ins(folder / "handed in")
    graded = sorted(grade_all(assignment, hand_ins, folder, 2, Limits(seconds=5.0)), key=lambda each: each.student)
    return folder, assignment, expected, graded


@pytest.mark.slow
def test_a_class_gets_the_marks_that_were_written_down_beforehand(graded_class):
    _, _, expected, graded = graded_class
    assert {each.student: [each.marks[exercise].points for exercise in FIRST] for each in graded} == expected
    notes = {each.student: " ".join(each.notes) for each in graded}
    assert [student for student, note in notes.items() if note] == ["dan", "finn", "gül"]
    assert "ended its process" in notes["dan"]
    assert "it is no notebook" in notes["finn"]
    assert "2 files for 01_forward_step: z last try.ipynb, changed last, was graded" in notes["gül"]


@pytest.mark.slow
def test_what_has_not_changed_is_not_graded_again(graded_class, tmp_path, monkeypatch, boxes):
    folder, assignment, expected, _ = graded_class
    asked, ask = [], Sandbox.ask
    monkeypatch.setattr(Sandbox, "ask", lambda box, question: asked.append(question.name) or ask(box, question))
    before = grading.load_result(folder / "results" / "carla.json")
    box, limits = boxes["walls"], Limits(seconds=5.0)
    (carla,) = [each for each in read_hand_ins(folder / "handed in") if each.student == "carla"]
    again = grading.grade_one(assignment, carla, box, limits, before)
    assert asked == []
    assert [again.marks[exercise].points for exercise in FIRST] == expected["carla"]
    (file,) = carla.files
    cells = [
        *(cell.source for cell in cells_in(file)),
        "def wide_beta(beta, s, t):\n    return 1 - (1 - beta[s + 1 : t + 1]).prod()",
    ]
    write_notebook(tmp_path / "x.ipynb", cells)
    carla.files = [File("x.ipynb", (tmp_path / "x.ipynb").read_bytes(), 0.0)]
    mended = grading.grade_one(assignment, carla, box, limits, again)
    assert asked == ["wide_beta"]
    assert [mended.marks[exercise].points for exercise in FIRST] == [2, 2, 3, 0, 2]
    grading.grade_one(Assignment("Week 1", ("01_forward_step",), "another secret"), carla, box, limits, mended)
    assert set(asked[1:]) == {EXERCISES[exercise].solution.__name__ for exercise in FIRST}


@pytest.mark.slow
def test_tables_pages_and_overview_say_what_came_of_it(graded_class, tmp_path):
    _, assignment, expected, graded = graded_class
    graded[0].late, graded[0].number = True, "77"
    graded[1].student = '=HYPERLINK("x")<script>alert(1)</script>'
    for path in write_tables(tmp_path, assignment, graded):
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        if path.name == "grades.csv":
            points = [[int(row[exercise]) for exercise in FIRST] for row in rows]
            assert points == list(expected.values())
            assert [int(row["points"]) for row in rows] == [sum(each) for each in expected.values()]
            assert (rows[0]["late"], rows[1]["late"]) == ("late", "")
            assert rows[1]["student"].startswith("'=HYPERLINK")
        elif path.name == "grades_moodle.csv":
            assert (rows[0]["Identifier"], rows[0]["Grade"]) == ("Participant 77", "11")
            assert {"Last modified (grade)", "Feedback comments"} <= set(rows[0])
        else:
            assert rows[0]["Week 1"] == "11"  # points possible
            assert (rows[1]["Student"], rows[1]["ID"], rows[1]["Week 1"]) == ("anna", "77", "11")
    page = write_feedback(tmp_path, assignment, graded[1]).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "0 of 11 points" in page
    for exercise in FIRST:
        assert exercise in page
        assert EXERCISES[exercise].why not in page
    similar = write_similar(tmp_path, assignment, graded, "").read_text(encoding="utf-8")
    assert "anna" in similar
    assert "eve" in similar  # whose cells are anna's
    assert "<script>alert" not in similar
    overview = write_overview(tmp_path, assignment, graded).read_text(encoding="utf-8")
    assert "7 hand-ins" in overview
    assert "<script>alert" not in overview
    assert "ended its process" in overview


COPIED = """def forward_step(x_prev, beta, eps):
    # first I shrink what was there, as my grandmother shrinks woollen socks
    kept_part_of_old = (1 - beta) ** 0.5
    noisy_part_of_new = beta**0.5
    return kept_part_of_old * x_prev + noisy_part_of_new * eps
"""


def test_who_copies_is_paired_and_who_writes_what_everybody_writes_is_not():
    solution = "def forward_step(x_prev, beta, eps):\n    return (1 - beta) ** 0.5 * x_prev + beta**0.5 * eps"
    code = {f"student{number}": {"01.1": solution.replace("eps", f"e{number % 3}")} for number in range(30)}
    assert similar_pairs(code, []) == []
    code |= {"anna": {"01.1": COPIED}, "ben": {"01.1": COPIED.replace("    return", "    pass\n    return")}}
    (pair,) = similar_pairs(code, [])
    assert (pair.first, pair.second, pair.exercises) == ("anna", "ben", ("01.1",))
    assert pair.share > 0.7
    assert similar_pairs(code, [COPIED]) == []  # if it was handed out
    everybody = code | {f"other{number}": {"01.1": COPIED} for number in range(10)}
    assert similar_pairs(everybody, []) == []
    assert similar_pairs({"anna": {"01.1": "what ("}, "ben": {}}, []) == []


def test_a_hand_in_that_breaks_the_grader_costs_nobody_else_anything(tmp_path, monkeypatch):
    write_notebook(tmp_path / "in" / "anna" / "01.ipynb", [RIGHT_STEP])
    write_notebook(tmp_path / "in" / "ben" / "01.ipynb", [RIGHT_STEP])
    assignment = Assignment("Week 1", ("01_forward_step",), SECRET)
    hand_ins = read_hand_ins(tmp_path / "in")
    hand_ins[0].files = [Breaks(*hand_ins[0].files[0])]
    anna, ben = sorted(grade_all(assignment, hand_ins, tmp_path, 2), key=lambda each: each.student)
    assert ben.points == 2
    assert (anna.points, anna.marks["01.1"].state) == (0, "missing")
    assert "look at it by hand" in anna.notes[-1]


@pytest.mark.slow
def test_on_a_dask_cluster_a_killed_worker_loses_nothing_and_nothing_is_graded_twice(tmp_path, monkeypatch):
    from dask.distributed import LocalCluster

    names = [f"student{number}" for number in range(6)]
    for place, name in enumerate(names):
        write_notebook(tmp_path / "in" / name / "01.ipynb", [RIGHT_STEP, SLOW.format(seconds=1 + place % 2)])
    assignment, hand_ins = Assignment("Week 1", ("01_forward_step",), SECRET), read_hand_ins(tmp_path / "in")
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        graded, killed = [], False
        for each in grade_all(assignment, hand_ins, tmp_path, cluster=cluster.scheduler_address):
            graded.append(each)
            if not killed:
                worker = next(iter(cluster.workers.values()))
                os.kill(worker.process.pid, signal.SIGKILL)
                killed = True
    assert sorted(each.student for each in graded) == names
    assert {each.points for each in graded} == {4}
    assert sorted(path.stem for path in (tmp_path / "results").iterdir()) == names


SLOW = """import time


def wide_beta(beta, s, t):
    if beta.numel() > 500:
        time.sleep({seconds})
    return 1 - (1 - beta[s + 1 : t + 1]).prod()
"""


class Breaks(File):
    """A file that ends the process in which it is unpickled."""

    def __reduce__(self):
        return os._exit, (1,)


# --- the hand-out, and the command ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [each for each in NOTEBOOKS if each.stem[:2] in {e[:2] for e in EXERCISES}], ids=lambda p: p.stem
)
def test_a_hand_out_shows_no_answers_and_is_worth_nothing_untouched(path, boxes):
    assignment = Assignment("Week 1", (path.stem,), SECRET)
    made = handed_out(json.loads(path.read_text(encoding="utf-8")), path.stem, assignment)
    source = "\n".join("".join(cell["source"]) for cell in made["cells"])
    assert "show_answer" not in source
    assert all(
        cell["outputs"] == [] and cell["execution_count"] is None
        for cell in made["cells"]
        if cell["cell_type"] == "code"
    )
    cells = cells_in(File("x.ipynb", json.dumps(made).encode(), 0.0))
    code = read_cells([cell.source for cell in cells if cell.is_code])
    assert code.unreadable == {}
    marks = Marker(boxes["walls"], SECRET).mark(code, assignment.tasks)
    assert {each.state for each in marks.values()} == {"open"}
    for exercise in assignment.tasks:
        assert f'check("{exercise}")' in source
        assert exercise in "".join(made["cells"][1]["source"])


def test_the_command_builds_and_grades(tmp_path, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["coursework", *map(str, arguments)])
        command.main()
        return capsys.readouterr().out

    assert "8 tasks, 21 points, 4 of them for answers that you read" in run("build", tmp_path / "week", "01")
    made = load_assignment(tmp_path / "week")
    run("build", tmp_path / "week", "01")
    assert load_assignment(tmp_path / "week") == made
    with zipfile.ZipFile(tmp_path / "week" / "handout.zip") as packed:
        assert packed.namelist() == ["01_forward_step.ipynb"]
        assert made.secret not in packed.read("01_forward_step.ipynb").decode()
    write_notebook(tmp_path / "in" / "anna" / "01.ipynb", [RIGHT_STEP])
    said = run("grade", tmp_path / "week", "--submissions", tmp_path / "in", "--jobs", 1)
    assert "2 of 21  anna" in said
    for name in ("grades.csv", "grades_moodle.csv", "grades_canvas.csv", "overview.html", "feedback/anna.html"):
        assert (tmp_path / "week" / name).is_file()
    assert "to be read" not in said
    assert "7 tasks, 17 points\n" in run("build", tmp_path / "short", "01", "--no-questions")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["grade", "nowhere", "--submissions", "."], "nowhere holds no assignment: make one with"),
        (["build", "new", "77"], "there is no notebook '77': choose from 00_start_here"),
        (["build", "new", "10"], "has no exercises to be graded"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["coursework", *arguments])
    with pytest.raises(SystemExit) as refused:
        command.main()
    assert says in str(refused.value)
    assert not Path("new").exists()


def test_an_assignment_is_read_as_it_was_saved(tmp_path):
    made = new_assignment("Week β", ["01", "03_ddim", "01_forward_step.ipynb"], [path.stem for path in NOTEBOOKS])
    made.save(tmp_path)
    assert load_assignment(tmp_path) == made
    assert made.notebooks == ("01_forward_step", "03_ddim")
    assert len(made.secret) == 32
    (tmp_path / "assignment.json").write_text("{}")
    with pytest.raises(AssignmentError, match="holds no assignment"):
        load_assignment(tmp_path)
