"""What a person reads: a page with every answer beside the model, and a table into which points and comments are entered.

The table is written anew whenever something is graded, with all that was entered; nothing that somebody has entered is lost.
"""

import csv
import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path

from course_lib.classroom.coursework.assignment import Assignment, AssignmentError
from course_lib.classroom.coursework.grading import Graded
from course_lib.classroom.coursework.marking import Mark
from course_lib.classroom.coursework.pages import count, harmless, paragraphs, safe, write_page, written
from course_lib.classroom.coursework.task import questions_of
from course_lib.support.files import atomic_write

TABLE, PAGE = "by_hand.csv", "by_hand.html"
COLUMNS = ["task", "student", "points", "out of", "comment", "before", "row", "answer"]


@dataclass(frozen=True)
class Entry:
    """A row of the table.

    Args:
        task, student: of which task and which student.
        points: None if none have been entered.
        before: what was entered for an earlier answer, for the person who reads this one.
        row: which task of which hand-in, in letters, which no spreadsheet turns into something else; "" in a row that
            somebody has added, which holds for the student of that name.
        answer: what the points were given for, likewise; of another answer they are not the points. May be empty, too.
    """

    task: str
    student: str
    points: int | None
    comment: str
    before: str
    row: str
    answer: str


Entries = dict[tuple[str, ...], Entry]
"""The rows; those that somebody has added by task and student, the others by their letters."""


def read_entries(folder: Path, assignment: Assignment) -> Entries:
    """What has been entered so far; nothing if there is no table yet.

    Raises:
        AssignmentError: if the table cannot be read, with the row.
    """
    path, entries = folder / TABLE, {}
    if not path.exists():
        return entries
    text = _text(path.read_bytes())
    first = text.split("\n", 1)[0]
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    if missing := [each for each in COLUMNS if each not in (rows.fieldnames or [])]:
        raise AssignmentError(f"{path} has no column {missing[0]!r}: keep the columns as they were written.")
    for row in rows:
        values = {name: written(row[name] or "").strip() for name in COLUMNS}
        if not values["task"]:
            continue
        where = f"{path}, line {rows.line_num}"
        task = assignment.tasks.get(values["task"])
        if task is None:  # of a task that is no longer asked for: kept as it is
            values["points"] = int(values["points"]) if values["points"].isdecimal() else None
        else:
            values["points"] = _points(values["points"], task.points, where)
        del values["out of"]
        entry = Entry(**values)
        other = entries.get(_place(entry))
        if other is not None and None not in (other.points, entry.points) and other.points != entry.points:
            raise AssignmentError(
                f"{where}: {entry.task} of {entry.student} has {entry.points} points here, and {other.points} above. "
                "Keep one of the two rows."
            )
        if other is None or other.points is None:
            entries[_place(entry)] = entry
    return entries


def with_entries(graded: Graded, entries: Entries) -> Graded:
    """A hand-in's marks, with the points that a person has given."""
    marks = {each: _read(mark, graded, _entry_of(entries, each, graded)) for each, mark in graded.marks.items()}
    return replace(graded, marks=marks)


def write_by_hand(folder: Path, assignment: Assignment, all_graded: list[Graded]) -> int:
    """Write the table, with what has been entered up to now, and the page; return how many answers wait to be read."""
    kept, waiting = read_entries(folder, assignment), 0
    for question in questions_of(assignment.tasks):
        for graded in all_graded:
            words, place = graded.words.get(question, ""), (_row(question, graded),)
            if not words or _entry_of(kept, question, graded) is not kept.get(place):
                continue
            before = kept.get(place)
            if before is None:
                kept[place] = Entry(question, graded.student, None, "", "", *place, _short(words))
            elif before.answer != _short(words):
                entered = "" if before.points is None else f"{before.points} points"
                earlier = "; ".join(filter(None, (before.before, entered, before.comment)))
                kept[place] = replace(before, points=None, comment="", before=earlier, answer=_short(words))
            waiting += kept[place].points is None
    stream = io.StringIO(newline="")
    table = csv.writer(stream)
    table.writerow(COLUMNS)
    for each in sorted(kept.values(), key=lambda each: (each.task, each.student, each.row)):
        most = assignment.tasks[each.task].points if each.task in assignment.tasks else ""
        points = "" if each.points is None else each.points
        row = (each.task, each.student, points, most, each.comment, each.before, each.row, each.answer)
        table.writerow(map(harmless, row))
    with atomic_write(folder / TABLE) as partial:
        partial.write_text(stream.getvalue(), encoding="utf-8-sig", errors="replace", newline="")  # for Excel
    _write_page(folder, assignment, all_graded, kept)
    return waiting


def _write_page(folder: Path, assignment: Assignment, all_graded: list[Graded], entries: Entries) -> None:
    parts = []
    for each, question in questions_of(assignment.tasks).items():
        criteria = "".join(
            f'<tr><td class="number">{n}</td><td>{safe(what)}</td></tr>' for n, what in question.criteria
        )
        answers = "".join(
            f"<tr><td>{safe(graded.student)}<br>{_entered(_entry_of(entries, each, graded))}</td>"
            f'<td class="says">{safe(graded.words[each])}</td></tr>'
            for graded in sorted(all_graded, key=lambda graded: _is_read(_entry_of(entries, each, graded)))
            if graded.words.get(each)
        )
        parts.append(
            f"<h2>{each} {safe(question.title)}</h2>{paragraphs(question.text)}"
            f"<h3>What points are for</h3><table>{criteria}</table>"
            f"<h3>An answer that gets all {question.points}</h3>{paragraphs(question.model)}"
            f"<h3>What students wrote</h3><table>{answers or '<tr><td>nothing</td></tr>'}</table>"
        )
    page = f"""<h1>{safe(assignment.title)}: to be read</h1>
<p>Enter points, whole ones, and a comment if you like, into {TABLE} beside this page, and run the same command again: they go
into the tables and onto the students' pages.</p>{"".join(parts)}"""
    write_page(folder / PAGE, f"{assignment.title}: to be read", page)


def _row(task: str, graded: Graded) -> str:
    return _short(f"{task}\0{graded.key}")


def _place(entry: Entry) -> tuple[str, ...]:
    return (entry.row,) if entry.row else (entry.task, entry.student)


def _entry_of(entries: Entries, task: str, graded: Graded) -> Entry | None:
    """The row of a task of a hand-in; one that somebody has added comes first."""
    return entries.get((task, graded.student)) or entries.get((_row(task, graded),))


def _is_read(entry: Entry | None) -> bool:
    return entry is not None and entry.points is not None


def _entered(entry: Entry | None) -> str:
    if _is_read(entry):
        return count(entry.points, "point")
    return f"not yet read<br>before: {safe(entry.before)}" if entry is not None and entry.before else "not yet read"


def _read(mark: Mark, graded: Graded, entry: Entry | None) -> Mark:
    """The mark of a task, with the points that a person has given for this very answer."""
    if entry is None or entry.points is None:
        return mark
    if entry.answer and entry.answer != _short(graded.words.get(mark.exercise, "")):
        return mark
    return replace(mark, points=entry.points, state="read", says=entry.comment)


def _points(text: str, most: int, where: str) -> int | None:
    """The points in a cell; "2,0" is what some spreadsheets make of 2."""
    if not text:
        return None
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = -1.0
    if not number.is_integer() or not 0 <= number <= most:
        raise AssignmentError(
            f"{where}: {text!r} is no number of points from 0 to {most}. (Whole ones; nothing was changed.)"
        )
    return int(number)


def _short(words: str) -> str:
    """Ten letters, so that no spreadsheet takes it for a number."""
    digest = hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest()
    return "".join(chr(ord("a") + byte % 26) for byte in digest[:10])


def _text(content: bytes) -> str:
    for encoding in ("utf-8-sig", "utf-16") if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return content.decode(encoding)
        except UnicodeError:
            continue
    return content.decode("cp1252", errors="replace")  # as Excel saves it
