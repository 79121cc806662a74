"""A Colab user has one notebook in an empty folder, and an environment without the course: notebook 00 must still run."""

import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]


@pytest.fixture
def colab(tmp_path):
    """The Python of a fresh environment that sees every package installed here, as Colab's would be, but not the course.

    A path in a .pth file adds its packages but not its own .pth files, and the course is installed through one of those.
    """
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    where = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    Path(where, "packages_of_colab.pth").write_text("\n".join(site.getsitepackages()))
    missing = subprocess.run([python, "-c", "import torch, course_lib"], capture_output=True, text=True, cwd=tmp_path)
    assert "No module named 'course_lib'" in missing.stderr
    return python


def test_notebook_00_runs_from_an_empty_folder(clone, colab, tmp_path):
    empty = tmp_path / "content"
    empty.mkdir()
    shutil.copy(TOP / "notebooks" / "00_start_here.ipynb", empty)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {
        "COURSE_REPO": f"file://{clone}",
        # Colab downloads the build backend; this test needs no network and takes the one that is installed.
        "PIP_NO_BUILD_ISOLATION": "0",
        "JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter"),
    }
    program = """
import sys, nbformat
from nbclient import NotebookClient
from ipykernel.kernelspec import write_kernel_spec
from jupyter_client.kernelspec import KernelSpecManager
from pathlib import Path
kernels = Path.cwd().parent / "kernels"
write_kernel_spec(str(kernels / "python3"))  # a kernel of this very environment
notebook = nbformat.read("00_start_here.ipynb", as_version=4)
client = NotebookClient(notebook, timeout=600, kernel_name="python3")
client.create_kernel_manager()
client.km.kernel_spec_manager = KernelSpecManager(kernel_dirs=[str(kernels)])
client.execute()
nbformat.write(notebook, "ran.ipynb")
"""
    ran = subprocess.run([colab, "-c", program], cwd=empty, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    saved = (empty / "ran.ipynb").read_text()
    assert "All is ready." in saved
    assert re.search(r"the classifier agrees with the label for \d+%", saved)
    where = subprocess.run(
        [colab, "-c", "import course_lib; print(course_lib.__file__)"], capture_output=True, text=True, cwd=empty
    )
    assert str(colab.parents[1]) in where.stdout  # it ran on the installed course, not on this checkout
