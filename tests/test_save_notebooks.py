"""A notebook is saved with what it shows now; one that stops stays as it was."""

import sys

import nbformat
import pytest
import save_notebooks


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Makes 42_small.ipynb of sources, and chooses it."""
    path = tmp_path / "42_small.ipynb"
    monkeypatch.setattr(save_notebooks, "NOTEBOOKS", [path])
    for name in ("HOME", "USERPROFILE", "COURSE_PROGRESS"):
        monkeypatch.setenv(name, str(tmp_path))

    def make(*sources):
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path.write_text(nbformat.writes(book), encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["save_notebooks.py", "42"])
        return path

    return make


def test_what_a_notebook_shows_is_saved_and_nothing_of_this_machine(notebook):
    path = notebook(
        "import ipywidgets, os\nprint('one')\nprint('zwölf')",
        "ipywidgets.IntSlider()",
        "print(os.listdir(os.path.expanduser('~')), 'COURSE_PROGRESS' in os.environ)",
    )
    assert save_notebooks.main() == 0
    saved = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in saved.cells] == [1, 2, 3]
    assert [output.text for output in saved.cells[0].outputs] == ["one\nzwölf\n"]
    assert saved.cells[1].outputs[0].data["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert "False" in saved.cells[2].outputs[0].text
    assert str(path.parent) not in saved.cells[2].outputs[0].text
    assert "widgets" not in saved.metadata
    assert all("execution" not in cell.metadata for cell in saved.cells)
    assert path.read_bytes().endswith(b"}\n")
    assert "zwölf" in path.read_text(encoding="utf-8")


def test_a_notebook_that_stops_stays_as_it_was(notebook, capsys):
    path = notebook("print('one')", "1 / 0")
    before = path.read_bytes()
    assert save_notebooks.main() == 1
    assert path.read_bytes() == before
    assert "42_small stays as it was" in capsys.readouterr().out


def test_a_notebook_that_is_not_there_is_named(notebook, monkeypatch):
    notebook("1")
    monkeypatch.setattr(sys, "argv", ["save_notebooks.py", "43"])
    with pytest.raises(SystemExit, match="there are these notebooks: 42"):
        save_notebooks.main()
