"""Reading what students hand in: a folder or a zip as Moodle, Canvas, nbgrader or a person leaves it, with anything in it.

Nothing is unpacked to the disk, so no name in a zip can lead anywhere. Whatever cannot be read becomes a sentence for the
instructor, and costs nobody else anything.
"""

import contextlib
import hashlib
import io
import itertools
import json
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from course_lib.classroom.coursework.task import HERE, Question
from course_lib.classroom.coursework.tasks import OTHERS, VARIATIONS

LARGEST_FILE = 50 * 2**20  # bytes, unpacked
LARGEST_HAND_IN = 200 * 2**20
MOST_FILES = 2000  # of one student
NEXT = (*(f"{each.id} · {each.title}" for each in (*VARIATIONS, *OTHERS)), "What you have now", "Check yourself")
INLINE = re.compile(r"data:[\w/+.-]+;base64,[\w+/=\s]+")  # a picture, which nobody reads as text
LONGEST_ANSWER = 50_000  # characters, to a question
READ = (".ipynb", ".py", ".zip")
MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_(assignsubmission_\w+|onlinetext)_?$")
MOODLE_FILE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+_(?P<rest>.+)$")
CANVAS = re.compile(r"^(?P<name>[^_]+)_(?P<late>LATE_)?(?P<id>\d+)_(?P<file>\d+)_(?P<rest>.+)$")


class File(NamedTuple):
    """A file as it was handed in; modified: seconds since 1970, UTC."""

    name: str
    content: bytes
    modified: float


@dataclass
class HandIn:
    """What one student handed in.

    Args:
        student: the name, as it stands there.
        number: that Moodle or Canvas knows the student by, "" elsewhere.
        late: whether Canvas says that it came late.
        unread: what other files there are.
        notes: to the instructor.
    """

    student: str
    number: str = ""
    late: bool = False
    files: list[File] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """A name for the student's files, which every system takes, and no other student has."""
        plain = re.sub(r"[^\w.-]+", "_", self.student).strip("._")[:80]
        changed = (
            "" if plain == self.student else hashlib.sha256(self.student.encode("utf-8", "replace")).hexdigest()[:6]
        )
        return "_".join(filter(None, (plain, self.number or changed)))


class Cell(NamedTuple):
    """A cell of a notebook: code, or else text.

    Args:
        answers: the question into whose place it was handed out, "" if that is not known.
    """

    is_code: bool
    source: str
    answers: str = ""


class UnreadableError(Exception):
    """A file that cannot be read, and why, in a sentence."""


def read_hand_ins(path: Path) -> list[HandIn]:
    """Everything in a folder or a zip, student by student.

    Raises:
        UnreadableError: if there is neither.
    """
    if path.is_dir():
        entries = _in_folder(path)
    elif zipfile.is_zipfile(path):
        entries = _in_zip(path.name, path.read_bytes())
    else:
        raise UnreadableError(f"{path} is neither a folder nor a zip: give what Moodle or Canvas let you download.")
    entries, hand_ins = list(entries), {}
    wrapped = _wrapper(entry.path for entry in entries)
    for entry in entries:
        whose, name = _whose(entry.path.removeprefix(wrapped))
        hand_in = hand_ins.setdefault(whose.key, whose)
        hand_in.late = hand_in.late or whose.late
        if entry.problem:
            hand_in.notes.append(f"{name}: {entry.problem}")
            continue
        if entry.unread:
            hand_in.unread.append(name)
            continue
        nested = name.lower().endswith(".zip")
        for inner in _in_zip(name, entry.content) if nested else [entry]:
            if inner.problem:
                hand_in.notes.append(f"{inner.path}: {inner.problem}")
            elif inner.unread:
                hand_in.unread.append(inner.path)
            elif nested and inner.path.lower().endswith(".zip"):
                hand_in.notes.append(f"{inner.path}: a zip within a zip, which is not opened")
            elif len(hand_in.files) >= MOST_FILES or _size(hand_in) + len(inner.content) > LARGEST_HAND_IN:
                hand_in.notes.append(f"{inner.path}: left out, since there is too much")
                break
            else:
                called = PurePosixPath(inner.path if nested else name).name
                hand_in.files.append(File(called, inner.content, inner.modified))
    for hand_in in hand_ins.values():
        if not hand_in.files and hand_in.unread:
            hand_in.notes.append(f"nothing that can be read: {', '.join(hand_in.unread)}"[:300])
    return sorted(hand_ins.values(), key=lambda each: each.key)


def cells_of(file: File) -> list[Cell]:
    """The cells of a notebook, in order; those of a .py file begin with # %%, as editors have it.

    Raises:
        UnreadableError: if it is none.
    """
    if file.name.lower().endswith(".py"):
        return [Cell(True, source) for source in re.split(r"^# ?%%.*$", _text(file), flags=re.MULTILINE)]
    try:
        notebook = json.loads(file.content)
    except (ValueError, RecursionError):
        try:
            notebook = json.loads(_text(file))
        except (ValueError, RecursionError) as error:
            raise UnreadableError("it is no notebook: what stands in it is not JSON") from error
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if cells is None and isinstance(notebook, dict):  # nbformat 3
        cells = [cell for sheet in notebook.get("worksheets") or [] for cell in sheet.get("cells") or []]
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise UnreadableError("it is no notebook: it has no list of cells")
    return [Cell(cell.get("cell_type") == "code", _source_of(cell), _answers(cell)) for cell in cells]


def words_on(question: Question, cells: list[Cell]) -> str:
    """What a student has written under a question, code included, up to the next heading of the hand-out; of several copies,
    in the last that holds something.

    If the question's own heading is gone, the cell that was handed out for the answer tells.
    """
    heading = re.compile(rf"^#+\s*{re.escape(question.id)}\b.*{re.escape(question.title)}", re.MULTILINE)
    begins = [place for place, cell in enumerate(cells) if not cell.is_code and heading.search(cell.source)]
    copies = [[cells[place], *itertools.takewhile(_goes_on, cells[place + 1 :])] for place in begins]
    copies = copies or [[cell for cell in cells if cell.answers == question.id]]
    given = {line.strip() for line in (*question.shown.splitlines(), HERE, HERE.strip("*"))} - {""}
    written = (
        "\n".join(line for line in _text_of(copy).splitlines() if line.strip() not in given and not heading.match(line))
        for copy in reversed(copies)
    )
    return next((each.strip() for each in written if each.strip()), "")[:LONGEST_ANSWER]


def has_place_for(question: Question, cells: list[Cell]) -> bool:
    """Whether a notebook still has the question, or the cell for its answer."""
    return any(question.id in cell.source or cell.answers == question.id for cell in cells if not cell.is_code)


def _goes_on(cell: Cell) -> bool:
    """Whether a cell does not begin the next part of the hand-out."""
    first = cell.source.lstrip().split("\n", 1)[0]
    return cell.is_code or not (first.startswith("#") and first.lstrip("# ").startswith(NEXT))


def _text_of(cells: list[Cell]) -> str:
    """Cells as a person reads them, without pictures."""
    shown = ((cell.is_code, INLINE.sub("…", cell.source)) for cell in cells)
    return "\n\n".join(f"```\n{source}\n```" if code and source.strip() else source for code, source in shown)


def _answers(cell: dict[str, Any]) -> str:
    told = cell.get("metadata")
    told = told.get("exercise") if isinstance(told, dict) else None
    return str(told.get("id")) if isinstance(told, dict) and told.get("role") == "words" else ""


def _source_of(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input", ""))
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def defined_names(cells: list[str]) -> set[str]:
    """The functions whose definitions stand in code cells, whether or not they can be run."""
    return {name for source in cells for name in re.findall(r"^[ \t]*def[ \t]+(\w+)[ \t]*\(", source, re.MULTILINE)} | {
        name for source in cells for name in re.findall(r"^(\w+)[ \t]*=", source, re.MULTILINE)
    }


class _Entry(NamedTuple):
    path: str
    content: bytes = b""
    modified: float = 0.0
    problem: str = ""
    unread: bool = False


def _in_folder(folder: Path) -> Iterator[_Entry]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield _Entry(name, problem="a link, which is not followed")
        elif path.is_file() and path.suffix.lower() not in READ and not _of_a_tool(name):
            yield _Entry(name, unread=True)
        elif path.is_file() and not _of_a_tool(name):
            size, modified = path.stat().st_size, path.stat().st_mtime
            too_large = size > LARGEST_FILE
            yield _Entry(name, problem=_too_large(size)) if too_large else _Entry(name, path.read_bytes(), modified)


def _in_zip(name: str, content: bytes) -> Iterator[_Entry]:
    try:
        packed = zipfile.ZipFile(io.BytesIO(content))
    except Exception:  # BadZipFile, and whatever else a damaged one leads to
        yield _Entry(name, problem="no zip, although it is called one")
        return
    with packed:
        if not packed.infolist():
            yield _Entry(name, problem="an empty zip")
        for info in packed.infolist():
            path = PurePosixPath(info.filename.replace("\\", "/"))
            if info.is_dir() or _of_a_tool(str(path)):
                continue
            if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                yield _Entry(path.name, problem=f"its path in the zip leads out of it: {info.filename!r:.80}")
            elif stat.S_ISLNK(info.external_attr >> 16):
                yield _Entry(str(path), problem="a link, which is not followed")
            elif path.suffix.lower() not in READ:
                yield _Entry(str(path), unread=True)
            else:
                yield _unpacked(packed, info, str(path))


def _unpacked(packed: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> _Entry:
    try:
        with packed.open(info) as stream:
            content = stream.read(LARGEST_FILE + 1)  # whatever size it claims to have
    except RuntimeError:
        return _Entry(path, problem="locked with a password")
    except Exception as error:  # BadZipFile, zlib.error and their like
        return _Entry(path, problem=f"damaged: {error}")
    if len(content) > LARGEST_FILE:
        return _Entry(path, problem=_too_large(info.file_size))
    modified = 0.0
    with contextlib.suppress(ValueError):  # a month 15, say
        modified = datetime(*info.date_time[:6], tzinfo=UTC).timestamp()
    return _Entry(path, content, modified)


def _wrapper(paths: Iterable[str]) -> str:
    """The folder that holds the folders of all students, if what was given is one level above them."""
    parts = [PurePosixPath(path).parts for path in paths]
    tops, students = {each[0] for each in parts}, {each[1] for each in parts if len(each) > 2}
    wraps = len(tops) == 1 and len(students) > 1 and all(len(each) > 2 for each in parts)
    return f"{tops.pop()}/" if wraps and not any(MOODLE.match(each) for each in tops) else ""


def _whose(path: str) -> tuple[HandIn, str]:
    """Whose file this is, and what it is called, by the ways of Moodle, Canvas and nbgrader."""
    parts = PurePosixPath(path).parts
    for place, part in enumerate(parts[:-1]):
        if (moodle := MOODLE.match(part)) is not None:
            return HandIn(moodle["name"], moodle["id"]), "/".join(parts[place + 1 :])
    if len(parts) == 1 and (moodle := MOODLE_FILE.match(parts[0])) is not None:  # downloaded without folders
        return HandIn(moodle["name"], moodle["id"]), moodle["rest"]
    if len(parts) == 1 and (canvas := CANVAS.match(parts[0])) is not None:  # all in one folder
        return HandIn(canvas["name"], canvas["id"], canvas["late"] is not None), canvas["rest"]
    if len(parts) > 1:
        return HandIn(parts[0]), "/".join(parts[1:])
    stem = PurePosixPath(parts[0]).stem
    return HandIn(re.sub(r"[\s_.-]*\d\d_[a-z_]+$", "", stem) or stem), parts[0]


def _of_a_tool(path: str) -> bool:
    """Whether a file is what a tool left beside the real ones."""
    return any(part in ("__MACOSX", ".ipynb_checkpoints", "__pycache__") for part in PurePosixPath(path).parts) or (
        PurePosixPath(path).name.startswith("._")
    )


def _size(hand_in: HandIn) -> int:
    return sum(len(file.content) for file in hand_in.files)


def _too_large(size: int) -> str:
    return f"too large ({size / 2**20:,.0f} MB, where {LARGEST_FILE // 2**20} are read)"


def _text(file: File) -> str:
    for encoding in ("utf-8-sig", "utf-16", "cp1252"):
        try:
            text = file.content.decode(encoding)
        except UnicodeError:
            continue
        if encoding != "utf-16" or file.content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return text
    return file.content.decode("latin-1")
