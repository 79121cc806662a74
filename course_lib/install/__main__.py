"""Install the course into the folder .venv:  python -m course_lib.install,  in the course's folder.

`make lab` calls it. The lists beside this file name every package with its version, so that nothing has to be resolved,
and nothing outside .venv is written. uv does most of it, within seconds; where uv cannot, pip does.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from course_lib.install.served import not_served

if not_served():  # before anything that an old Python could stumble on
    sys.exit(not_served())

LISTS = Path(__file__).resolve().parent
TOP = LISTS.parents[1]
VENV = TOP / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
UV = "uv==0.13.9"
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"  # PyTorch's own index: for Linux, PyPI has the NVIDIA builds alone


def main() -> None:
    lists = sorted(path.stem for path in LISTS.glob("*.txt") if path.stem != "cuda")
    parser = argparse.ArgumentParser(prog="python -m course_lib.install", description="Install the course into .venv.")
    parser.add_argument("lists", nargs="*", help=f"what for: {', '.join(lists)}; lab unless given")
    parser.add_argument("--torch", choices=["cpu", "cuda"], help="PyTorch's build on Linux; found out unless given")
    asked = parser.parse_args()
    wanted = asked.lists or ["lab"]
    if not set(wanted) <= set(lists):
        parser.error(f"the lists are {', '.join(lists)}, but got {' '.join(wanted)}")
    if asked.torch == "cuda" and sys.platform != "linux":
        parser.error("cuda is for Linux; on Windows, install torch into .venv as pytorch.org says for CUDA.")
    if not (TOP / "pyproject.toml").exists():
        sys.exit("This copy of course_lib is installed already: run it in the course's folder, beside README.md.")
    make_environment()
    if sys.platform == "linux":
        install_torch_on_linux(asked.torch)
    print(f"Installing the packages for {' and '.join(wanted)}, about 100 MB to download in all.", flush=True)
    install(*(f"--requirement={LISTS / name}.txt" for name in wanted), f"--editable={TOP}")
    shutil.rmtree(VENV / "uv-cache", ignore_errors=True)
    print(f"Installed. {PYTHON.relative_to(TOP)} is the course's Python.", flush=True)


def make_environment() -> None:
    """An environment in .venv of this Python, with pip, and with uv where there is one for this machine."""
    same = f"import pip, sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    good = PYTHON.exists() and run(PYTHON, "-c", same) == 0
    if not good and run(sys.executable, "-m", "venv", "--clear", VENV) != 0:
        sys.exit("The environment could not be made: on Debian and Ubuntu, install python3-venv first.")
    pip("--quiet", UV)


def install_torch_on_linux(build: str | None) -> None:
    """PyTorch's build for the CPU, a tenth of the other, unless there is an NVIDIA card or that one is asked for."""
    pin = next(
        line for line in (LISTS / "lab.txt").read_text(encoding="utf-8").splitlines() if line.startswith("torch==")
    )
    there = [path.name for path in VENV.glob("lib/python*/site-packages/torch-*.dist-info")]
    release = pin.replace("==", "-")
    if build is None:
        if any(name.startswith(release) for name in there):
            return
        build = "cuda" if has_nvidia_card() else "cpu"
    if build == "cpu":
        if f"{release}+cpu.dist-info" in there:
            return
        print("Downloading PyTorch for the CPU, about 190 MB (with an NVIDIA card: make lab TORCH=cuda).", flush=True)
        if pip("--force-reinstall", "--retries=1", "--timeout=30", f"--index-url={CPU_BUILDS}", pin) == 0:
            return
        print("PyTorch's build for the CPU could not be had from download.pytorch.org.", flush=True)
    print("Downloading PyTorch with NVIDIA's libraries, about 2.7 GB (Ctrl-C stops it).", flush=True)
    install(f"--requirement={LISTS / 'cuda.txt'}")  # first: where PyTorch is there, all that it needs is too
    if f"{release}.dist-info" not in there and pip("--force-reinstall", pin) != 0:
        sys.exit("PyTorch could not be installed.")


def has_nvidia_card() -> bool:
    tool = shutil.which("nvidia-smi")
    return tool is not None and subprocess.run([tool, "-L"], capture_output=True, check=False).returncode == 0


def install(*what: str) -> None:
    """Install with uv or else with pip: exactly what is listed, without looking for what it depends on."""
    if shutil.which("uv", path=PYTHON.parent):
        command = (PYTHON, "-m", "uv", "pip", "install", "--quiet", "--no-deps", f"--python={PYTHON}", *what)
        if run(*command, env=settings_of_uv()) == 0:
            return
        print("uv could not install them, so pip does, which takes longer.", flush=True)
    if pip("--quiet", *what) != 0:
        sys.exit("The packages could not be installed: the lines above say why.")


def settings_of_uv() -> dict[str, str]:
    """The environment with a cache in .venv, and the package index that pip is set to, which uv does not look up."""
    command = [PYTHON, "-m", "pip", "config", "get", "global.index-url"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    index = os.environ.get("PIP_INDEX_URL") or asked
    mirror = {"UV_DEFAULT_INDEX": index} if index else {}
    return {**mirror, **os.environ, "UV_CACHE_DIR": str(VENV / "uv-cache")}


def pip(*what: str) -> int:
    command = (
        PYTHON,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-cache-dir",
        "--no-compile",
        "--disable-pip-version-check",
    )
    return run(*command, *what)


def run(*command: str | Path, **options: object) -> int:
    return subprocess.run([str(part) for part in command], cwd=TOP, check=False, **options).returncode


if __name__ == "__main__":
    main()
