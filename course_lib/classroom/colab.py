"""The first cell of every notebook, which finds the course or fetches it, and the address that it is fetched from.

The course itself carries no address: its publisher stamps one into the notebooks, with a link to Colab in
each. ``python -m course_lib.classroom.colab https://github.com/…/…`` does so; without an address it takes that of git's
remote "origin", and ``none`` takes all of it out again.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

# Git fetches the library, today's and not its history. Of the data it leaves what is large on the server, and shipped_file
# brings each file from there when it is read. What Colab has is recent enough for the course, so pip replaces none of it.
FIRST_CELL = """\
# @title Find the course, or fetch it on Colab
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

if importlib.util.find_spec("course_lib") is None:
    os.environ.pop("GIT_DIR", None)  # another repository's
    repo = os.environ.get("COURSE_REPO", "{repo}").strip(" '\\"")
    fetched = Path("diffusion-course").resolve()
    places = [p for p in [*Path.cwd().parents, fetched] if (p / "course_lib/__init__.py").exists()]
    if not places and fetched.exists():
        raise ImportError(f"{{fetched}} is something else than the course: rename it.")
    if not places and not (repo and shutil.which("git")):
        raise ImportError(
            "course_lib is not here: open this notebook inside the course's folder, "
            "or install git and run %env COURSE_REPO=(the address of your copy of the course)."
        )
    if importlib.util.find_spec("torch") is None:
        raise ImportError("This kernel has no PyTorch: run make lab, or choose the kernel .venv.")
    if not places:
        toml = importlib.import_module("tomllib")  # an old Python has none
        with tempfile.TemporaryDirectory(dir=".") as folder:
            course = Path(folder, "course")
            parts = "/course_lib /data /LICENSE /*.toml !*.safetensors !*.webp !*.gz !*.wasm"
            for command in (
                ["clone", "--depth=1", "--filter=blob:none", "--no-checkout", repo, course],
                ["-C", course, "rev-parse", "HEAD:course_lib"],  # fails where it is not the course
                ["-C", course, "sparse-checkout", "set", "--no-cone", *parts.split()],
                ["-C", course, "checkout"],
            ):
                done = subprocess.run(["git", *command], capture_output=True, text=True)
                if done.returncode:
                    raise ImportError(f"Could not fetch the course (is it public?): {{done.stderr}}")
            needed = toml.loads((course / "pyproject.toml").read_text())["project"]["dependencies"]
            subprocess.run([sys.executable, "-m", "pip", "install", "-q", *needed], check=True)
            if not fetched.exists():  # another notebook may have been faster
                course.rename(fetched)
    sys.path.insert(0, str([*places, fetched][0]))
    if "google.colab" in sys.modules and not Path("/content/drive/MyDrive").is_dir():
        print("Colab forgets what you solve. To keep it on your Google Drive, run this:")
        print("from google.colab import drive; drive.mount('/content/drive')")"""

ADDRESS = re.compile(r'COURSE_REPO", "([^"]*)"')
SSH = re.compile(r"(?:ssh://git@([\w.-]+)(?::\d+)?/|git@([\w.-]+):/?)(.+)")
GITHUB_BY_SSH = re.compile(r"ssh\.github\.com|github\.com-[\w.-]+")  # through port 443, and for a second account
ON_GITHUB = re.compile(r"https://(?:www\.)?github\.com/", flags=re.IGNORECASE)
GITHUB = re.compile(r"https://github\.com/([\w.-]+/(?!\.+/?$)[\w.-]+?)(?:\.git)?/?")
ELSEWHERE = re.compile(r"(?:https|file)://[\w./:~-]+")
LINK = re.compile(r"\[Open in Colab\]\([^)]*\)\n\n")


def stamped_address(notebook: Path) -> str:
    """The address in a notebook's first code cell; empty where none has been stamped.

    Raises:
        ValueError: if that cell is not the course's.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        first = "".join(_first_code(cells)["source"])
    except (ValueError, KeyError, StopIteration):
        first = ""
    found = ADDRESS.search(first)
    if found is None or first != FIRST_CELL.format(repo=found[1]):
        raise ValueError(f"{notebook} must begin with the course's set-up cell, as FIRST_CELL in colab.py has it.")
    return found[1]


def stamp(repo: str, notebooks: list[Path]) -> str:
    """Write an address into the set-up cell of notebooks, and a link to Colab under their titles if it is GitHub's.

    Args:
        repo: what git can clone: https://… or file://…; an ssh address, which asks Colab's users for
            a key, is turned into https. Empty takes address and link out again.
        notebooks: .ipynb files that begin with a title and the set-up cell.

    Returns:
        The address as it was written.

    Raises:
        ValueError: if it is none.
    """
    if ssh := SSH.fullmatch(repo):
        repo = f"https://{GITHUB_BY_SSH.sub('github.com', ssh[1] or ssh[2])}/{ssh[3]}"
    repo = ON_GITHUB.sub("https://github.com/", repo)
    if re.match(r"https://[^/]*@", repo):
        raise ValueError("the address holds a name or a token before @, which everybody could read: leave it out.")
    if repo and not (GITHUB if ON_GITHUB.match(repo) else ELSEWHERE).fullmatch(repo):
        raise ValueError(f"the address must look like https://github.com/NAME/REPOSITORY, but got {repo!r}.")
    for path in notebooks:
        stamped_address(path)  # all of them are known before the first is changed
    for path in notebooks:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        title, setup = notebook["cells"][0], _first_code(notebook["cells"])
        setup["source"] = FIRST_CELL.format(repo=repo).splitlines(keepends=True)
        text = LINK.sub("", "".join(title["source"]))
        if place := link(repo, path.name):
            text = text.replace("**You need**", f"[Open in Colab]({place})\n\n**You need**", 1)
        title["source"] = text.splitlines(keepends=True)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    return repo


def link(repo: str, name: str) -> str:
    """Where Colab opens a notebook of a repository on GitHub; empty for any other address."""
    github = GITHUB.fullmatch(repo)
    return f"https://colab.research.google.com/github/{github[1]}/blob/main/notebooks/{name}" if github else ""


def _first_code(cells: list[dict]) -> dict:
    return next(cell for cell in cells if cell["cell_type"] == "code")


def origin(top: Path) -> str:
    """The address that git knows for the course's own repository; empty if there is none."""

    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=top, capture_output=True, text=True, check=True).stdout.strip()

    try:  # the prefix is empty at a repository's top: around an unpacked ZIP there may be somebody's other one
        return "" if git("rev-parse", "--show-prefix") else git("remote", "get-url", "origin")
    except (OSError, subprocess.CalledProcessError):
        return ""


def main() -> None:
    top = Path(__file__).parents[2]
    if len(sys.argv) > 2:
        raise SystemExit(f"one address, please, and not {len(sys.argv) - 1}: {' '.join(sys.argv[1:])}")
    repo = sys.argv[1] if len(sys.argv) > 1 else origin(top)
    if not repo:
        raise SystemExit('there is no git remote "origin": name the address, https://github.com/NAME/REPOSITORY')
    try:
        written = stamp("" if repo == "none" else repo, sorted((top / "notebooks").glob("[0-9][0-9]_*.ipynb")))
    except (OSError, ValueError) as problem:
        raise SystemExit(str(problem)) from None
    print(
        f"all notebooks now fetch the course from {written}" if written else "no notebook carries an address any more"
    )


if __name__ == "__main__":
    main()
