"""Exercises: right answers pass, however they are written; wrong ones get their message; nothing crashes or hangs."""

import contextlib
import dataclasses
import inspect
import itertools
import json
import linecache
import math
import random
import re
import signal
import sys
import threading
import time

import numpy as np
import pytest
import torch
from answers import RIGHT
from answers.notebook_01 import forward_with_math, jump_by_views
from answers.notebook_03 import ddpm_by_the_paper

from course_lib.classroom import checks
from course_lib.classroom.checks import check, find, hints, run_test, show_answer, show_source
from course_lib.classroom.exercise import BugHunt, Exercise, Trial
from course_lib.classroom.exercises import EXERCISES
from course_lib.classroom.progress import progress
from course_lib.classroom.self_check import load_questions
from course_lib.classroom.ticks import progress_file, record, ticks
from course_lib.forward import add_noise, forward_step
from course_lib.schedules import NoiseSchedule

WRITTEN = [each for each in EXERCISES.values() if isinstance(each, Exercise)]
HUNTS = [each for each in EXERCISES.values() if isinstance(each, BugHunt)]
FIRST = {answer.exercise: answer.function for answer in reversed(RIGHT)}
"""A right answer of each exercise."""
by_id = {"ids": lambda each: getattr(each, "id", getattr(each, "__name__", None))}


pytestmark = pytest.mark.usefixtures("own_progress")


def test_a_run_through_first_untouched_then_solved(shown):
    for exercise_id in EXERCISES:
        assert check(exercise_id, stub) is find(exercise_id).solution
    progress()
    assert shown[-1]["text/markdown"].count("○ open") == len(EXERCISES)
    assert f"0 of {len(load_questions())} self-check questions" in shown[-1]["text/markdown"]
    for exercise_id, answer in FIRST.items():
        assert check(exercise_id, answer) is answer
    progress()
    assert shown[-1]["text/markdown"].count("✓ done") == len(EXERCISES)


# --- wrong answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exercise", "mistake"), [(each, mistake) for each in WRITTEN for mistake in each.mistakes], **by_id
)
def test_a_usual_mistake_is_called_by_its_name(exercise, mistake, capsys):
    assert check(exercise.id, mistake) is exercise.solution
    assert inspect.getdoc(mistake) in capsys.readouterr().out
    assert ticks() == {exercise.id: "tried"}


@pytest.mark.parametrize("exercise", WRITTEN, **by_id)
def test_at_least_six_mistakes_are_known_by_different_sentences(exercise):
    assert len({inspect.getdoc(mistake) for mistake in exercise.mistakes}) == len(exercise.mistakes) >= 6


def stub(*arguments):
    raise NotImplementedError


def returns_nothing(*arguments):
    pass


class EqualToEverything:
    shape, dtype = (), torch.float32

    def __eq__(self, other):
        return True

    def __getattr__(self, name):
        return lambda *arguments, **named: self


class LyingTensor(torch.Tensor):
    def __eq__(self, other):
        return torch.tensor(True)


@pytest.mark.parametrize("exercise_id", list(EXERCISES))
def test_an_untouched_stub_is_open_and_nothing_is_recorded(exercise_id, capsys):
    assert check(exercise_id, stub) is find(exercise_id).solution
    assert "○ Not attempted yet" in capsys.readouterr().out
    assert not progress_file().exists()


@pytest.mark.parametrize(
    "exercise",
    [
        each
        for each in WRITTEN
        if each.id not in ("02.2", "02.3", "03.4", "06.1", "07.3", "07.5", "08.2", "08.4", "09.3")
    ],
    **by_id,
)
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (returns_nothing, "has it a return?"),
        (lambda *arguments: EqualToEverything(), "got EqualToEverything"),
        (lambda *arguments: torch.zeros(1).as_subclass(LyingTensor), "got LyingTensor"),
        (lambda *arguments: torch.zeros(7, 5), "it is (7, 5)"),
        (lambda *arguments: arguments[99], "IndexError"),
        (lambda: None, "TypeError"),
    ],
)
def test_a_result_of_the_wrong_kind_says_so(exercise, answer, message, capsys):
    assert check(exercise.id, answer) is exercise.solution
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("exercise", EXERCISES.values(), **by_id)
def test_calling_the_courses_own_solution_is_no_answer(exercise, capsys):
    assert check(exercise.id, lambda *arguments: exercise.solution(*arguments)) is exercise.solution
    assert "This calls the course's own" in capsys.readouterr().out
    assert ticks() == {exercise.id: "tried"}


@pytest.mark.parametrize("exercise", EXERCISES.values(), **by_id)
def test_the_courses_own_solution_is_taken_for_what_it_is(exercise, capsys):
    for own in (exercise.solution, *exercise.forbidden):
        assert check(exercise.id, own) is exercise.solution
        said = capsys.readouterr().out
        assert said.startswith(f"○ Nothing to check · {exercise.id}")
        assert "which an earlier check or an import put there: run the cell with your function again" in said
    assert ticks() == {}


def test_the_librarys_function_that_does_the_same_is_no_answer_either(capsys):
    check("01.5", lambda T: NoiseSchedule.cosine(T).alpha_bar)
    assert "the course's own NoiseSchedule.cosine" in capsys.readouterr().out
    check("01.1", lambda x_prev, beta, eps: forward_step(x_prev, beta, eps))
    assert "the course's own forward_step" in capsys.readouterr().out


@pytest.mark.parametrize("exercise_id", ["01.1", "01.3", "02.6", "03.5"])
def test_a_wrong_dtype_is_named(exercise_id, capsys):
    check(exercise_id, lambda *arguments: FIRST[exercise_id](*arguments).half())
    assert "The dtype should be torch.float32, but it is torch.float16" in capsys.readouterr().out


def test_an_alpha_bar_left_in_float64_is_named(capsys):
    def jump(schedule, x_0, t, eps):
        a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
        return a.sqrt() * x_0 + (1 - a).sqrt() * eps

    check("01.3", jump)
    assert "torch.float32, but it is torch.float64: convert with .to" in capsys.readouterr().out


def test_damage_to_an_argument_is_named(capsys):
    def in_place(x_prev, beta, eps):
        eps *= beta**0.5
        return (1 - beta) ** 0.5 * x_prev + eps

    check("01.1", in_place)
    assert "changes its argument eps in place" in capsys.readouterr().out


def test_damage_to_the_schedule_is_named(capsys):
    def in_place(schedule, x_0, t, eps):
        result = jump_by_views(schedule, x_0, t, eps)
        schedule.alpha_bar.mul_(0.5)
        return result

    check("01.3", in_place)
    assert "changes its argument schedule in place" in capsys.readouterr().out


def test_an_error_comes_with_the_learners_own_line(capsys):
    def broken(x_prev, beta, eps):
        return (1 - beta) ** 0.5 * x_before  # noqa: F821

    check("01.1", broken)
    assert "NameError: name 'x_before' is not defined (line " in capsys.readouterr().out


@pytest.mark.parametrize(
    "error", [SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError, MemoryError, StopIteration, OSError]
)
def test_no_error_of_an_answer_reaches_the_notebook(error, capsys):
    def stops(*arguments):
        raise error("enough")

    for each in ("01.1", "01.4"):
        check(each, stops)
        said = capsys.readouterr().out
        assert said.startswith("✗ Not yet")
        assert f"{error.__name__}: enough (line " in said


def test_an_endless_recursion_is_an_error_as_any_other(capsys):
    def deeper(*arguments):
        return deeper(*arguments)

    check("01.1", deeper)
    assert "RecursionError: maximum recursion depth exceeded (line " in capsys.readouterr().out


def raises_in_its_text(error):
    class BrokenError(Exception):
        def __str__(self):
            raise error

    return BrokenError


@pytest.mark.parametrize("error", [ValueError("no text"), SystemExit(), KeyboardInterrupt()])
def test_an_error_that_cannot_say_what_it_is_is_named_all_the_same(error, capsys):
    def stops(*arguments):
        raise raises_in_its_text(error)

    for each in ("01.1", "01.4"):
        check(each, stops)
        assert "BrokenError (line " in capsys.readouterr().out


def test_a_long_error_is_cut(capsys):
    def stops(*arguments):
        raise ValueError("x" * 100_000)

    check("01.1", stops)
    said = capsys.readouterr().out
    assert "ValueError: xxx" in said
    assert len(said) < 1_000


def test_an_error_in_the_library_comes_with_the_learners_line_not_with_the_librarys(capsys):
    def mixed(x_prev, beta, eps):
        return add_noise(NoiseSchedule.linear(), x_prev[None], 5, eps)

    def parsed(x_prev, beta, eps):
        return json.loads("{")

    check("01.1", mixed)
    assert "return add_noise(NoiseSchedule.linear(), x_prev[None], 5, eps))" in capsys.readouterr().out
    check("01.1", parsed)
    assert 'return json.loads("{"))' in capsys.readouterr().out


def test_an_answer_that_calls_check_itself_is_told_so_at_once(capsys):
    def inside(x_prev, beta, eps):
        return check("01.1", inside)(x_prev, beta, eps)

    check("01.1", inside)
    assert "Your function calls check itself" in capsys.readouterr().out


# --- what the check finds in the notebook -----------------------------------------------------------------------------


CELL = 'forward_step = check("01.1")'
STUB = "def forward_step(x_prev, beta, eps):\n    raise NotImplementedError"
RIGHT_CELL = "def forward_step(x_prev, beta, eps):\n    return (1 - beta) ** 0.5 * x_prev + beta ** 0.5 * eps"
WRONG_CELL = "def forward_step(x_prev, beta, eps):\n    return (1 - beta) * x_prev + beta * eps"


class Notebook:
    """Cells run in one namespace, each with its source where ``inspect`` looks for it, as IPython does it."""

    def __init__(self, capsys):
        self.capsys, self.names, self.number = capsys, {"check": check}, 0

    def run(self, *sources):
        """Run cells, and return what the last of them printed."""
        for source in sources:
            self.capsys.readouterr()
            self.number += 1
            file = f"<cell {id(self)} {self.number}>"
            linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
            exec(compile(source, file, "exec"), self.names)
        return self.capsys.readouterr().out

    def goes_on_with(self):
        return self.names["forward_step"]


@pytest.fixture
def notebook(capsys):
    return Notebook(capsys)


def test_the_check_finds_the_function_by_its_name(notebook):
    assert notebook.run(RIGHT_CELL, CELL).startswith("✓ Right")
    assert notebook.goes_on_with() is not find("01.1").solution
    assert notebook.run(CELL).startswith("✓ Right")  # a verified answer is right again
    assert ticks() == {"01.1": "done"}


def test_a_slip_in_the_name_is_seen(notebook):
    said = notebook.run(RIGHT_CELL.replace("forward_step", "foward_step"), CELL)
    assert said.startswith("○ Nothing to check")
    assert "then this one. There is a foward_step: is that a slip in the name?" in said
    assert "slip" not in notebook.run("del foward_step, forward_step", "def other(): pass", CELL)


def test_an_untouched_stub_checked_twice_is_not_accused(notebook):
    assert notebook.run(STUB, CELL).startswith("○ Not attempted yet")
    said = notebook.run(CELL)
    assert said.startswith("○ Nothing to check")
    assert "This is the course's own forward_step, which an earlier check or an import put there" in said
    assert notebook.run(STUB, CELL).startswith("○ Not attempted yet")
    assert not progress_file().exists()


def test_a_wrong_answer_checked_twice_is_wrong_once(notebook):
    assert notebook.run(WRONG_CELL, CELL).startswith("✗ Not yet")
    assert notebook.run(CELL).startswith("○ Nothing to check")
    assert notebook.run(WRONG_CELL, CELL).startswith("✗ Not yet")
    assert notebook.run(RIGHT_CELL, CELL).startswith("✓ Right")


@pytest.mark.parametrize("before", ["", "forward_step = None", "forward_step = 0.79", "forward_stepp = print"])
def test_where_no_function_is_the_check_says_so_and_the_notebook_goes_on(before, notebook):
    said = notebook.run(before, CELL)  # from the bottom up, after a restart, after a slip
    assert said.startswith("○ Nothing to check · 01.1")
    assert "There is no function forward_step yet" in said
    assert "run the cell that defines it, then this one." in said
    assert notebook.goes_on_with() is find("01.1").solution
    assert not progress_file().exists()
    assert notebook.run(RIGHT_CELL, CELL).startswith("✓ Right")


def test_a_value_in_the_place_of_the_function_is_named(notebook):
    assert "There is no function forward_step yet, only a value (float)" in notebook.run("forward_step = 0.79", CELL)


def test_what_was_solved_on_another_day_is_not_called_open(notebook):
    notebook.run(RIGHT_CELL, CELL)
    for source in (STUB, WRONG_CELL, "del forward_step", ""):
        said = notebook.run(source, CELL)
        assert "Not attempted yet" not in said
        assert "The answer that was right before still counts." in said
    assert ticks() == {"01.1": "done"}


def test_what_was_tried_on_another_day_is_not_called_unattempted(notebook):
    notebook.run(WRONG_CELL, CELL)
    said = notebook.run(STUB, CELL)
    assert said.startswith("○ Only the stub here · 01.1")
    assert ticks() == {"01.1": "tried"}


@pytest.mark.parametrize(
    "body",
    [
        "    raise NotImplementedError",
        '    """One step of the chain."""\n    raise NotImplementedError',
        "    # two factors?\n    raise NotImplementedError()  # later",
        '    """One step."""\n    ...\n    raise NotImplementedError("to do")',
    ],
)
def test_a_stub_is_one_with_a_docstring_or_a_comment_too(body, notebook):
    assert notebook.run(f"def forward_step(x_prev, beta, eps):\n{body}", CELL).startswith("○ Not attempted yet")


@pytest.mark.parametrize(
    "body",
    [
        "    signal = (1 - beta) ** 0.5\n    raise NotImplementedError",
        "    raise NotImplementedError\n    return (1 - beta) ** 0.5 * x_prev + beta**0.5 * eps",
        "    if beta > 0:\n        raise NotImplementedError\n    return x_prev",
    ],
)
def test_the_stubs_line_that_was_left_standing_is_named(body, notebook):
    said = notebook.run(f"def forward_step(x_prev, beta, eps):\n{body}", CELL)
    assert said.startswith("✗ Not yet")
    assert "the stub's line raise NotImplementedError, which still stands in it (line " in said


def test_the_stubs_line_left_in_a_bug_hunt_is_named_too(capsys):
    def find_the_bug(make_noisy):
        make_noisy(torch.zeros(1000), 0.5)
        raise NotImplementedError

    check("01.4", find_the_bug)
    assert "the stub's line raise NotImplementedError" in capsys.readouterr().out


def test_any_other_not_implemented_error_is_named_for_what_it_is(capsys):
    def on_no_device(x_prev, beta, eps):
        return torch.zeros(3, device="meta").item()

    def refused_by_the_library(x_prev, beta, eps):
        if eps.ndim == 0:
            raise NotImplementedError("no single numbers here")
        return eps

    check("01.1", on_no_device)
    assert "Your function stopped with " in capsys.readouterr().out
    check("01.1", refused_by_the_library)
    assert "Your function stopped with NotImplementedError: no single numbers here (line " in capsys.readouterr().out


# --- interrupted, printing, changing the notebook's state -------------------------------------------------------------


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_stops_the_answer_says_a_sentence_and_goes_on_to_the_notebook(capsys):
    running, finished = threading.Event(), threading.Event()

    def endless(x_prev, beta, eps):
        running.set()
        try:
            while True:
                pass
        finally:
            finished.set()

    def interrupt():
        running.wait()
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        check("01.1", endless)
    assert finished.wait(10)
    said = capsys.readouterr().out
    assert said.startswith("○ Interrupted · 01.1 One forward step\nNothing was recorded.")
    assert not progress_file().exists()
    assert check("01.1", forward_with_math) is forward_with_math  # and the next check is as good as ever


def test_a_print_in_every_call_fills_a_few_lines_and_not_the_notebook(capsys):
    def talks(x_prev, beta, eps):
        for line in range(1_000):
            print(f"line {line}: {type(x_prev)}")
        print("to stderr", file=sys.stderr)
        return forward_with_math(x_prev, beta, eps)

    assert check("01.1", talks) is talks
    said, errors = capsys.readouterr()
    assert said.startswith("✓ Right")
    assert "Your function printed, in all the calls of the check:\n    line 0: <class 'torch.Tensor'>\n" in said
    assert "line 5" not in said
    (left,) = re.findall(r"… and ([\d,]+) more characters", said)
    assert int(left.replace(",", "")) > 90_000
    assert len(said) < 1_000
    assert errors == ""


def test_one_long_line_is_cut_and_a_short_one_shown_whole(capsys):
    def long(x_prev, beta, eps):
        print("x" * 10_000, end="")
        return forward_with_math(x_prev, beta, eps)

    def short(average):
        print("looking")
        lets_everything_pass(average)

    check("01.1", long)
    assert len(capsys.readouterr().out) < 1_000
    check("02.9", short)
    said = capsys.readouterr().out
    assert "looking" in said
    assert "more characters" in said or said.count("looking") <= 5


def test_whoever_printed_before_the_check_prints_through_it(capsys):
    printed, go = threading.Event(), threading.Event()

    def bystander():
        go.wait()
        print("from a bar of progress")
        printed.set()

    threading.Thread(target=bystander).start()

    def waits(x_prev, beta, eps):
        go.set()
        printed.wait()
        print("from the answer")
        return forward_with_math(x_prev, beta, eps)

    check("01.1", waits)
    assert capsys.readouterr().out.startswith("from a bar of progress\n✓ Right")


def test_what_threads_of_the_answer_print_is_its_own(capsys):
    def splits(x_prev, beta, eps):
        helper = threading.Thread(target=print, args=("from a helper",))
        helper.start()
        helper.join()
        return forward_with_math(x_prev, beta, eps)

    check("01.1", splits)
    said = capsys.readouterr().out
    assert said.startswith("✓ Right")
    assert "    from a helper" in said


def state_of_the_notebook():
    return (
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        random.getstate(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.get_default_device(),
        sys.gettrace(),
        sys.getprofile(),
        sys.stdout,
        sys.stderr,
    )


def turns_everything_over(*arguments):
    torch.manual_seed(1)
    np.random.seed(2)  # noqa: NPY002
    random.seed(3)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_default_device("meta")
    sys.settrace(lambda *_: None)
    sys.setprofile(None)
    sys.stdout = sys.stderr = None


@pytest.mark.parametrize("ends", ["right", "wrong", "error", "endless"])
def test_the_notebooks_own_state_is_afterwards_what_it_was(ends, monkeypatch, capsys):
    monkeypatch.setattr(checks, "TIME_LIMIT", 1.0)

    def answer(x_prev, beta, eps):
        result = {"right": forward_with_math, "wrong": lambda *_: eps, "error": lambda *_: 1 / 0}.get(ends)
        found = result(x_prev, beta, eps) if ends in ("right", "wrong") else None
        turns_everything_over()
        if ends == "error":
            raise ValueError
        while ends == "endless":
            pass
        return found

    before = state_of_the_notebook()
    check("01.1", answer)
    assert state_of_the_notebook() == before
    assert capsys.readouterr().out.startswith("✓ Right" if ends == "right" else "✗ Not yet")


def test_a_check_says_the_same_whatever_the_notebook_has_set(capsys):
    try:
        torch.set_default_dtype(torch.float64)
        for seed in (1, 2):
            torch.manual_seed(seed)
            check("01.4", lambda make_noisy: print(make_noisy(torch.zeros(3), 0.0)))
            assert check("01.1", forward_with_math) is forward_with_math
    finally:
        torch.set_default_dtype(torch.float32)
    one, other = capsys.readouterr().out.split("✓ Right")[:2]
    assert "Your function printed" in one
    assert one.strip() in other


# --- strange results, and what the check adds of itself ---------------------------------------------------------------


def stepped(schedule, x_prev, t, beta, eps):
    kept = schedule.alpha_bar[t].to(x_prev.dtype)[:, None]  # (B, 1)
    return kept * (1 - beta) ** 0.5 * x_prev + beta**0.5 * eps


def noisy(x_prev, generator):
    return x_prev + torch.randn(x_prev.shape, generator=generator)


STEPS = Exercise(
    id="01.1",
    title="Steps",
    points=1,
    solution=lambda schedule, x_prev, t, beta, eps: stepped(schedule, x_prev, t, beta, eps),  # which answers may call
    why="",
    hints=(),
    trials=(
        Trial(
            lambda f: f(NoiseSchedule.linear(), torch.ones(2, 3), torch.tensor([3, 900]), 0.04, torch.ones(2, 3)),
            "It does not come out right.",
        ),
    ),
    mistakes=(),
)
NOISY = dataclasses.replace(
    STEPS,
    solution=lambda x_prev, generator: noisy(x_prev, generator),
    trials=(Trial(lambda f: f(torch.ones(3), torch.Generator().manual_seed(1)), "It is not right."),),
)


LISTS = Exercise(
    id="01.1",
    title="Halves of words",
    points=1,
    solution=lambda words, eps: [word[: len(word) // 2] for word in words],
    why="",
    hints=(),
    trials=(
        Trial(
            lambda f: torch.tensor(
                [
                    float(half == word[:2])
                    for half, word in zip(f(["four", "five"], torch.ones(2)), ["four", "five"], strict=True)
                ]
            ),
            "The halves are not right.",
        ),
    ),
    mistakes=(),
)


@pytest.fixture
def of_lists(monkeypatch):
    monkeypatch.setitem(EXERCISES, "01.1", LISTS)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (filter(None, ["fo", "fi"]), "should return a list, but got filter"),
        (("fo", "fi"), "should return a list, but got tuple"),
        ([filter(None, "fo"), "fi"], "The list should hold Python strs, but it holds filters."),
        ([2, None], "The list should hold Python strs, but it holds NoneTypes and ints."),
        (["fo"], "returned: a list of length 1, holding strs, where a list of length 2, holding strs"),
        ([], "returned: a list of length 0, where"),
        (["fo", "no"], "The halves are not right. For one input it gives 0, where 1 is right."),
    ],
)
def test_a_list_of_something_else_is_a_true_sentence(result, message, of_lists, capsys):
    check("01.1", lambda words, eps: result)
    assert message in capsys.readouterr().out


def test_the_checks_own_fault_is_not_laid_at_the_learners_door(monkeypatch, capsys):
    broken = Trial(lambda f: f(["four"], torch.ones(1)).no_such_thing, "never said")
    monkeypatch.setitem(EXERCISES, "01.1", dataclasses.replace(LISTS, trials=(broken,)))
    check("01.1", lambda words, eps: ["fo"])
    said = capsys.readouterr().out
    assert said.startswith("○ Nothing to check")
    assert "The check itself failed, not your function: AttributeError: 'list' object" in said
    assert ticks() == {}


def test_a_mistake_that_crashes_is_passed_over(monkeypatch, capsys):
    def crashes(x_prev, beta, eps):
        raise ValueError("nobody's fault")

    one_pixel = find("01.1")
    mistakes = (crashes, *one_pixel.mistakes)
    monkeypatch.setitem(EXERCISES, "01.1", dataclasses.replace(one_pixel, mistakes=mistakes))
    check("01.1", lambda x_prev, beta, eps: x_prev + beta**0.5 * eps)
    assert "The old value is not shrunk" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda right: right.to(torch.complex64), "the root of a negative number was taken"),
        (lambda right: right.long(), "it is torch.int64"),
        (lambda right: right > 0, "it is torch.bool"),
        (lambda right: right.to("meta"), "on the inputs' device, cpu, but it is on meta"),
        (lambda right: right.to_sparse(), "should be a dense one, but it is torch.sparse_coo: use .to_dense()"),
        (lambda right: right.numpy(), "should return a torch.Tensor, but got ndarray"),
        (lambda right: right.item(), "should return a torch.Tensor, but got float"),
        (lambda right: [right], "should return a torch.Tensor, but got list"),
        (lambda right: iter([right]), "should return a torch.Tensor, but got list_iterator"),
    ],
)
def test_a_strange_tensor_is_a_true_sentence(make, message, capsys):
    check("01.1", lambda x_prev, beta, eps: make(forward_with_math(x_prev, beta, eps)))
    said = capsys.readouterr().out
    assert said.startswith("✗ Not yet")
    assert message in said


def test_a_right_tensor_that_records_its_gradient_is_right(capsys):
    def with_gradient(x_prev, beta, eps):
        return forward_with_math(x_prev, beta, eps).requires_grad_()

    assert check("01.1", with_gradient) is with_gradient


def test_an_argument_that_changes_its_dtype_in_place_is_damage(capsys):
    def changes(x_prev, beta, eps):
        result = forward_with_math(x_prev, beta, eps)
        x_prev.data = x_prev.data.double()
        return result

    check("01.1", changes)
    assert "changes its argument x_prev in place" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            lambda schedule, x, t, beta, eps: stepped(schedule, x, t, beta, torch.randn_like(x)),
            "use the eps that it is",
        ),
        (lambda schedule, x, t, beta, eps: stepped(schedule, x, t, 0.01, eps), "the same whatever beta is"),
        (lambda schedule, x, t, beta, eps: torch.zeros_like(x), "the same whatever schedule is"),
        (lambda schedule, x, t, beta, eps: stepped(NoiseSchedule.cosine(), x, t, beta, eps), "whatever schedule is"),
        (lambda schedule, x, t, beta, eps: stepped(schedule, x, t * 0 + 5, beta, eps), "whatever t is"),
        (lambda schedule, x, t, beta, eps: stepped(schedule, x, t, beta, x + 1), "whatever eps is"),
        (lambda schedule, x, t, beta, eps: stepped(schedule, eps, t, beta, 2 * eps), "whatever x_prev is"),
        (
            lambda schedule, x, t, beta, eps: 3 * stepped(schedule, x, t, beta, eps),
            "For one input it gives 3.538, where",
        ),
        (lambda schedule, x, t, beta, eps: x * math.nan, "it gives nan, not a number: is something divided by 0"),
        (lambda schedule, x, t, beta, eps: x * math.inf, "it gives inf, where "),
    ],
)
def test_noise_of_its_own_and_an_unused_argument_are_named(answer, message, monkeypatch, capsys):
    monkeypatch.setitem(EXERCISES, "01.1", STEPS)
    check("01.1", answer)
    said = capsys.readouterr().out
    assert "It does not come out right. " in said
    assert message in said


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x, generator: x + torch.randn(x.shape), "two different results: use the generator that it is handed"),
        (lambda x, generator: x + 1, "gives the same whatever generator is"),
        (lambda x, generator: noisy(x, torch.Generator().manual_seed(7)), "gives the same whatever generator is"),
        (lambda x, generator: 2 * noisy(x, generator), "For one input it gives"),
    ],
)
def test_another_generator_is_named(answer, message, monkeypatch, capsys):
    monkeypatch.setitem(EXERCISES, "01.1", NOISY)
    check("01.1", answer)
    assert message in capsys.readouterr().out


def test_the_remark_never_costs_the_verdict(monkeypatch, capsys):
    monkeypatch.setitem(EXERCISES, "01.1", STEPS)
    calls = []

    def only_once(schedule, x_prev, t, beta, eps):
        calls.append(eps)
        if len(calls) > 1:
            raise SystemExit
        return 2 * eps

    check("01.1", only_once)
    assert "It does not come out right. For one input it gives 2, where " in capsys.readouterr().out


# --- endless, and right by chance -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stubborn", [False, True], ids=["endless", "endless and catching everything"])
def test_an_endless_loop_is_stopped(stubborn, monkeypatch, capsys):
    monkeypatch.setattr(checks, "TIME_LIMIT", 0.3)
    finished = time.monotonic() + 3  # the test must not leave a thread behind for ever

    def endless(x_prev, beta, eps):
        while time.monotonic() < finished:
            try:
                while time.monotonic() < finished:
                    pass
            except BaseException:
                if not stubborn:
                    raise

    began = time.monotonic()
    assert check("01.1", endless) is find("01.1").solution
    assert time.monotonic() - began < 4
    assert "is there a loop that never ends?" in capsys.readouterr().out


def test_a_global_seed_is_no_substitute_for_the_generator(capsys):
    check("03.1", lambda schedule, now, s, previous, generator: ddpm_by_the_paper(schedule, now, s, None, None))
    assert "Twice the same generator should give twice the same step." in capsys.readouterr().out


def test_one_right_number_is_not_enough(capsys):
    check("01.1", lambda x_prev, beta, eps: torch.full_like(x_prev, 0.5 * 0.96**0.5 + 0.3))
    assert "One pixel comes out right, but not every picture" in capsys.readouterr().out


def test_a_mistake_that_cannot_run_on_an_input_is_not_taken_for_the_learners_error(capsys):
    linear = NoiseSchedule.linear()
    check("01.3", lambda schedule, x_0, t, eps: jump_by_views(linear, x_0, t, eps))  # whatever schedule comes
    assert "It does not come out right for oblong colour pictures with the cosine" in capsys.readouterr().out


# --- bug hunts --------------------------------------------------------------------------------------------------------


def looks_at_nothing(candidate):
    candidate  # noqa: B018


def refuses_unseen(candidate):
    raise AssertionError("no")


def stops_with_another_error(candidate):
    raise ValueError("no assertion")


def misspelt(candidate):
    assert candidat(1)  # noqa: F821


def takes_no_candidate():
    raise AssertionError("never called")


def never_ends(candidate):
    while True:
        pass


def calls(candidate):
    """Call a version in vain, with too few arguments."""
    with contextlib.suppress(TypeError):
        candidate()


def lets_everything_pass(candidate):
    calls(candidate)


def refuses_everything(candidate):
    calls(candidate)
    raise AssertionError("no")


def returns_what_it_found(candidate):
    calls(candidate)
    return False


def hands_over_too_little(candidate):
    assert candidate() is None


def refuses_in_turns(turns):
    """A test that hardly looks at what it is handed, and stops in some of its turns."""
    turns = iter(turns)

    def refuses(candidate):
        calls(candidate)
        assert not next(turns)

    return refuses


def refuses_by_chance(share, seed=0):
    """A test that fails by chance."""
    chance = random.Random(seed)
    return refuses_in_turns(chance.random() < share for _ in itertools.count())


@pytest.mark.parametrize("hunt", HUNTS, **by_id)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: looks_at_nothing, "Your test never calls {handed}, the function that it is handed."),
        (lambda: refuses_unseen, "Your test never calls {handed}, the function that it is handed."),
        (lambda: lets_everything_pass, "lets the broken version pass: no `assert` stops it."),
        (lambda: returns_what_it_found, "it returns what it found, where an `assert` that fails should stop it."),
        (lambda: refuses_everything, "refuses a correct version too (AssertionError: no (line "),
        (lambda: stops_with_another_error, "Your test stops with ValueError: no assertion (line "),
        (lambda: misspelt, "Your test stops with NameError: name 'candidat' is not defined (line "),
        (lambda: takes_no_candidate, "Your test stops with TypeError: takes_no_candidate() takes 0 positional"),
        (lambda: hands_over_too_little, "Your test stops with TypeError: {handed}() missing "),
        (lambda: never_ends, "is there a loop that never ends?"),
        (lambda: refuses_by_chance(0.5), "by chance"),
    ],
)
@pytest.mark.slow
def test_a_test_that_catches_nothing_is_told_why(hunt, make, message, monkeypatch, capsys):
    monkeypatch.setattr(checks, "TIME_LIMIT", 2.0)
    check(hunt.id, make())
    assert message.format(handed=next(iter(inspect.signature(hunt.solution).parameters))) in capsys.readouterr().out
    assert ticks() == {hunt.id: "tried"}


def test_a_test_that_counts_its_calls_is_no_catch(capsys):
    correct = len(find("01.4").correct)
    check("01.4", refuses_in_turns([*correct * [False], True, *1_000 * [False]]))
    assert "lets the broken version pass" in capsys.readouterr().out  # in the second round


@pytest.mark.parametrize("seed", range(5))
def test_a_test_that_fails_one_time_in_twenty_is_found_out(seed, capsys):
    chance = random.Random(seed)

    def mostly_right(make_noisy):
        assert (make_noisy(torch.zeros(100), 0.0) < 0).any()
        assert chance.random() > 0.05

    check("01.4", mostly_right)
    said = capsys.readouterr().out
    assert "Your test refuses a correct version now and then, by chance (AssertionError" in said
    assert "Take more numbers, or leave more room" in said


def test_a_test_by_an_own_error_is_sent_to_the_assertion(capsys):
    def stops(make_noisy):
        if make_noisy(torch.zeros(1000), 0.5).min() > -0.1:
            raise ValueError("too bright")

    check("01.4", stops)
    said = capsys.readouterr().out
    assert "does not reach an assertion: it stops with ValueError: too bright" in said
    assert "Let an `assert` say what is wrong." in said


@pytest.mark.parametrize("hunt", HUNTS, **by_id)
def test_the_broken_function_is_shown_as_it_is_run(hunt, capsys):
    show_source(hunt.id)
    assert capsys.readouterr().out.strip() == inspect.getsource(hunt.broken).strip()


# --- hints, answers, ids ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", EXERCISES.values(), **by_id)
def test_hints_open_one_inside_the_other(exercise, shown):
    hints(exercise.id)
    (text,) = (data["text/markdown"] for data in shown)
    places = [text.index(hint) for hint in exercise.hints]
    assert len(places) >= 2
    assert places == sorted(places)
    assert text.count("<details>") == text.count("\n\n</details>") == len(places)
    assert text.endswith("</details>")
    assert text.rindex("<details>") < places[-1] < text.index("</details>")  # the last lies inside all others


@pytest.mark.parametrize("exercise", EXERCISES.values(), **by_id)
def test_the_answer_is_the_solutions_own_source_and_a_word_on_why(exercise, shown):
    show_answer(exercise.id)
    (text,) = (data["text/markdown"] for data in shown)
    assert text.startswith("<details><summary>Show answer</summary>\n\n```python\n")
    assert inspect.getsource(inspect.unwrap(exercise.solution)).rstrip().splitlines()[-1].strip() in text
    assert '"""' not in text
    assert exercise.why in text
    compile(text.split("```python\n")[1].split("\n```")[0], exercise.id, "exec")


def test_an_unknown_id_names_the_ones_there_are():
    with pytest.raises(ValueError, match=r"no exercise '01\.9': choose from 01\.1, 01\.2, 01\.3, 01\.4, 01\.5\."):
        check("01.9", stub)
    with pytest.raises(ValueError, match=r"no exercise 'forward': choose from 01\.1, .*, 09\.7\."):
        show_answer("forward")


def test_ids_are_in_order_and_have_points():
    assert list(EXERCISES) == sorted(EXERCISES)
    assert all(each.points in (1, 2, 3) for each in EXERCISES.values())


# --- progress ---------------------------------------------------------------------------------------------------------


def test_done_stays_done():
    record("01.1", "tried")
    record("01.1", "done")
    record("01.1", "tried")
    assert json.loads(progress_file().read_text()) == {"01.1": "done"}


def test_a_place_that_cannot_be_written_to_is_no_error(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "file" / "progress.json"))
    assert check("01.1", forward_with_math) is forward_with_math
    assert "could not be saved" in capsys.readouterr().out


def test_progress_shows_done_tried_and_open(shown):
    record("01.1", "done")
    record("03.5", "tried")
    record("self-check 01-a", "done")
    progress()
    (text,) = (data["text/markdown"] for data in shown)
    assert "| 01.1 | One forward step | ✓ done | 2 |" in text
    assert "| 03.5 | DDIM's step | ◐ tried | 3 |" in text
    assert text.count("○ open") == len(EXERCISES) - 2
    assert f"**2 of {sum(each.points for each in EXERCISES.values())} points**, and 1 of " in text


# --- the test of a bug hunt, on another function ----------------------------------------------------------------------


def refuses_negative(function):
    assert function(-2) >= 0, "it should be positive"


def test_the_courses_own_test_is_called_by_its_name(capsys):
    hunt = EXERCISES["01.4"]
    run_test(hunt.solution, hunt.correct[0], "a right step")
    assert capsys.readouterr().out == "The course's test lets a right step pass.\n"


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (abs, "The test lets the course's abs pass."),
        (lambda x: x, "The test refuses the course's abs: it should be positive"),
        (lambda: 1, "The test stops at the course's abs: TypeError"),
    ],
)
def test_a_test_tried_on_another_function_says_what_it_makes_of_it_and_stops_nothing(function, says, capsys):
    run_test(refuses_negative, function, "the course's abs")
    assert capsys.readouterr().out.startswith(says)
