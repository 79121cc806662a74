"""``make rerun``, which takes minutes a notebook, on one notebook in one of its ways."""

from pathlib import Path

import nbformat
import pytest
from run_notebooks import problems

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "01_forward_step.ipynb"


@pytest.mark.slow
def test_what_a_learner_pastes_runs_and_is_called_below(tmp_path, monkeypatch):
    """The whole notebook; and the cells up to its first check, below which nothing calls what was checked."""
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    assert list(problems(NOTEBOOK, "solved")) == []
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = next(k for k, cell in enumerate(notebook.cells) if cell.id.endswith("-check")) + 1
    notebook.cells = [cell for cell in notebook.cells[:place] if cell.cell_type == "code"]
    shortened = tmp_path / NOTEBOOK.name
    nbformat.write(notebook, shortened)
    (found,) = problems(shortened, "solved")
    assert found.endswith("is checked, and then never called")
