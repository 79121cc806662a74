"""The builder makes, from the packages it names, exactly what is shipped."""

import subprocess
import sys

import pytest

from course_lib.support.files import checksums, data_folder

OUTSIDE = ("npm was not found", "npm could not fetch", "resvg_py is not installed")


def run(*arguments, **environment):
    command = [sys.executable, "-m", "course_lib.recipes.pictures.build_emoji", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **environment)


@pytest.mark.slow
def test_the_sprites_are_built_again_byte_for_byte(tmp_path):
    pytest.importorskip("resvg_py")
    from course_lib.recipes.pictures import build_emoji  # which asks for resvg_py

    try:
        packages = {name: build_emoji.fetch(source.package, tmp_path) for name, source in build_emoji.SOURCES.items()}
        icons = build_emoji.fetch(build_emoji.ICON_SOURCE.package, tmp_path)
    except SystemExit as stopped:
        if any(sentence in str(stopped) for sentence in OUTSIDE):
            pytest.skip(str(stopped))
        raise
    sets = {name: build_emoji.read(package, "icons.json") for name, package in packages.items()}
    drawn = data_folder() / "emoji" / "drawn"
    made = build_emoji.build_sprites(sets, build_emoji.read(icons, "icons.json"), drawn)
    made["held_out.json"] = build_emoji.as_json(build_emoji.choose_held_out())
    for name, content in made.items():
        assert content == (data_folder() / "emoji" / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.proof  # make proof-emoji: two minutes
def test_everything_is_built_again_byte_for_byte(tmp_path):
    ran = run("--to", tmp_path / "built")
    if ran.returncode and any(sentence in ran.stderr for sentence in OUTSIDE):
        pytest.skip(ran.stderr.strip().splitlines()[-1])
    assert ran.returncode == 0, ran.stderr
    built = {path.name for path in (tmp_path / "built").iterdir()}
    shipped = {name.removeprefix("emoji/") for name in checksums() if name.startswith("emoji/")}
    by_hand = {name for name in shipped if name.startswith(("drawn/", "licenses/"))} | {"NOTICE"}
    assert built == shipped - by_hand
    for name in sorted(built):
        assert (tmp_path / "built" / name).read_bytes() == (data_folder() / "emoji" / name).read_bytes(), name


def test_without_npm_one_sentence_says_so(tmp_path):
    pytest.importorskip("resvg_py")
    ran = run("--to", tmp_path / "built", env={"PATH": "", "PYTHONPATH": ":".join(sys.path)})
    assert ran.returncode == 1
    assert "npm was not found: install Node.js" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not list((tmp_path / "built").iterdir())
