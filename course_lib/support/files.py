"""Files that ship with the course: where they are, whether they are whole, and how they are written.

``data/SHA256SUMS`` lists every shipped file with its checksum, in the form that ``sha256sum -c`` reads.

On Colab, the first cell of a notebook clones the course without its large files (a "partial clone" in git's words). Each
of them comes when it is read for the first time.
"""

import glob
import hashlib
import os
import secrets
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

# What networks and pictures depend on, and what runs in browsers. All else is text that people may edit: questions, cards,
# licences.
VERIFIED = {".safetensors", ".gz", ".webp", ".png", ".json", ".mjs", ".wasm"}

ABANDONED = 3600.0  # seconds after which an unfinished file counts as abandoned: writing one takes a few


class CourseFileError(RuntimeError):
    """A shipped file is missing or not as it was shipped; the text says which, and what mends it."""


def data_folder() -> Path:
    """The data folder: inside the package when it was installed, beside it in a checkout."""
    installed = PACKAGE / "data"
    return installed if installed.is_dir() else PACKAGE.parent / "data"


def shipped_file(name: str) -> Path:
    """The path of a shipped file, after checking that it is there and, unless it is text to edit, as it was shipped.

    Args:
        name: the path below data/, with forward slashes, such as ``"checkpoints/fashion.safetensors"``.

    Raises:
        CourseFileError: if the file is missing, or networks or pictures depend on it and it is truncated or altered.
    """
    path = data_folder() / name
    if left_on_server(name):
        _fetch(name)
    if not path.is_file():
        raise CourseFileError(f"{path} is missing: {_remedy(name)}")
    if path.suffix not in VERIFIED:
        return path
    if name not in checksums():
        raise CourseFileError(
            f"data/{name} is not listed in data/SHA256SUMS, so it cannot be checked: {_remedy('SHA256SUMS')}"
        )
    if differs(name):
        raise CourseFileError(
            f"{path} is not as it was shipped (its checksum differs; truncated or altered): {_remedy(name)} "
            "If you changed it on purpose, keep yours under another name."
        )
    return path


def left_on_server(name: str) -> bool:
    """Whether a shipped file is not here because this clone fetches large files only when they are read."""
    return not (data_folder() / name).is_file() and name in checksums() and _is_partial_clone()


def _is_partial_clone() -> bool:
    settings = PACKAGE.parent / ".git" / "config"
    return settings.is_file() and "partialclonefilter" in settings.read_text(encoding="utf-8").lower()


def _fetch(name: str) -> None:
    """Bring a file that was left on the server."""
    command = ["git", "-C", str(PACKAGE.parent), "cat-file", "blob", f"HEAD:data/{name}"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise CourseFileError(
            f"data/{name} could not be fetched: run this again when there is a network. If it stays so, delete the folder "
            f"{PACKAGE.parent.name} and run the notebook's first cell again. Git says: {said}"
        )
    with atomic_write(data_folder() / name) as partial:
        partial.write_bytes(done.stdout)


def differs(name: str) -> bool:
    """Whether a file that is listed in ``data/SHA256SUMS`` is another than the one that was shipped."""
    path = data_folder() / name
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns) != checksums()[name]


def checksums() -> dict[str, str]:
    """Name below data/ → SHA-256, as ``data/SHA256SUMS`` has it."""
    path = data_folder() / "SHA256SUMS"
    if not path.is_file():
        raise CourseFileError(f"{path} is missing: {_remedy('SHA256SUMS')}")
    found = {}
    for line in path.read_bytes().decode("utf-8", errors="replace").splitlines():
        digest, _, name = line.strip().partition("  ")
        if not name or len(digest) != 64:
            raise CourseFileError(f"{path} is damaged, in the line {line[:80]!r}: {_remedy('SHA256SUMS')}")
        found[name] = digest
    if not found:
        raise CourseFileError(f"{path} is empty: {_remedy('SHA256SUMS')}")
    return found


def shipped_tables(name: str, kind: str) -> list[dict]:
    """The tables ``[[kind]]`` of a TOML file below data/, which instructors may edit.

    Raises:
        CourseFileError: if the file is missing, or if TOML cannot read it; the text says where.
    """
    path = shipped_file(name)
    try:
        text = path.read_text(encoding="utf-8-sig")  # with or without the mark that some editors put before it
        return tomllib.loads(text)[kind]
    except KeyError:
        raise CourseFileError(f"{path} holds no [[{kind}]].") from None
    except ValueError as problem:
        raise CourseFileError(f"{path} cannot be read: {problem}.") from None


def record_checksum(name: str) -> None:
    """Enter a file that a recipe has just made into ``data/SHA256SUMS``, in order of name."""
    _write_checksums(checksums() | {name: _digest(name)})


def record_all_checksums() -> list[str]:
    """Enter every file below data/ as it is now; returns the names of those that are new, changed or gone."""
    folder, known = data_folder(), {}
    with suppress(CourseFileError):  # a damaged list is written anew
        known = checksums()
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    names = [
        path.as_posix()
        for path in paths
        if path.name != "SHA256SUMS" and not any(part.startswith(".") or part == "unfinished" for part in path.parts)
    ]
    odd = [name for name in names if not name.isprintable()]
    if odd:
        raise CourseFileError(f"data/ holds a file with an odd name, {odd[0]!r}: rename it, and try again.")
    now = {name: _digest(name) for name in names}
    _write_checksums(now)
    return sorted(name for name in now | known if now.get(name) != known.get(name))


def _digest(name: str) -> str:
    return hashlib.sha256((data_folder() / name).read_bytes()).hexdigest()


def _write_checksums(known: dict[str, str]) -> None:
    with atomic_write(data_folder() / "SHA256SUMS") as partial:
        partial.write_bytes("".join(f"{known[each]}  {each}\n" for each in sorted(known)).encode())


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; it takes the place of ``path`` only once it is whole and on the disk.

    A reader of ``path`` sees the old file or the new one, whatever happens in between. What a killed process left
    behind is cleared away by the next write to the same path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with suppress(OSError):  # another process may clear it first
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        partial.chmod(0o644)  # safetensors would leave it readable for its owner alone
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, modified: int) -> str:
    """The file's digest, read once as long as its size and time stay as they are."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _remedy(name: str) -> str:
    """The same for a clone, a ZIP and an installed course, and nothing in it deletes what somebody may have written. Only
    on Colab can the file alone be fetched once more.
    """
    if _is_partial_clone():
        return "delete it, and run this again."
    return f"fetch the course once more, into another folder, and copy data/{name} from there."


if __name__ == "__main__":
    print(*(record_all_checksums() or ["nothing has changed"]), sep="\n")
