"""What comes of the marks: tables that Moodle and Canvas import, a page for each student, and one for the instructor."""

import csv
import html
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from course_lib.classroom.coursework.assignment import Assignment
from course_lib.classroom.coursework.grading import Graded
from course_lib.classroom.coursework.marking import Mark
from course_lib.classroom.coursework.similarity import similar_pairs
from course_lib.classroom.exercises import EXERCISES

STATES = {"right": "✓ right", "wrong": "✗ not yet", "open": "○ not attempted", "missing": "○ not found"}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #d0d0d0; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td:has(.bar) { white-space: nowrap; }
.says { white-space: pre-wrap; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; margin: 0; }
.bar { background: #0072b2; height: .8rem; display: inline-block; vertical-align: middle; }
.rest { background: #e0e0e0; height: .8rem; display: inline-block; vertical-align: middle; }
@media print { body { margin: 0; } }
"""


def write_tables(folder: Path, assignment: Assignment, all_graded: list[Graded]) -> list[Path]:
    """Write grades.csv, with every exercise, and what Moodle and Canvas take."""
    exercises = [each for ids in assignment.exercises.values() for each in ids]
    full = [["student", "number", "late", *exercises, "points", "out of", "notes"]]
    moodle = [["Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)", "Feedback comments"]]
    canvas = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", assignment.title],
        ["    Points Possible", "", "", "", "", assignment.points],
    ]
    for each in all_graded:
        points = [each.marks[exercise].points for exercise in exercises]
        notes = "; ".join(each.notes)
        full.append(
            [each.student, each.number, "late" if each.late else "", *points, each.points, assignment.points, notes]
        )
        comments = "; ".join(f"{mark.exercise} {mark.says}" for mark in each.marks.values() if mark.state == "wrong")
        identifier = f"Participant {each.number}" if each.number else ""
        moodle.append([identifier, each.student, each.points, assignment.points, "-", comments])
        canvas.append([each.student, each.number, "", "", "", each.points])
    tables = {"grades.csv": full, "grades_moodle.csv": moodle, "grades_canvas.csv": canvas}
    for name, rows in tables.items():
        with open(folder / name, "w", newline="", encoding="utf-8-sig", errors="replace") as file:  # for Excel
            csv.writer(file).writerows([_harmless(value) for value in row] for row in rows)
    return [folder / name for name in tables]


def write_feedback(folder: Path, assignment: Assignment, graded: Graded) -> Path:
    """Write the page that a student gets back: every exercise, what is wrong with it, and how to go on."""
    rows = "".join(_row(mark) for mark in graded.marks.values())
    page = f"""<h1>{_safe(assignment.title)}</h1>
<p><strong>{_safe(graded.student)}</strong>: {graded.points} of {assignment.points} points</p>
<table><thead><tr><th>exercise</th><th>verdict</th><th class="number">points</th></tr></thead><tbody>{rows}</tbody></table>
<p>Where a mistake is named, the check of the notebook names it as well: put your function right, run the check, and read
the hints under it. The numbers that answers were tried on here are others than the notebook's.</p>"""
    path = folder / "feedback" / f"{graded.key}.html"
    _write_page(path, f"{assignment.title}: {graded.student}", page)
    return path


def write_overview(folder: Path, assignment: Assignment, all_graded: list[Graded]) -> Path:
    """Write the instructor's page: points by exercise, what goes wrong most often, and what to look at by hand."""
    count = max(len(all_graded), 1)
    mean = sum(each.points for each in all_graded) / count
    rows = "".join(
        _exercise_row(exercise, [each.marks[exercise] for each in all_graded])
        for ids in assignment.exercises.values()
        for exercise in ids
    )
    to_look_at = "".join(
        f"<tr><td>{_safe(each.student)}</td><td>{'<br>'.join(map(_safe, each.notes))}</td></tr>"
        for each in all_graded
        if each.notes
    )
    page = f"""<h1>{_safe(assignment.title)}</h1>
<p>{len(all_graded)} hand-ins, on average {mean:.1f} of {assignment.points} points.</p>
<h2>Exercise by exercise</h2>
<table><thead><tr><th>exercise</th><th>right</th><th class="number">not attempted</th><th>most often said to the others</th>
</tr></thead><tbody>{rows}</tbody></table>
<h2>How the points are spread</h2>
{_spread([each.points for each in all_graded], assignment.points)}
<h2>To look at</h2>
<table><tbody>{to_look_at or "<tr><td>nothing</td></tr>"}</tbody></table>"""
    path = folder / "overview.html"
    _write_page(path, f"{assignment.title}: overview", page)
    return path


def write_similar(folder: Path, assignment: Assignment, all_graded: list[Graded], handed_out: str) -> Path:
    """Write the page of pairs of hand-ins that are alike, side by side."""
    by_key = {each.key: each for each in all_graded}
    pairs = similar_pairs({each.key: each.code for each in all_graded}, handed_out)
    parts = []
    for pair in pairs:
        first, second = by_key[pair.first], by_key[pair.second]
        both = "".join(
            f"<tr><th colspan=2>{exercise} {_safe(EXERCISES[exercise].title)}</th></tr><tr>"
            + "".join(f"<td><pre>{_safe(each.code.get(exercise, ''))}</pre></td>" for each in (first, second))
            + "</tr>"
            for exercise in pair.exercises
        )
        parts.append(
            f"<h2>{_safe(first.student)} and {_safe(second.student)}: {pair.share:.0%}</h2><table>{both}</table>"
        )
    page = f"""<h1>{_safe(assignment.title)}: alike</h1>
<p>Pairs that share at least half of what is rare in the shorter of the two: code that neither the hand-out nor a solution
nor many of the class have. A reason to look, and no proof: friends who explain things to each other write alike, too.</p>
{"".join(parts) or "<p>There are none.</p>"}"""
    path = folder / "similar.html"
    _write_page(path, f"{assignment.title}: alike", page)
    return path


def _row(mark: Mark) -> str:
    says = f'<div class="says">{_safe(mark.says)}</div>' if mark.says else ""
    return (
        f"<tr><td>{mark.exercise} {_safe(mark.title)}</td><td>{STATES[mark.state]}{says}</td>"
        f'<td class="number">{mark.points} of {mark.out_of}</td></tr>'
    )


def _exercise_row(exercise: str, marks: list[Mark]) -> str:
    right = sum(mark.state == "right" for mark in marks)
    untouched = sum(mark.state in ("open", "missing") for mark in marks)
    said = Counter(mark.says for mark in marks if mark.state == "wrong").most_common(1)
    most = f"{_safe(said[0][0])} ({said[0][1]} times)" if said else ""
    share = right / max(len(marks), 1)
    return (
        f"<tr><td>{exercise} {_safe(EXERCISES[exercise].title)}</td><td>{_bar(share)} {right} of {len(marks)}</td>"
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


def _write_page(path: Path, title: str, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    page = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_safe(title)}</title><style>{STYLE}</style>'
    path.write_text(f"{page}</head>\n<body>\n{body}\n</body></html>\n", encoding="utf-8", errors="replace")


def _safe(text: str) -> str:
    """What a student wrote, as text and nothing else."""
    return html.escape(str(text))


def _harmless(value: object) -> object:
    """A cell of a table: what a student wrote is no formula for the instructor's spreadsheet."""
    formula = isinstance(value, str) and value != "-" and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if formula else value
