"""What a Colab user has: one notebook in an empty folder, an environment without the course, and an address."""

import json
import os
import site
import subprocess
import sys
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

LIKE_COLAB = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"


def published(repository: Path) -> str:
    """The address of a git repository that hands out single files, as GitHub and GitLab do."""
    for setting in ("allowFilter", "allowAnySHA1InWant"):
        subprocess.run(["git", "config", f"uploadpack.{setting}", "true"], cwd=repository, check=True)
    return repository.as_uri()


def environment(**variables: str) -> dict[str, str]:
    """The variables of this process, without those that lead to this checkout."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "COURSE_REPO")}
    return kept | variables


class RunAlone:
    """A notebook, copied into an empty folder and run there by the Python of another environment."""

    def __init__(self, path: Path, folder: Path, python: Path, **variables: str) -> None:
        folder.mkdir(parents=True)
        self.folder, self.notebook = folder, nbformat.read(path, as_version=4)
        kernel = folder.parent / f"kernel of {folder.name}" / "python3"
        kernel.mkdir(parents=True)
        command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        described = {"argv": command, "display_name": "Python 3", "language": "python", "env": variables}
        (kernel / "kernel.json").write_text(json.dumps(described))
        where = {"metadata": {"path": str(folder)}}
        self.client = NotebookClient(self.notebook, timeout=1800, kernel_name="python3", resources=where)
        self.client.create_kernel_manager()
        self.client.km.kernel_spec_manager = KernelSpecManager(kernel_dirs=[str(kernel.parent)])

    def execute(self, *more: str) -> str:
        """Run all cells, and then some that are not the notebook's; returns what all of them printed.

        Raises:
            CellExecutionError: if a cell stops.
        """
        self.notebook.cells += [nbformat.v4.new_code_cell(source) for source in more]
        self.client.execute(env=environment())
        outputs = [output for cell in self.notebook.cells for output in cell.get("outputs", [])]
        return "".join(output.text for output in outputs if output.output_type == "stream")

    def downloaded(self) -> int:
        """How many bytes git has fetched."""
        packs = (self.folder / "diffusion-course" / ".git" / "objects").rglob("*")
        return sum(path.stat().st_size for path in packs if path.is_file())


def make_environment(folder: Path) -> Path:
    """The Python of a fresh environment that sees every package installed here, as Colab's would be, but not the course.

    A path in a .pth file adds its packages but not its own .pth files, and the course is installed through one of those.
    """
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    where = ask(python, "import site; print(site.getsitepackages()[0])", folder)
    Path(where, "packages_of_colab.pth").write_text("\n".join(site.getsitepackages()))
    Path(where, "sitecustomize.py").write_text(LIKE_COLAB)
    return python


def ask(python: Path, program: str, folder: Path) -> str:
    """What a program prints."""
    command = [python, "-c", program]
    ran = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    return ran.stdout.strip()
