"""What students hand in is read whatever it is: the answer's code out of a notebook, and notebooks out of any folder or zip."""

import io
import json
import stat
import zipfile

import pytest
from handed_in import notebook

from course_lib.classroom.coursework import handed_in as reading
from course_lib.classroom.coursework.handed_in import File, UnreadableError, cells_of, read_hand_ins
from course_lib.classroom.coursework.slicing import answer_in, other_answers, read_cells, unreadable_cell_of

# --- the code of an answer --------------------------------------------------------------------------------------------


def text_of(cells, name="answer", given=()):
    part = answer_in(read_cells(cells), name, frozenset(given))
    return None if part is None else part.text.split("\n\n")


def test_an_answer_brings_what_it_uses_by_name_and_nothing_else():
    cells = [
        "import os, math\nfrom course_lib.classroom.checks import check, hints\nfrom course_lib.forward import add_noise",
        "factor = math.sqrt(2)\nx = train_for_an_hour()",
        "def helper(a):\n    x = factor * a\n    return x\n\n\ndef other():\n    return os.getcwd()",
        "def answer(a, b=factor):\n    return [helper(x) for x in a]",
        'answer = check("01.1")\nanswer([3])',
    ]
    assert text_of(cells) == [
        "import math",
        "factor = math.sqrt(2)",
        "def helper(a):\n    x = factor * a\n    return x",
        "def answer(a, b=factor):\n    return [helper(x) for x in a]",
    ]


def test_the_last_definition_that_is_more_than_a_stub_counts():
    stub = 'def answer():\n    "What it does."\n    raise NotImplementedError("later")'
    first, second = "def answer():\n    return 1", "def answer():\n    return 2"
    assert text_of([first, second, stub, "from somewhere import answer", 'answer = check("01.1")']) == [second]
    assert text_of([second, first]) == [first]
    assert text_of([stub]) is None
    assert text_of([]) is None
    assert text_of(["answer = lambda: 3"]) == ["answer = lambda: 3"]


def test_a_name_has_the_value_that_stood_above_the_answer():
    cells = ["width = 1", "width = 2", "def answer():\n    return width", "width = 3"]
    assert text_of(cells) == ["width = 2", "def answer():\n    return width"]
    assert text_of([cells[2], cells[3], "width = 4"]) == ["def answer():\n    return width", "width = 3"]


def test_what_changes_a_value_comes_with_it():
    cells = ["table = {}", "table[1] = 2\ntable.size = 3", "total = 1", "total += 2", "table[9] = 9 if more else 0"]
    answer = "def answer():\n    return table, total"
    assert text_of([*cells[:4], answer, cells[4]]) == [
        *("table = {}", "table[1] = 2", "table.size = 3", "total = 1", "total += 2"),
        answer,
    ]


def test_statements_of_any_kind_that_give_a_name_its_value_are_found():
    cells = [
        "try:\n    import fast as net\nexcept ImportError:\n    net = None",
        "for k in range(3):\n    last = k",
        "with open('x') as stream:\n    pass",
        "@decorate\ndef answer(a: Kind = last) -> None:\n    return net, stream",
        "def decorate(f): return f\nKind = int",
    ]
    got = text_of(cells)
    assert got == [*cells[:3], "def decorate(f): return f", "Kind = int", cells[3]]  # what it needs at once comes first


def test_cells_that_cannot_be_read_cost_nothing_but_themselves():
    cells = [
        "%matplotlib inline\n!pip install x\nimport math",
        "def answer(:",
        "def answer():\n    return math.pi",
        "\0",
        "(" * 500,
    ]
    code = read_cells(cells)
    assert sorted(code.unreadable) == [2, 4, 5]
    assert answer_in(code, "answer").text == "import math\n\ndef answer():\n    return math.pi"
    assert unreadable_cell_of(read_cells(cells[:2]), "answer") == (2, "SyntaxError in line 1: invalid syntax")


def test_what_is_too_long_is_not_taken_apart_and_long_chains_are():
    answer = "def answer():\n    return x1999"
    chain = "\n".join(
        ["x0 = 0", *(f"x{k} = x{k - 1}" for k in range(1, 2000)), *(f"x{k} = 0" for k in range(2000, 9000))]
    )
    assert len(text_of([chain, answer])) == 2001
    code = read_cells(["x = 1\n" * 20_000, answer])
    assert code.unreadable == {1: "too long, or no text"}
    assert len(read_cells(["x = 1\n" * 15_000] * 12).unreadable) == 12


def test_the_last_version_of_a_helper_counts_and_a_stub_is_none():
    answer, helper = "def answer(x):\n    return root(x)", "def root(x):\n    return x**0.5"
    stub = "def root(x):\n    raise NotImplementedError"
    assert text_of(["def root(x):\n    return x", answer, helper, stub]) == [answer, helper]
    now = ["def root(x):\n    return 1", "answer = root", "def root(x):\n    return 2"]
    assert text_of(now) == now[:2]


def test_tables_that_loops_and_methods_fill_come_along():
    cells = ["K = []", "K.append(1)", "T = [0] * 3\nfor i in range(3):\n    T[i] = i", "def answer():\n    return K, T"]
    assert text_of(cells) == [*cells[:2], *cells[2].split("\n", 1), cells[3]]


def test_lines_for_the_notebook_itself_are_passed_over_and_no_others():
    cells = ["%%time\n!pip install x\ndef answer(a, b):\n    return a % b", "other = (3\n% 2)"]
    assert text_of(cells) == ["def answer(a, b):\n    return a % b"]
    modulo = "def answer(a, b):\n    return (a\n        % b)"
    assert (
        text_of([modulo]) == text_of([f"%%time\n{modulo}"]) == text_of([f"torch.randn?\nx = !ls\n{modulo}"]) == [modulo]
    )
    assert text_of([f"# \u2028 \x0c\n{modulo}\r\n"]) == [modulo]


def test_other_answers_that_an_answer_calls_are_known_and_can_be_left_out():
    cells = ["def helper():\n    return first()", "def first():\n    return 1", "def answer():\n    return helper()"]
    code = read_cells(cells)
    assert other_answers(answer_in(code, "answer"), ["first", "second"]) == ["first"]
    assert text_of(cells, given=["first"]) == [cells[0], cells[2]]


# --- whose files they are ---------------------------------------------------------------------------------------------


def put(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(notebook(["x = 1"])), encoding="utf-8")


def packed(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "student", "number", "late", "file"),
    [
        ("Anna Berg_1234567_assignsubmission_file_/01_forward_step.ipynb", "Anna Berg", "1234567", False, None),
        ("Anna Berg_1234567_assignsubmission_file/deep/er/x.ipynb", "Anna Berg", "1234567", False, "x.ipynb"),
        ("w2/李 小龙_77_assignsubmission_file_/a b.ipynb", "李 小龙", "77", False, "a b.ipynb"),
        ("Anna Berg_1234567_assignsubmission_file_my 01.ipynb", "Anna Berg", "1234567", False, "my 01.ipynb"),
        ("anna/hw_1_2_final.ipynb", "anna", "", False, "hw_1_2_final.ipynb"),
        ("bergana_123_98765_01_forward_step.ipynb", "bergana", "123", False, "01_forward_step.ipynb"),
        ("bergana_LATE_123_98765_01_forward_step-2.ipynb", "bergana", "123", True, "01_forward_step-2.ipynb"),
        ("anna/01_forward_step/01_forward_step.ipynb", "anna", "", False, None),
        ("Ünal Ö'Brien_01_forward_step.ipynb", "Ünal Ö'Brien", "", False, "Ünal Ö'Brien_01_forward_step.ipynb"),
        ("anna.ipynb", "anna", "", False, "anna.ipynb"),
        ("01_forward_step.ipynb", "01_forward_step", "", False, "01_forward_step.ipynb"),
    ],
)
def test_whose_file_it_is_is_told_by_the_ways_of_moodle_canvas_nbgrader_and_people(
    tmp_path, name, student, number, late, file
):
    put(tmp_path / "folder", name)
    (tmp_path / "all.zip").write_bytes(packed({name: "{}"}))
    for path in (tmp_path / "folder", tmp_path / "all.zip"):
        (hand_in,) = read_hand_ins(path)
        assert (hand_in.student, hand_in.number, hand_in.late) == (student, number, late)
        assert [each.name for each in hand_in.files] == [file or name.split("/")[-1]]
        assert hand_in.notes == []
        assert not set("/\\'. ") & set(hand_in.key)


def test_one_folder_above_the_students_is_seen_through(tmp_path):
    put(tmp_path, "submitted/anna/week1/01.ipynb", "submitted/ben/week1/01.ipynb", "submitted/ben/week1/02.ipynb")
    assert [(each.student, len(each.files)) for each in read_hand_ins(tmp_path)] == [("anna", 1), ("ben", 2)]
    put(tmp_path / "one", "anna/01/01.ipynb", "anna/02.ipynb")
    (anna,) = read_hand_ins(tmp_path / "one")
    assert (anna.student, len(anna.files)) == ("anna", 2)


def test_no_two_students_share_a_name_for_their_files(tmp_path):
    put(tmp_path, "A B/x.ipynb", "A_B/x.ipynb", "A/B.ipynb", "..A B../x.ipynb")
    hand_ins = read_hand_ins(tmp_path)
    assert len(hand_ins) == len({each.key for each in hand_ins}) == 4


def test_what_tools_leave_is_passed_over(tmp_path):
    put(tmp_path, "a/x.ipynb", "a/.ipynb_checkpoints/x.ipynb", "__MACOSX/a/._x.ipynb", "a/._x.ipynb", "a/notes.txt")
    (hand_in,) = read_hand_ins(tmp_path)
    assert [each.name for each in hand_in.files] == ["x.ipynb"]


def test_a_zip_of_a_students_own_is_opened_once(tmp_path):
    inner = packed({"deep/x.ipynb": "{}", "again.zip": packed({"y.ipynb": "{}"})})
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "mine.zip").write_bytes(inner)
    (hand_in,) = read_hand_ins(tmp_path)
    assert [each.name for each in hand_in.files] == ["x.ipynb"]
    assert hand_in.notes == ["again.zip: a zip within a zip, which is not opened"]


def test_what_in_a_zip_leads_astray_is_a_note_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LARGEST_FILE", 10**6)
    link = zipfile.ZipInfo("b/link.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("../../etc/evil.ipynb", "{}")
        target.writestr("/abs.ipynb", "{}")
        target.writestr("C:\\Users\\x.ipynb", "{}")
        target.writestr(link, "/etc/passwd")
        target.writestr("c/bomb.ipynb", b"0" * 10**8)
        target.writestr("d/good.ipynb", "{}")
    damaged = bytearray(stream.getvalue())
    (tmp_path / "all.zip").write_bytes(bytes(damaged))
    hand_ins = read_hand_ins(tmp_path / "all.zip")
    notes = [note for each in hand_ins for note in each.notes]
    assert [file.name for each in hand_ins for file in each.files] == ["good.ipynb"]
    assert len(notes) == 5
    for words in ("leads out of it", "a link", "too large"):
        assert any(words in note for note in notes), words


def test_links_and_large_files_in_a_folder_are_notes(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LARGEST_FILE", 1000)
    put(tmp_path, "a/x.ipynb")
    (tmp_path / "a" / "y.ipynb").symlink_to("/etc/passwd")
    (tmp_path / "a" / "z.ipynb").write_bytes(b"0" * 1001)
    (hand_in,) = read_hand_ins(tmp_path)
    assert [each.name for each in hand_in.files] == ["x.ipynb"]
    assert sorted(note.split(":")[0] for note in hand_in.notes) == ["y.ipynb", "z.ipynb"]


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"no zip", "no zip"), (packed({}), "an empty zip"), (packed({"x.ipynb": "{}"})[:-5], "no zip")],
)
def test_zips_that_are_none_are_notes(tmp_path, content, says):
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "mine.zip").write_bytes(content)
    (hand_in,) = read_hand_ins(tmp_path)
    assert hand_in.files == []
    assert says in hand_in.notes[0]


def test_who_hands_in_nothing_that_can_be_read_is_not_forgotten(tmp_path):
    for name in ("anna/01_forward_step.ipynb.txt", "ben/a.rar", "carl/x.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("{}")
    put(tmp_path, "dora/x.ipynb", "dora/y.txt")
    (tmp_path / "all.zip").write_bytes(packed({"anna/a.rar": "", "dora/x.ipynb": "{}"}))
    notes = [each.notes for each in read_hand_ins(tmp_path) if each.student in ("anna", "ben", "carl")]
    assert len(notes) == 3
    assert all("nothing that can be read: " in each[0] for each in notes)
    assert [len(each.notes) for each in read_hand_ins(tmp_path / "all.zip")] == [1, 0]


def test_a_zip_with_a_month_15_and_in_capitals_is_read(tmp_path):
    info = zipfile.ZipInfo("x.ipynb", (2020, 1, 1, 0, 0, 0))
    info.date_time = (2020, 15, 1, 0, 0, 0)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        target.writestr(info, "{}")
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "WORK.ZIP").write_bytes(stream.getvalue())
    (hand_in,) = read_hand_ins(tmp_path)
    assert [each.name for each in hand_in.files] == ["x.ipynb"]


def test_too_many_files_of_one_student_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_FILES", 3)
    put(tmp_path, *(f"a/{k}.ipynb" for k in range(5)), "b/x.ipynb")
    first, second = read_hand_ins(tmp_path)
    assert (len(first.files), len(second.files)) == (3, 1)
    assert "too much" in first.notes[0]


def test_neither_folder_nor_zip_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    for path in (tmp_path / "x.txt", tmp_path / "nothing"):
        with pytest.raises(UnreadableError, match="neither a folder nor a zip"):
            read_hand_ins(path)


# --- what a file holds ------------------------------------------------------------------------------------------------

WORDS = "x = 'naïve β'"
TEXT = json.dumps(notebook([WORDS]), ensure_ascii=False)
OLD = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["a = 1\n", "b = 2"]}]}], "nbformat": 3}


@pytest.mark.parametrize(
    ("name", "content", "cells"),
    [
        ("x.ipynb", TEXT.encode(), [WORDS]),
        ("x.ipynb", TEXT.encode("utf-8-sig"), [WORDS]),
        ("x.ipynb", TEXT.encode("utf-16"), [WORDS]),
        ("x.ipynb", TEXT.replace("β", "b").encode("cp1252"), [WORDS.replace("β", "b")]),
        ("x.ipynb", json.dumps(OLD).encode(), ["a = 1\nb = 2"]),
        (
            "x.ipynb",
            json.dumps({"cells": [{"cell_type": "code"}, {"cell_type": "markdown", "source": "x"}]}).encode(),
            [""],
        ),
        ("x.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": ["a\n", 3]}]}).encode(), ["a\n3"]),
        ("x.py", WORDS.encode(), [WORDS]),
        ("x.py", b"# %% one\na = 1\n#%%\nb = (", ["", "\na = 1\n", "\nb = ("]),
        ("x.py", WORDS.encode("utf-16"), [WORDS]),
    ],
)
def test_code_is_read_in_any_encoding_and_format(name, content, cells):
    assert [cell.source for cell in cells_of(File(name, content, 0.0)) if cell.is_code] == cells


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"[1, 2]", b'{"cells": 3}', b'{"cells": [3]}', b"[" * 10**6, b"\xff\xfe\x00"]
)
def test_what_is_no_notebook_is_refused_in_a_sentence(content):
    with pytest.raises(UnreadableError, match="it is no notebook"):
        cells_of(File("x.ipynb", content, 0.0))
