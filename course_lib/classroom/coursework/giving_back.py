"""What comes of the marks: tables that Moodle and Canvas import, a page for each student, and one for the instructor."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from course_lib.classroom.checks import source_of
from course_lib.classroom.coursework.assignment import Assignment
from course_lib.classroom.coursework.grading import Graded
from course_lib.classroom.coursework.marking import Mark
from course_lib.classroom.coursework.pages import count, harmless, safe, write_page
from course_lib.classroom.coursework.similarity import similar_pairs
from course_lib.classroom.coursework.task import Question, Task, functions_of
from course_lib.classroom.exercises import EXERCISES

STATES = {
    "right": "✓ right",
    "wrong": "✗ not right",
    "open": "○ not attempted",
    "missing": "○ not found",
    "to read": "◌ not yet read",
    "read": "read",
}
HOW_TO_GO_ON = """<p>The notebook's own check of an exercise names the same mistake: mend the function, run the check, and read
the hints below it. (The points come from other numbers than the check's.)</p>"""


def write_tables(folder: Path, assignment: Assignment, all_graded: list[Graded]) -> list[Path]:
    """Write grades.csv, with every task, and what Moodle and Canvas take."""
    tasks = list(assignment.tasks)
    full = [["student", "number", "late", *tasks, "points", "out of", "notes"]]
    moodle = [["Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)", "Feedback comments"]]
    canvas = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", assignment.title],
        ["    Points Possible", "", "", "", "", assignment.points],
    ]
    for each in all_graded:
        marks = [each.marks[task] for task in tasks]
        points = ["" if mark.state == "to read" else mark.points for mark in marks]
        notes = "; ".join(each.notes)
        full.append(
            [each.student, each.number, "late" if each.late else "", *points, each.points, assignment.points, notes]
        )
        told = ((mark, mark.says or STATES[mark.state]) for mark in marks if mark.state != "right")
        comments = "; ".join(f"{mark.exercise}: {says}" for mark, says in told)
        identifier = f"Participant {each.number}" if each.number else ""
        moodle.append([identifier, each.student, each.points, assignment.points, "-", comments])
        canvas.append([each.student, each.number, "", "", "", each.points])
    tables = {"grades.csv": full, "grades_moodle.csv": moodle, "grades_canvas.csv": canvas}
    for name, rows in tables.items():
        with open(folder / name, "w", newline="", encoding="utf-8-sig", errors="replace") as file:  # for Excel
            csv.writer(file).writerows([harmless(value) for value in row] for row in rows)
    return [folder / name for name in tables]


def write_feedback(folder: Path, assignment: Assignment, graded: Graded) -> Path:
    """Write the page that a student gets back: every task, what is wrong with it, and how to go on."""
    rows = "".join(
        _row(mark, assignment.tasks[each], graded.words.get(each, "")) for each, mark in graded.marks.items()
    )
    unread = sum(mark.state == "to read" for mark in graded.marks.values())
    so_far = f" so far ({count(unread, 'answer')} still to be read)" if unread else ""
    checked = any(mark.state == "wrong" and each in EXERCISES for each, mark in graded.marks.items())
    page = f"""<h1>{safe(assignment.title)}</h1>
<p><strong>{safe(graded.student)}</strong>: {graded.points} of {assignment.points} points{so_far}</p>
<table><thead><tr><th>exercise</th><th>verdict</th><th class="number">points</th></tr></thead><tbody>{rows}</tbody></table>
{HOW_TO_GO_ON if checked else ""}"""
    path = folder / "feedback" / f"{graded.key}.html"
    write_page(path, f"{assignment.title}: {graded.student}", page)
    return path


def write_overview(folder: Path, assignment: Assignment, all_graded: list[Graded]) -> Path:
    """Write the instructor's page: points by exercise, what goes wrong most often, and what to look at by hand."""
    mean = sum(each.points for each in all_graded) / max(len(all_graded), 1)
    rows = "".join(
        _task_row(task, [each.marks[task_id] for each in all_graded]) for task_id, task in assignment.tasks.items()
    )
    to_look_at = "".join(
        f"<tr><td>{safe(each.student)}</td><td>{'<br>'.join(map(safe, each.notes))}</td></tr>"
        for each in all_graded
        if each.notes
    )
    unread = sum(mark.state == "to read" for each in all_graded for mark in each.marks.values())
    so_far = f" so far; {count(unread, 'answer')} still to be read" if unread else ""
    page = f"""<h1>{safe(assignment.title)}</h1>
<p>{count(len(all_graded), "hand-in")}, on average {mean:.1f} of {assignment.points} points{so_far}.</p>
<h2>Exercise by exercise</h2>
<table><thead><tr><th>exercise</th><th>right, or mean points</th>
<th class="number">not attempted</th><th>most frequent mistake</th>
</tr></thead><tbody>{rows}</tbody></table>
<h2>How the points are spread</h2>
{_spread([each.points for each in all_graded], assignment.points)}
<h2>To look at</h2>
<table><tbody>{to_look_at or "<tr><td>nothing</td></tr>"}</tbody></table>"""
    path = folder / "overview.html"
    write_page(path, f"{assignment.title}: overview", page)
    return path


def write_similar(folder: Path, assignment: Assignment, all_graded: list[Graded], handed_out: str) -> Path:
    """Write the page of pairs of hand-ins that are alike, side by side."""
    by_key = {each.key: each for each in all_graded}
    solutions = (source_of(task.solution) for task in functions_of(assignment.tasks).values())
    pairs = similar_pairs({each.key: each.code for each in all_graded}, [handed_out, *solutions])
    parts = []
    for pair in pairs:
        first, second = by_key[pair.first], by_key[pair.second]
        both = "".join(
            f"<tr><th colspan=2>{exercise} {safe(assignment.tasks[exercise].title)}</th></tr><tr>"
            + "".join(f"<td><pre>{safe(each.code.get(exercise, ''))}</pre></td>" for each in (first, second))
            + "</tr>"
            for exercise in pair.exercises
        )
        parts.append(
            f"<h2>{safe(first.student)} and {safe(second.student)}: {pair.share:.0%}</h2><table>{both}</table>"
        )
    page = f"""<h1>{safe(assignment.title)}: alike</h1>
<p>Pairs whose code is alike: of what stands neither in the hand-out nor in a solution nor in many other hand-ins, at least
half of the shorter one is the same. A reason to look, and no proof: friends who explain things to each other write alike,
too. (A copy that went round the whole class is not found: what many share does not count.)</p>
{"".join(parts) or "<p>There are none.</p>"}"""
    path = folder / "similar.html"
    write_page(path, f"{assignment.title}: alike", page)
    return path


def _row(mark: Mark, task: Task, words: str) -> str:
    says = f'<div class="says">{safe(mark.says)}</div>' if mark.says else ""
    if words:
        says += f'<details><summary>your answer</summary><div class="says">{safe(words)}</div></details>'
    if isinstance(task, Question) and mark.state == "read":
        criteria = "".join(f"<li>{count(points, 'point')}: {safe(what)}</li>" for points, what in task.criteria)
        says += f"<details><summary>what the {task.points} points are for</summary><ul>{criteria}</ul></details>"
    points = "–" if mark.state == "to read" else mark.points
    return (
        f"<tr><td>{mark.exercise} {safe(mark.title)}</td><td>{STATES[mark.state]}{says}</td>"
        f'<td class="number">{points} of {mark.out_of}</td></tr>'
    )


def _task_row(task: Task, marks: list[Mark]) -> str:
    untouched = sum(mark.state in ("open", "missing") for mark in marks)
    if isinstance(task, Question):
        points = [mark.points for mark in marks if mark.state == "read"]
        mean = sum(points) / max(len(points), 1)
        reached = f"{_bar(mean / task.points)} {mean:.1f} of {task.points}" if points else ""
        most = f"{len(points)} read, {sum(mark.state == 'to read' for mark in marks)} to be read"
    else:
        right = sum(mark.state == "right" for mark in marks)
        reached = f"{_bar(right / max(len(marks), 1))} {right} of {len(marks)}"
        said = Counter(mark.says for mark in marks if mark.state == "wrong").most_common(1)
        most = f"{safe(said[0][0])}{f' ({said[0][1]} times)' if said[0][1] > 1 else ''}" if said else ""
    return (
        f"<tr><td>{task.id} {safe(task.title)}</td><td>{reached}</td>"
        f'<td class="number">{untouched}</td><td class="says">{most}</td></tr>'
    )


def _spread(points: Iterable[int], out_of: int) -> str:
    """How many hand-ins have how many tenths of the points."""
    tenths = Counter(min(10 * each // max(out_of, 1), 9) for each in points)
    most = max(tenths.values(), default=1)
    rows = "".join(
        f'<tr><td class="number">{10 * k} to {10 * (k + 1)} %</td><td>{_bar(tenths[k] / most)} {tenths[k]}</td></tr>'
        for k in range(10)
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _bar(share: float) -> str:
    full, rest = round(120 * share), round(120 * (1 - share))
    return f'<span class="bar" style="width:{full}px"></span><span class="rest" style="width:{rest}px"></span>'
