"""A class of 300 hands in, and every mark is what was written down beforehand: ``make proof-coursework``, a quarter of an hour.

Right answers in many styles, every usual mistake, stubs, missing functions, torn cells, files of all kinds, and each attack of
handed_in.py, in the zip that Moodle lets one download. ``--count 30`` makes a smaller class.
"""

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from answers.variations import RIGHT as OTHERS_RIGHT
from handed_in import ATTACKS, alone, cells_of, notebook, right_and_wrong

from course_lib.classroom.coursework.assignment import Assignment, load_assignment
from course_lib.classroom.coursework.task import Experiment, Variation, functions_of, questions_of
from course_lib.classroom.exercises import EXERCISES

EXERCISE_IDS = [each for each in EXERCISES if each[:2] == "01"]
NAMES = ["Anna", "Björn", "Chloé", "Đặng", "Émile", "Fatma", "Γιώργος", "Hồng", "Ívar", "李娜", "O'Neil", "José María"]


def choose(
    number: int, chance: random.Random, outside: Path, assignment: Assignment
) -> tuple[list[str], dict[str, int]]:
    """The code cells of one student, and the points that they deserve; an attack tries to write the file ``outside``."""
    right, wrong = right_and_wrong("01")
    answers, points, lost = [], {}, []
    attack = list(ATTACKS.values())[number] if number < len(ATTACKS) else None
    for place, exercise in enumerate(EXERCISE_IDS):
        kind = chance.choices(["right", "wrong", "stub", "missing", "torn"], [60, 25, 8, 4, 3])[0]
        if attack is not None and place == 0:
            continue
        name = EXERCISES[exercise].solution.__name__
        points[exercise] = EXERCISES[exercise].points if kind == "right" else 0
        if kind in ("right", "wrong"):
            several = (right if kind == "right" else wrong)[exercise]
            answers.append(several[number % len(several)])
        elif kind != "missing":
            lost.append(f"def {name}():\n    {'raise NotImplementedError' if kind == 'stub' else 'return ('}")
    cells = cells_of(answers) if answers else ["x = 1"]
    if attack is not None:
        cells.append(attack.aimed(outside, 9, outside.with_name("assignment.json")))
        points["01.1"] = EXERCISES["01.1"].points if attack.right else 0
    cells += lost
    for task in functions_of(assignment.tasks).values():
        if isinstance(task, Variation | Experiment):
            answers = OTHERS_RIGHT[task.solution.__name__] if isinstance(task, Variation) else [task.solution]
            wrong_ones = task.mistakes if isinstance(task, Variation) else [task.start]
            kind = chance.choices([answers, wrong_ones, None], [50, 40, 10])[0]
            points[task.id] = task.points if kind is answers else 0
            cells += alone(chance.choice(kind), task.solution.__name__) if kind else []
    head, rest = cells[:1], cells[1:]
    chance.shuffle(rest)
    if chance.random() < 0.2:
        rest += rest  # every cell stands there twice
    return head + rest, points


def write_class(path: Path, count: int, assignment: Assignment) -> dict[str, dict[str, int]]:
    """Write the zip of a class, and return the points by the number that Moodle knows each student by."""
    ids, (question,) = list(assignment.tasks), questions_of(assignment.tasks).values()
    chance, expected = random.Random(24), {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(count):
            student, cells = str(1000 + number), None
            folder = f"{chance.choice(NAMES)} {number}_{student}_assignsubmission_file_"
            if number >= len(ATTACKS) and number % 25 == 0:
                packed.writestr(f"{folder}/homework.ipynb", chance.choice([b"", b"PK", b"[]", b"\xff\xfe\x00"]))
                expected[student] = dict.fromkeys(ids, 0)
                continue
            cells, points = choose(number, chance, path.parent / "week" / "outside", assignment)
            made, points[question.id] = notebook(cells), chance.choice([None, *range(question.points + 1)])
            if points[question.id] is not None:  # it will be read, and given so many points
                words = f"{question.shown}\n\nThe variance falls, says number {number}."
                made["cells"].append({"cell_type": "markdown", "id": "words", "metadata": {}, "source": words})
            points[question.id] = points[question.id] or 0
            text = json.dumps(made, ensure_ascii=False)
            packed.writestr(
                f"{folder}/01 forward step.ipynb", text.encode(chance.choice(["utf-8", "utf-8-sig", "utf-16"]))
            )
            expected[student] = points
    return expected


def enter_points(folder: Path, points: dict[str, int]) -> None:
    """Fill in the table of what was written in words, as somebody would who has read it; a name ends in the number."""
    with open(folder / "by_hand.csv", newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    with open(folder / "by_hand.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(row | {"points": points[str(1000 + int(row["student"].split()[-1]))]} for row in rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=300)
    count = arguments.parse_args().count
    with tempfile.TemporaryDirectory() as made:
        folder, submissions = Path(made) / "week", Path(made) / "handed in.zip"
        command = [sys.executable, "-m", "course_lib.classroom.coursework"]
        subprocess.run([*command, "build", folder, "01"], check=True)
        assignment = load_assignment(folder)
        expected = write_class(submissions, count, assignment)
        began = time.monotonic()
        graded = [*command, "grade", folder, "--submissions", submissions, "--seconds", "5"]
        subprocess.run(graded, check=True, stdout=subprocess.DEVNULL)
        minutes = (time.monotonic() - began) / 60
        enter_points(folder, {student: points["01.Q"] for student, points in expected.items()})
        subprocess.run(graded, check=True, stdout=subprocess.DEVNULL)
        with open(folder / "grades.csv", newline="", encoding="utf-8-sig") as file:
            rows = {row["number"]: row for row in csv.DictReader(file)}
        assert not (folder / "outside").exists(), "nobody has written outside"
        results = [json.loads(path.read_text(encoding="utf-8")) for path in (folder / "results").glob("*.json")]
    assert rows.keys() == expected.keys(), "every student has a row, and nobody else"
    wrong = [
        (student, exercise, int(rows[student][exercise]), points[exercise])
        for student, points in expected.items()
        for exercise in assignment.tasks
        if int(rows[student][exercise]) != points[exercise]
    ]
    for student, exercise, got, deserved in wrong:
        print(f"{student} {exercise}: {got} points, where {deserved} are deserved: {rows[student]['notes']}")
    marks = [mark for each in results for mark in each["marks"].values()]
    memory = max(mark["memory"] for mark in marks) / 2**20
    print(
        f"{count} hand-ins, {len(marks)} marks, {len(wrong)} of them wrong: {minutes:.1f} minutes, {memory:,.0f} MB at most"
    )
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
