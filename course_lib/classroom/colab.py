"""The first cell of every notebook, which finds the course or installs it, and the address that it installs from.

The course itself carries no address: its publisher stamps one into the notebooks, with a link to Colab in
each. ``python -m course_lib.classroom.colab https://github.com/…/…`` does so; without an address it takes that of git's
remote "origin", and ``none`` takes all of it out again.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

FIRST_CELL = """\
# @title Find the course, or install it on Colab
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("course_lib") is None:
    repo = os.environ.get("COURSE_REPO", "{repo}")
    above = [folder for folder in Path.cwd().parents if (folder / "course_lib").is_dir()]
    if above and importlib.util.find_spec("torch") is None:
        raise ImportError("This kernel has no PyTorch: run make lab, or choose the kernel .venv.")
    elif above:
        sys.path.insert(0, str(above[0]))
    elif repo:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", f"git+{{repo}}"], check=True)
    else:
        raise ImportError("course_lib is not here: open this notebook inside the course's folder.")
    importlib.invalidate_caches()"""

ADDRESS = re.compile(r'COURSE_REPO", "([^"]*)"')
SSH = re.compile(r"(?:ssh://)?git@([\w.-]+)[:/](.+)")
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")
LINK = re.compile(r"\[Open in Colab\]\([^)]*\)\n\n")


def stamped_address(notebook: Path) -> str:
    """The address in a notebook's first code cell; empty where none has been stamped.

    Raises:
        ValueError: if that cell is not the course's.
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    first = "".join(_first_code(cells)["source"])
    found = ADDRESS.search(first)
    if found is None or first != FIRST_CELL.format(repo=found[1]):
        raise ValueError(f"{notebook} must begin with the course's set-up cell, as FIRST_CELL in colab.py has it.")
    return found[1]


def stamp(repo: str, notebooks: list[Path]) -> str:
    """Write an address into the set-up cell of notebooks, and a link to Colab under their titles if it is GitHub's.

    Args:
        repo: what pip can install from after ``git+``: https://… or file://…; an ssh address, which asks Colab's users for
            a key, is turned into https. Empty takes address and link out again.
        notebooks: .ipynb files that begin with a title and the set-up cell.

    Returns:
        The address as it was written.

    Raises:
        ValueError: if it is none.
    """
    if ssh := SSH.fullmatch(repo):
        repo = f"https://{ssh[1]}/{ssh[2]}"
    if repo and not re.fullmatch(r"(https|file)://[\w./@:~-]+", repo):
        raise ValueError(f"the address must look like https://github.com/NAME/REPOSITORY, but got {repo!r}.")
    for path in notebooks:
        stamped_address(path)  # all of them are known before the first is changed
    for path in notebooks:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        title, setup = notebook["cells"][0], _first_code(notebook["cells"])
        setup["source"] = FIRST_CELL.format(repo=repo).splitlines(keepends=True)
        text = LINK.sub("", "".join(title["source"]))
        if github := GITHUB.fullmatch(repo):
            place = f"https://colab.research.google.com/github/{github[1]}/blob/main/notebooks/{path.name}"
            text = text.replace("**You need**", f"[Open in Colab]({place})\n\n**You need**", 1)
        title["source"] = text.splitlines(keepends=True)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    return repo


def _first_code(cells: list[dict]) -> dict:
    return next(cell for cell in cells if cell["cell_type"] == "code")


def main() -> None:
    top = Path(__file__).parents[2]
    if len(sys.argv) > 1:
        repo = "" if sys.argv[1] == "none" else sys.argv[1]
    else:
        asked = subprocess.run(["git", "remote", "get-url", "origin"], cwd=top, capture_output=True, text=True)
        repo = asked.stdout.strip()
        if not repo:
            raise SystemExit('there is no git remote "origin": name the address, https://github.com/NAME/REPOSITORY')
    try:
        written = stamp(repo, sorted((top / "notebooks").glob("*.ipynb")))
    except ValueError as problem:
        raise SystemExit(str(problem)) from None
    print(f"all notebooks now install from {written}" if written else "no notebook carries an address any more")


if __name__ == "__main__":
    main()
