"""Every notebook alone, with Colab's versions: make proof-colab, or make proof-colab ARGS="--python python3.13 03 06"

An environment with the versions that Colab ships, and in it, for each notebook, an empty folder with that notebook and the
address of a repository. Does the first cell fetch the course and replace no package, does every cell run, does every control
answer, and how much is downloaded? Takes an hour and a network.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nbclient.exceptions import CellExecutionError, CellTimeoutError
from on_colab import LIKE_COLAB, RunAlone, ask, published
from save_notebooks import chosen
from widgets_moved import IN_KERNEL

from course_lib.install import __main__ as installer

TOP = Path(__file__).parents[1]
COLABS = {
    "torch": "2.11.0",
    "numpy": "2.1.3",
    "matplotlib": "3.10.0",
    "ipywidgets": "7.7.1",
    "ipython": "7.34.0",
    "ipykernel": "6.17.1",
    "pillow": "11.3.0",
    "tqdm": "4.67.3",
    "safetensors": "0.8.0",
}  # the image of August 2026, for Python 3.13
MOST = 60e6  # bytes that one notebook may download


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("numbers", nargs="*", help="of the notebooks, such as 03; all unless given")
    parser.add_argument("--python", default="python3.13", help="Colab's is 3.13; 3.12 was before")
    parser.add_argument("--environment", type=Path, help="where to keep the environment, for the next time")
    asked = parser.parse_args()
    paths = chosen(asked.numbers)
    with tempfile.TemporaryDirectory() as folder:
        python = colabs_python(asked.environment or Path(folder, "environment"), asked.python)
        repository = Path(folder, "published")
        subprocess.run(["git", "clone", "-q", TOP, repository], check=True)
        address = published(repository)
        broken = [problem for path in paths for problem in problems(path, Path(folder), python, address)]
    print(*(f"✗ {problem}" for problem in broken), sep="\n")
    sys.exit(len(broken) > 0)


def colabs_python(folder: Path, python: str) -> Path:
    """The Python of an environment with what Colab has, and nothing of the course."""
    there = folder / "bin" / "python"
    if not there.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
        torch, *others = [f"{name}=={version}" for name, version in COLABS.items()]
        pip = [there, "-m", "pip", "install", "--quiet"]
        if subprocess.run([*pip, "--no-deps", f"--index-url={installer.CPU_BUILDS}", torch], check=False).returncode:
            print("PyTorch comes with NVIDIA's libraries: its build for the CPU could not be had.", flush=True)
        subprocess.run([*pip, torch, *others, "filelock"], check=True)
        (next(folder.glob("lib/python*/site-packages")) / "sitecustomize.py").write_text(LIKE_COLAB)
    return there


def problems(path: Path, folder: Path, python: Path, address: str) -> list[str]:
    """What goes wrong with one notebook, a sentence each; prints its time and what it downloads."""
    packages = (
        "import importlib.metadata as m; print(*sorted(f'{d.name} {d.version}' for d in m.distributions()), sep='\\n')"
    )
    before = set(ask(python, packages, folder).splitlines())
    began = time.monotonic()
    alone = RunAlone(
        path, folder / path.stem, python, COURSE_REPO=address, COURSE_PROGRESS=str(folder / f"{path.stem}.json")
    )
    try:
        alone.execute(IN_KERNEL)
    except (CellExecutionError, CellTimeoutError) as error:
        return [f"{path.stem} stops: {error}"]
    found = []
    if replaced := before - set(ask(python, packages, folder).splitlines()):
        found.append(f"{path.stem} replaces {', '.join(sorted(replaced))}")
    if "google.colab" not in alone.notebook.cells[2].outputs[0].text:
        found.append(f"{path.stem} says nothing of Google Drive")
    if alone.downloaded() > MOST:
        found.append(f"{path.stem} downloads too much")
    print(f"{path.stem}: {time.monotonic() - began:.0f} s, {alone.downloaded() / 1e6:.0f} MB downloaded", flush=True)
    return found


if __name__ == "__main__":
    main()
