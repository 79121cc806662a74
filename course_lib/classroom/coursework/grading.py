"""Grading everything that was handed in: several hand-ins at once, resumable, and nothing twice."""

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

from course_lib.classroom.coursework.assignment import Assignment
from course_lib.classroom.coursework.handed_in import (
    Cell,
    File,
    HandIn,
    UnreadableError,
    cells_of,
    defined_names,
    has_place_for,
    words_on,
)
from course_lib.classroom.coursework.marking import Known, Mark, Marker
from course_lib.classroom.coursework.sandbox import Sandbox, sandbox
from course_lib.classroom.coursework.slicing import read_cells
from course_lib.classroom.coursework.task import Question, functions_of, questions_of
from course_lib.classroom.coursework.within import USUAL, Limits
from course_lib.support.files import atomic_write

RESULTS = "results"


@dataclass
class Graded:
    """What became of one hand-in.

    Args:
        student, number, late: as in ``HandIn``.
        graded: the file that counted, by notebook.
        marks: by the task's id.
        keys: of what the marks depend on, by task: an unchanged one is not marked again.
        code: of the answers, by task.
        words: what was answered to questions, by task.
        notes: to the instructor.
    """

    key: str
    student: str
    number: str = ""
    late: bool = False
    graded: dict[str, str] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def points(self) -> int:
        return sum(mark.points for mark in self.marks.values())


def grade_all(
    assignment: Assignment,
    hand_ins: list[HandIn],
    folder: Path,
    at_once: int = 1,
    limits: Limits = USUAL,
    cluster: str | None = None,
) -> Iterator[Graded]:
    """Grade hand-ins, and yield each when it is done and its result is saved in ``folder``.

    Marks of an earlier time stay where nothing has changed.

    Args:
        at_once: how many, each in processes of its own.
        cluster: the address of a Dask scheduler, on whose workers they are graded instead.
    """
    results = folder / RESULTS
    results.mkdir(parents=True, exist_ok=True)
    grade = partial(_grade_again, assignment, limits)
    asked = [(hand_in, load_result(results / f"{hand_in.key}.json")) for hand_in in hand_ins]
    graded = _on_cluster(grade, asked, cluster) if cluster else _here(grade, asked, at_once)
    for hand_in, each in graded:
        each = each or _lost(hand_in, assignment)
        with atomic_write(results / f"{each.key}.json") as partial_file:
            text = json.dumps(asdict(each), indent=1, ensure_ascii=False)
            partial_file.write_text(text + "\n", encoding="utf-8", errors="replace")
        yield each


Asked = tuple[HandIn, "Graded | None"]
"""A hand-in, and what became of it the last time."""


def _here(grade: partial, asked: list[Asked], at_once: int) -> Iterator[tuple[HandIn, Graded | None]]:
    """Grade in processes of this machine; those that were lost with their process again, each in one of its own."""
    lost = []
    for hand_in, graded in _in_a_pool(grade, asked, at_once):
        if graded is None:
            lost.append(next(each for each in asked if each[0] is hand_in))
        else:
            yield hand_in, graded
    for each in lost:
        yield from _in_a_pool(grade, [each], 1)


def _in_a_pool(grade: partial, asked: list[Asked], at_once: int) -> Iterator[tuple[HandIn, Graded | None]]:
    if not asked:
        return
    settings = {"mp_context": get_context("spawn"), "initializer": torch.set_num_threads, "initargs": (1,)}
    pool = ProcessPoolExecutor(at_once, **settings)
    try:
        waiting = {pool.submit(grade, *each): each[0] for each in asked}
        for done in as_completed(waiting):
            try:
                graded = done.result()
            except Exception:  # whatever a hand-in has done to its grader
                graded = None
            yield waiting[done], graded
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for those that are being graded, and for no others


def _on_cluster(grade: partial, asked: list[Asked], address: str) -> Iterator[tuple[HandIn, Graded | None]]:
    """Grade on the workers of a Dask cluster, which gives a dead worker's hand-ins to the others."""
    from dask.distributed import Client
    from dask.distributed import as_completed as done_first

    with Client(address) as client:
        waiting = {client.submit(grade, *each, pure=False): each[0] for each in asked}
        for done in done_first(waiting):
            yield waiting[done], done.result() if done.status == "finished" else None


def _lost(hand_in: HandIn, assignment: Assignment) -> Graded:
    marks = {
        each: Mark(each, task.title, 0, task.points, "missing", "It could not be graded.")
        for each, task in assignment.tasks.items()
    }
    notes = [*hand_in.notes, "the grader broke down over this hand-in twice: look at it by hand"]
    return Graded(hand_in.key, hand_in.student, hand_in.number, hand_in.late, marks=marks, notes=notes)


def _grade_again(assignment: Assignment, limits: Limits, hand_in: HandIn, before: Graded | None) -> Graded:
    with sandbox() as box:
        return grade_one(assignment, hand_in, box, limits, before)


def grade_one(
    assignment: Assignment, hand_in: HandIn, box: Sandbox, limits: Limits = USUAL, before: Graded | None = None
) -> Graded:
    """Grade one hand-in; its marks of an earlier time stay where nothing has changed."""
    known: Known = {} if before is None else {each: (before.keys[each], before.marks[each]) for each in before.keys}
    graded = Graded(hand_in.key, hand_in.student, hand_in.number, hand_in.late, notes=list(hand_in.notes))
    chosen = _chosen(hand_in, assignment, graded.notes)
    marker = Marker(box, assignment.secret, limits, known)
    for name, tasks in assignment.by_notebook.items():
        file, cells = chosen.get(name, (None, []))
        code = read_cells([cell.source for cell in cells if cell.is_code])
        if file is None:
            graded.notes.append(f"{name} is not among the files")
        else:
            graded.graded[name] = file.name
            graded.notes += [f"{file.name}, code cell {cell}: {why}" for cell, why in code.unreadable.items()]
        marks = marker.mark(code, functions_of(tasks))
        for each, question in questions_of(tasks).items():
            graded.words[each] = words_on(question, cells)
            if cells and not graded.words[each] and not has_place_for(question, cells):
                graded.notes.append(f"{each} is gone from {file.name}: is there an answer somewhere else?")
            marks[each] = _to_read(question, graded.words[each])
        graded.marks |= {each: marks[each] for each in tasks}
    graded.keys = {each: key for each, key in marker.keys.items() if each in graded.marks}
    graded.code = {each: text for each, text in marker.texts.items() if each in graded.marks}
    graded.notes += [f"{mark.exercise} {mark.note}" for mark in graded.marks.values() if mark.note]
    return graded


def _to_read(question: Question, words: str) -> Mark:
    """The mark of a question, before somebody has read what was written."""
    says = "" if words else "Nothing is written under the question."
    return Mark(question.id, question.title, 0, question.points, "to read" if words else "open", says)


def load_result(path: Path) -> Graded | None:
    """A result of an earlier time; None if there is none that can be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        marks = {each: Mark(**mark) for each, mark in values.pop("marks").items()}
        return Graded(**values, marks=marks)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _chosen(hand_in: HandIn, assignment: Assignment, notes: list[str]) -> dict[str, tuple[File, list[Cell]]]:
    """The file that counts for each notebook, and its cells: the one changed last, if there are several."""
    found: dict[str, list[tuple[File, list[Cell]]]] = {}
    for file in hand_in.files:
        try:
            cells = cells_of(file)
        except UnreadableError as error:
            notes.append(f"{file.name}: {error}")
            continue
        name = _which(file, cells, assignment)
        if name is not None:
            found.setdefault(name, []).append((file, cells))
        elif cells:
            notes.append(f"{file.name}: belongs to no notebook of the assignment")
    chosen = {name: max(files, key=lambda each: (each[0].modified, each[0].name)) for name, files in found.items()}
    for name, files in found.items():
        if len(files) > 1:
            notes.append(f"{len(files)} files for {name}: {chosen[name][0].name}, changed last, was graded")
    return chosen


def _which(file: File, cells: list[Cell], assignment: Assignment) -> str | None:
    """The notebook that a file is: the one most of whose functions stand in it, or else the one after which it is called."""
    sources = [cell.source for cell in cells if cell.is_code]
    names, text = defined_names(sources), "\n".join(sources)
    score = {
        notebook: sum(
            (each.solution.__name__ in names) + 2 * (f'"{each.id}"' in text) for each in functions_of(tasks).values()
        )
        for notebook, tasks in assignment.by_notebook.items()
    }
    headings = "\n".join(cell.source for cell in cells if not cell.is_code)
    for notebook, tasks in assignment.by_notebook.items():
        score[notebook] += sum(2 * (f"### {each} ·" in headings) for each in tasks)
    best = max(score, key=lambda notebook: (score[notebook], notebook in file.name))
    if score[best]:
        return best
    return next((notebook for notebook in score if notebook in file.name), None)
