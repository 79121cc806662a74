"""What coursework asks beside the exercises: right answers in several styles pass, and each usual mistake is named."""

import csv
import inspect
import io
import json
import shutil
from types import FunctionType

import nbformat
import pytest
import torch
from answers import variations
from handed_in import alone

from course_lib.classroom.chance import other_numbers
from course_lib.classroom.checks import source_of
from course_lib.classroom.coursework import __main__ as command
from course_lib.classroom.coursework.assignment import AssignmentError, new_assignment
from course_lib.classroom.coursework.by_hand import COLUMNS, read_entries
from course_lib.classroom.coursework.handed_in import File, cells_of, words_on
from course_lib.classroom.coursework.handout import NOTEBOOKS, _example, handed_out
from course_lib.classroom.coursework.marking import Marker
from course_lib.classroom.coursework.sandbox import Sandbox, bubblewrap, course_without_solutions
from course_lib.classroom.coursework.slicing import read_cells
from course_lib.classroom.coursework.task import HERE, Experiment, Question, Variation, questions_of
from course_lib.classroom.coursework.tasks import OTHERS, VARIATIONS
from course_lib.classroom.exercises import EXERCISES

by_name = {"ids": lambda each: each.solution.__name__}
EXPERIMENTS = [each for each in OTHERS if isinstance(each, Experiment)]
QUESTIONS = [each for each in OTHERS if isinstance(each, Question)]
each_variation = pytest.mark.parametrize("variation", VARIATIONS, **by_name)


def another(function):
    """The same function as a student would have written it: one that is not the course's own."""
    return FunctionType(function.__code__.replace(), function.__globals__, function.__name__)


@each_variation
def test_the_solution_is_right_on_any_numbers_and_each_mistake_is_named(variation):
    for moved in (0, 1234567):
        with other_numbers(moved), torch.random.fork_rng(devices=()):
            assert variation.findings(another(variation.solution)) is None
            for mistake in variation.mistakes:
                assert variation.findings(another(mistake)) == inspect.getdoc(mistake), mistake.__name__


@each_variation
def test_right_answers_in_other_styles_are_right(variation):
    answers = variations.RIGHT[variation.solution.__name__]
    assert len(answers) >= 3
    for answer in answers:
        assert variation.findings(answer) is None, answer.__name__


@each_variation
def test_the_stub_and_the_example_are_code_that_fits(variation):
    made: dict = {}
    exec(variation.stub, made)
    stub = made[variation.solution.__name__]
    assert inspect.signature(stub) == inspect.signature(variation.solution)
    assert inspect.getdoc(stub) == inspect.getdoc(variation.solution)
    arguments = eval(f"({variation.example},)", {"torch": torch})
    with pytest.raises(NotImplementedError):
        stub(*arguments)
    assert variation.solution(*arguments).isfinite().all()


def test_names_are_told_apart_and_every_notebook_with_exercises_has_all_three_kinds():
    numbers = {each[:2] for each in EXERCISES}
    names = [each.solution.__name__ for each in (*EXERCISES.values(), *VARIATIONS)]
    for variation in VARIATIONS:
        assert names.count(variation.solution.__name__) == 1
    for number in numbers:
        assert sum(each.id == f"{number}.V" for each in VARIATIONS) >= 2
        assert [each.id for each in OTHERS if each.id[:2] == number] == [f"{number}.E", f"{number}.Q"]


# --- in the sandbox, and in a hand-out --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def box():
    with course_without_solutions() as course, Sandbox(course, bubblewrap()) as walled:
        yield walled


def marked(box, task, cells, secret="one"):
    return Marker(box, secret).mark(read_cells(cells), {task.id: task})[task.id]


@pytest.mark.slow
@each_variation
def test_in_the_sandbox_the_marks_are_the_same(variation, box):
    name = variation.solution.__name__
    for answer in variations.RIGHT[name]:
        assert marked(box, variation, alone(answer, name)).points == variation.points
    for mistake in variation.mistakes[:3]:
        mark = marked(box, variation, alone(mistake, name))
        assert (mark.points, mark.says) == (0, inspect.getdoc(mistake))
    assert marked(box, variation, [variation.stub]).state == "open"


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda each: each.id)
def test_an_experiment_is_open_as_it_was_handed_out_and_beaten_by_its_answer(experiment, box):
    name = experiment.solution.__name__
    (path,) = [path for path in NOTEBOOKS if path.stem[:2] == experiment.id[:2]]
    cells = [cell.source for cell in cells_of(File(path.name, path.read_bytes(), 0.0)) if cell.is_code]
    own = [cell for cell in cells if f"def {name}(" in cell]
    assert marked(box, experiment, own).state == "open"
    imports = "import torch\nfrom course_lib.sampling import *\n"
    nothing = marked(box, experiment, [imports, own[0].replace("return ", "return 1 * ", 1)])
    assert nothing.state == "wrong"
    for secret in ("one", "another"):
        assert marked(box, experiment, alone(experiment.solution, name), secret).points == experiment.points


def hand_out(number, questions=True):
    (path,) = [path for path in NOTEBOOKS if path.stem[:2] == number]
    assignment = new_assignment("Week", [number], [path.stem], questions)
    return handed_out(json.loads(path.read_text(encoding="utf-8")), path.stem, assignment), assignment


@pytest.mark.parametrize("number", sorted({each[:2] for each in EXERCISES}))
def test_a_hand_out_asks_for_everything_and_tells_no_answer(number):
    made, assignment = hand_out(number)
    nbformat.validate(nbformat.from_dict(made))
    source = "\n".join("".join(cell["source"]) for cell in made["cells"])
    for task in assignment.tasks.values():
        assert f"{task.id} ({task.points})" in "".join(made["cells"][1]["source"])
    for question in questions_of(assignment.tasks).values():
        assert question.text in source
        assert question.model not in source
        assert all(what not in source for _, what in question.criteria)
    for task in (each for each in assignment.tasks.values() if isinstance(each, Variation)):
        assert task.stub in source
        assert source_of(task.solution).split("\n", 1)[1] not in source
        exec(_example(task).replace("print(", "str("), {"torch": torch, task.solution.__name__: another(task.solution)})
    cells = cells_of(File("x.ipynb", json.dumps(made).encode(), 0.0))
    assert {words_on(question, cells) for question in questions_of(assignment.tasks).values()} == {""}
    without, shorter = hand_out(number, questions=False)
    assert not questions_of(shorter.tasks)
    assert HERE not in json.dumps(without)


def test_a_hand_out_does_not_lead_to_the_course_s_own_notebook_on_colab():
    (path,) = [path for path in NOTEBOOKS if path.stem[:2] == "03"]
    link = "[Open in Colab](https://colab.research.google.com/x)\n\n"
    stamped = json.loads(
        path.read_text(encoding="utf-8").replace("**You need**", f"{link}**You need**".replace("\n", "\\n"))
    )
    assert "Open in Colab" in json.dumps(stamped)
    made = handed_out(stamped, path.stem, new_assignment("Week", ["03"], [path.stem]))
    assert "Open in Colab" not in json.dumps(made)


# --- words ------------------------------------------------------------------------------------------------------------

CODE = "plt.plot([1, 2])"
WORDS = "The variance *falls*:\n\n$V \\to 0.01$.\n# not a heading of the course"


def written(how):
    """A hand-out of notebook 01 with an answer to its question, written in some way."""
    made, assignment = hand_out("01")
    (question,) = questions_of(assignment.tasks).values()
    place = next(place for place, cell in enumerate(made["cells"]) if question.heading in "".join(cell["source"]))
    cells = made["cells"]
    text = {"cell_type": "markdown", "id": "own", "metadata": {}, "source": WORDS}
    code = text | {
        "cell_type": "code",
        "id": "code",
        "source": CODE,
        "outputs": [],
        "execution_count": None,
    }
    if how == "in its place":
        cells[place + 1]["source"] = WORDS
    elif how == "below its place":
        cells[place + 1]["source"] = f"{HERE}\n\n{WORDS}".splitlines(keepends=True)
    elif how == "in the question's cell":
        cells[place]["source"] = [*cells[place]["source"], "\n", WORDS]
        del cells[place + 1]
    elif how == "in a cell of its own, after code":
        cells[place + 2 : place + 2] = [code, text]
    elif how == "in two cells":
        first, second = WORDS.split("\n\n")
        cells[place + 1]["source"] = first
        cells.insert(place + 2, text | {"source": second})
    elif how == "under a heading of one's own":
        cells[place + 1]["source"] = f"### {question.id} · My answer\n{WORDS}"
    elif how == "under a heading that was mended":
        cells[place]["source"] = "## " + "".join(cells[place]["source"]).removeprefix("### ").replace("·", "-", 1)
        cells[place + 1]["source"] = WORDS
    elif how == "with the cells turned round":
        cells[place + 1]["source"] = WORDS
        made["cells"] = cells[place:] + cells[:place]
    elif how == "with the question deleted":
        cells[place + 1]["source"] = WORDS
        del cells[place]
        return made, assignment, question
    elif how == "in the first of two copies":
        made["cells"] = cells + json.loads(json.dumps(cells[place : place + 2]))
        cells[place + 1]["source"] = WORDS
    for cell in made["cells"]:
        cell["metadata"] = {}
    return made, assignment, question


@pytest.mark.parametrize(
    "how",
    [
        *("in its place", "below its place", "in the question's cell", "in a cell of its own, after code"),
        *("in two cells", "with the cells turned round", "with the question deleted", "in the first of two copies"),
        *("under a heading of one's own", "under a heading that was mended"),
    ],
)
def test_an_answer_in_words_is_found_wherever_it_was_written(how):
    made, _, question = written(how)
    before = {
        "in a cell of its own, after code": f"```\n{CODE}\n```\n\n",
        "under a heading of one's own": "### 01.Q · My answer\n",
    }
    found = words_on(question, cells_of(File("x.ipynb", json.dumps(made).encode(), 0.0)))
    assert found == before.get(how, "") + WORDS


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["coursework", *map(str, arguments)])
    command.main()
    return capsys.readouterr().out


def test_words_are_read_by_a_person_and_what_was_entered_is_never_lost(tmp_path, monkeypatch, capsys):
    made, assignment, _ = written("in its place")
    week, submissions = tmp_path / "week", tmp_path / "in"
    week.mkdir()
    assignment.save(week)
    for student, notebook in (("anna", made), ("ben", written("nowhere")[0])):
        (submissions / student).mkdir(parents=True)
        (submissions / student / "01.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    grade = ("grade", week, "--submissions", submissions, "--jobs", 1)
    said = run(monkeypatch, capsys, *grade)
    assert "and are not in the points yet: 1." in said
    with open(week / "by_hand.csv", encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["task"], row["student"], row["points"], row["out of"]) == ("01.Q", "anna", "", "4")
    page = (week / "by_hand.html").read_text(encoding="utf-8")
    assert "The variance *falls*" in page
    assert "drawing may start from N(0, I)" in page
    assert "1 answer still to be read" in (week / "feedback" / "anna.html").read_text(encoding="utf-8")
    table = (week / "by_hand.csv").read_text(encoding="utf-8-sig")
    entered = table.replace("01.Q,anna,,4,,,", "01.Q,anna,3,4,=Schön; mehr?,,")
    for text, encoding in ((entered, "utf-8"), (_for_german_excel(entered), "cp1252")):
        (week / "by_hand.csv").write_bytes(text.encode(encoding))
        assert "to be read" not in run(monkeypatch, capsys, *grade)
        with open(week / "grades.csv", encoding="utf-8-sig", newline="") as file:
            assert {row["student"]: row["01.Q"] for row in csv.DictReader(file)} == {"anna": "3", "ben": "0"}
        page = (week / "feedback" / "anna.html").read_text(encoding="utf-8")
        assert "=Schön; mehr?" in page
        assert "1 point: Half the contrast is a quarter of the variance" in page
        assert "3 of 21 points</p>" in page
    made["cells"] = json.loads(json.dumps(made["cells"]).replace("0.01", "0.02"))
    (submissions / "anna" / "01.ipynb").write_text(json.dumps(made), encoding="utf-8")
    assert "and are not in the points yet: 1." in run(monkeypatch, capsys, *grade)
    assert "3 points; =Schön; mehr?" in (week / "by_hand.csv").read_text(encoding="utf-8-sig")
    with open(week / "by_hand.csv", "a", encoding="utf-8") as file:  # half marks for a function
        file.write("01.V,ben,2,,nearly,,,\n01.Q,ben,1,,it was in a comment,,,\n")
    run(monkeypatch, capsys, *grade)
    with open(week / "grades.csv", encoding="utf-8-sig", newline="") as file:
        rows = {row["student"]: (row["01.V"], row["01.Q"]) for row in csv.DictReader(file)}
    assert rows == {"anna": ("0", ""), "ben": ("2", "1")}
    page = (week / "feedback" / "anna.html").read_text(encoding="utf-8")
    assert "mehr" not in page  # what was said of an earlier answer
    shutil.rmtree(submissions / "anna")
    run(monkeypatch, capsys, *grade)
    assert "3 points; =Schön" in (week / "by_hand.csv").read_text(encoding="utf-8-sig")


def _for_german_excel(text):
    rows = list(csv.reader(io.StringIO(text, newline="")))
    saved = io.StringIO(newline="")
    csv.writer(saved, delimiter=";").writerows(
        [[cell.replace("3", "3,0") if cell == "3" else cell for cell in row] for row in rows]
    )
    return saved.getvalue()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (",3,4,", ",5,4,", "by_hand.csv, line 2: '5' is no number of points from 0 to 4"),
        ("abc\n", "abc\n01.Q,anna,2,4,,,anna,abc\n", "line 3: 01.Q of anna has 2 points here, and 3 above"),
        (",3,4,", ",2.5,4,", "'2.5' is no number of points"),
        (",3,4,", ",good,4,", "'good' is no number of points"),
        ("task,", "frage,", "has no column 'task'"),
    ],
)
def test_what_cannot_be_read_in_the_table_is_said_and_left_as_it_is(old, new, says, tmp_path):
    _, assignment, _ = written("nowhere")
    table = f"{','.join(COLUMNS)}\n01.Q,anna,3,4,,,anna,abc\n".replace(old, new)
    (tmp_path / "by_hand.csv").write_text(table)
    with pytest.raises(AssignmentError) as refused:
        read_entries(tmp_path, assignment)
    assert says in str(refused.value)
    assert (tmp_path / "by_hand.csv").read_text() == table
