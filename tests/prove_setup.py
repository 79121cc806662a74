"""The set-up from nothing, where it is hardest: make proof-setup, or make proof-setup PYTHON=/usr/bin/python3.11

A clone with its line ends turned around, in a path with spaces and accents, for somebody without a home folder: is it
installed, is every file whole, does JupyterLab's address lead to notebook 00 with the library beside it, and does
notebook 00 run to its end? Takes some minutes and a network.
"""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

TOP = Path(__file__).parents[1]
NOTEBOOK = "notebooks/00_start_here.ipynb"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "Ein Kurs für Hélène")
        run("git", "clone", "-q", "-c", "core.autocrlf=true", TOP, place, cwd=folder)
        run("make", f"PYTHON={sys.executable}", ".venv/lab", cwd=place)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"installed with {used.ru_utime + used.ru_stime:.0f} s of processor time")
        said = run(place / ".venv/bin/python", "-m", "course_lib.classroom.setup_check", cwd=place)
        print(said)
        assert "All is ready." in said
        assert "differs" not in said
        ask_jupyterlab(place)
        run(place / ".venv/bin/jupyter", "execute", NOTEBOOK, cwd=place, HOME=str(place / ".home"))
        print("notebook 00 runs to its end")


def run(*command: str | Path, cwd: str | Path, **environment: str) -> str:
    """What a command prints; where it fails, the error is in the terminal."""
    nowhere = {**os.environ, "HOME": "/dev/null/home"} | environment
    nowhere.pop("PYTHONPATH", None)
    return subprocess.run(command, cwd=cwd, env=nowhere, stdout=subprocess.PIPE, text=True, check=True).stdout


def ask_jupyterlab(place: Path) -> None:
    """Start it as the README says and follow the address that it prints."""
    command = ["make", "lab", "ARGS=--no-browser --port=8977"]
    nowhere = {**os.environ, "HOME": "/dev/null/home"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=place, env=nowhere, start_new_session=True, **pipes) as server:
        try:
            follow_the_address(server)
        finally:  # whatever was found: else it would serve for ever
            os.killpg(server.pid, signal.SIGTERM)
            server.stdout.read()
    print("JupyterLab's address leads to notebook 00, and course_lib lies beside it")


def follow_the_address(server: subprocess.Popen) -> None:
    """Wait for the address that the server prints, and ask for what stands behind it."""
    printed = (re.search(r"http://localhost:(\d+)(\S+)\?token=(\w+)", line) for line in server.stdout)
    port, path, token = next(found for found in printed if found).groups()
    assert path == f"/lab/tree/{NOTEBOOK}", path

    def ask(below: str) -> bytes:
        for _ in range(60):  # the address is printed a moment before anybody answers
            address = f"http://localhost:{port}{below}?token={token}"
            with suppress(OSError), urllib.request.urlopen(address, timeout=60) as answer:
                return answer.read()
            time.sleep(0.5)
        raise TimeoutError(f"nobody answers at port {port}")

    assert b"jupyter-config-data" in ask(path)
    assert {"notebooks", "course_lib"} <= {each["name"] for each in json.loads(ask("/api/contents/"))["content"]}


if __name__ == "__main__":
    main()
