"""The first cell of every notebook, and the address in it from which Colab installs the course.

After forking, one command writes the fork's address into every notebook and the README:
``python -m course_lib.classroom.colab https://github.com/NAME/REPOSITORY``, or without an address, that of git's
remote "origin".
"""

import json
import re
import subprocess
import sys
from pathlib import Path

FIRST_CELL = """\
# On Colab, this installs the course; anywhere else it does nothing.
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("course_lib") is None:
    repo = os.environ.get("COURSE_REPO", "{repo}")
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", f"git+{{repo}}"], check=True)
    importlib.invalidate_caches()"""

ADDRESS = re.compile(r'COURSE_REPO", "([^"]+)"')
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(\.git)?/?")


def stamped_address(notebook: Path) -> str:
    """The address in a notebook's first code cell.

    Raises:
        ValueError: if that cell is not the course's.
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    first = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    found = ADDRESS.search(first)
    if found is None or first != FIRST_CELL.format(repo=found[1]):
        raise ValueError(f"{notebook} must begin with the course's set-up cell, as FIRST_CELL in colab.py has it.")
    return found[1]


def stamp(repo: str, notebooks: list[Path], texts: list[Path]) -> None:
    """Write an address into the set-up cell and the Colab links of all notebooks, and into other texts.

    Args:
        repo: what pip can install from after ``git+``: https://…, ssh://… or file://….
        notebooks: .ipynb files that begin with the set-up cell.
        texts: other files that name the address, such as the README.
    """
    if not re.fullmatch(r"(https|ssh|file)://[\w./@:~-]+", repo):
        raise ValueError(f"the address must look like https://github.com/NAME/REPOSITORY, but {repo!r} came.")
    old = stamped_address(notebooks[0])
    old_github, new_github = GITHUB.fullmatch(old), GITHUB.fullmatch(repo)
    for path in [*notebooks, *texts]:
        text = path.read_text(encoding="utf-8").replace(old, repo)
        if old_github and new_github:  # Colab's own links: …/github/NAME/REPOSITORY/blob/…
            text = text.replace(f"/github/{old_github[1]}/", f"/github/{new_github[1]}/")
        path.write_text(text, encoding="utf-8")


def main() -> None:
    top = Path(__file__).parents[2]
    if len(sys.argv) > 1:
        repo = sys.argv[1]
    else:
        asked = subprocess.run(["git", "remote", "get-url", "origin"], cwd=top, capture_output=True, text=True)
        repo = asked.stdout.strip()
        if not repo:
            raise SystemExit('there is no git remote "origin": name the address, https://github.com/NAME/REPOSITORY')
    try:
        stamp(repo, sorted((top / "notebooks").glob("*.ipynb")), [top / "README.md"])
    except ValueError as problem:
        raise SystemExit(str(problem)) from None
    print(f"all notebooks now install from {repo}")


if __name__ == "__main__":
    main()
