"""Build the course's page: ``make site``, or ``python -m course_lib.site [FOLDER]``.

Needs no network, and its folder is all that a server has to hand out: a page for each notebook as it was saved, search,
and a front page that draws. Warnings of Sphinx are errors.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from course_lib import pretrained
from course_lib.site.export import export
from course_lib.site.staging import staged
from course_lib.support.files import shipped_file

HERE = Path(__file__).parent
TOP = HERE.parents[1]
RUNTIME = (
    *("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    *("LICENSE", "NOTICE", "ThirdPartyNotices.txt"),
)
NOTEBOOKS = sorted((TOP / "notebooks").glob("*.ipynb"))


def build(folder: Path) -> int:
    """Write the site into a folder; 0 if nothing was wrong with it."""
    with tempfile.TemporaryDirectory() as temporary:
        source, built = Path(temporary, "source"), Path(temporary, "built")  # MyST-NB leaves a folder beside the latter
        source.mkdir()
        shutil.copy(HERE / "index.md", source)
        for notebook in NOTEBOOKS:
            (source / notebook.name).write_text(staged(notebook.read_text(encoding="utf-8")), encoding="utf-8")
        options = ["-q", "-W", "--keep-going", "-b", "html", "-c", HERE, "-d", source / ".doctrees"]
        sphinx = subprocess.run([sys.executable, "-m", "sphinx", *options, source, built], check=False)
        if sphinx.returncode:
            return sphinx.returncode
        shutil.copytree(built, folder, dirs_exist_ok=True)
    for notebook in NOTEBOOKS:  # what is downloaded is the notebook itself
        shutil.copy(notebook, folder / "_sources")
    fill_easel(folder / "_static" / "easel")
    (folder / ".nojekyll").touch()  # GitHub Pages would leave out what begins with _
    print(f"Built. To see it: python -m http.server --directory {folder}")
    return 0


def fill_easel(folder: Path) -> None:
    """What the front page draws with: its scripts, ONNX Runtime, and the model."""
    shutil.copytree(HERE / "browser", folder, dirs_exist_ok=True)
    (folder / "ort").mkdir(exist_ok=True)
    for name in RUNTIME:
        path = shipped_file(f"onnxruntime_web/{name}")
        script = path.suffix == ".mjs"  # an ending that some servers do not know for a script
        shutil.copy(path, folder / "ort" / (f"{path.stem}.js" if script else name))
    export(pretrained.text_to_image(), folder / "model")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m course_lib.site", description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=TOP / "site")
    sys.exit(build(parser.parse_args().folder))


if __name__ == "__main__":
    main()
