"""A Colab user has one notebook in an empty folder, and an environment without the course: notebook 00 must still run."""

import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.classroom.colab import FIRST_CELL

TOP = Path(__file__).parents[1]


def environment_without_the_course(folder, *options):
    """The Python of a fresh environment that sees every package installed here, as Colab's would be, but not the course.

    A path in a .pth file adds its packages but not its own .pth files, and the course is installed through one of those.
    """
    subprocess.run([sys.executable, "-m", "venv", *options, folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    where = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    Path(where, "packages_of_colab.pth").write_text("\n".join(site.getsitepackages()))
    missing = subprocess.run([python, "-c", "import torch, course_lib"], capture_output=True, text=True, cwd=folder)
    assert "No module named 'course_lib'" in missing.stderr
    return python


@pytest.fixture
def colab(tmp_path):
    return environment_without_the_course(tmp_path / "environment")


@pytest.fixture(scope="module")
def other_kernel(tmp_path_factory):
    return environment_without_the_course(tmp_path_factory.mktemp("environment"), "--without-pip")


@pytest.mark.slow
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


def run_first_cell(python, folder, **variables):
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "COURSE_REPO")}
    program = FIRST_CELL.format(repo="") + "\nimport course_lib\nprint(course_lib.__file__)"
    return subprocess.run(
        [python, "-c", program], cwd=folder, env=environment | variables, capture_output=True, text=True
    )


@pytest.mark.slow
def test_inside_a_checkout_another_kernel_finds_the_course_without_a_network(other_kernel, tmp_path):
    below = tmp_path / "a checkout" / "notebooks"
    below.mkdir(parents=True)
    (below.parent / "course_lib").mkdir()
    (below.parent / "course_lib" / "__init__.py").write_text("")
    ran = run_first_cell(other_kernel, below, COURSE_REPO="https://nowhere.invalid/")
    assert ran.stdout.strip() == str(below.parent / "course_lib" / "__init__.py"), ran.stderr


def test_a_kernel_without_the_packages_is_told_which_one_to_choose(tmp_path):
    below = tmp_path / "notebooks"
    below.mkdir()
    (tmp_path / "course_lib").mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = tmp_path / "bare" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ran = run_first_cell(python, below)
    assert "ImportError: This kernel has no PyTorch: run make lab, or choose the kernel .venv." in ran.stderr


def test_alone_and_without_an_address_it_says_what_to_do(other_kernel, tmp_path):
    ran = run_first_cell(other_kernel, tmp_path)
    assert "ImportError: course_lib is not here: open this notebook inside the course's folder." in ran.stderr
