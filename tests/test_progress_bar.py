"""What a progress bar leaves behind in a notebook that is saved."""

import nbformat
import pytest
from nbclient import NotebookClient

CELL = """
from course_lib.support.progress_bar import progress_bar
from course_lib.training import TrainState, TrainStep, with_progress

for step in with_progress((TrainStep(number, 0.5) for number in range(1, 41)), TrainState(torch.nn.Linear(1, 1)), 40, 8):
    if step.step == 20:
        print("half way")
assert list(progress_bar(range(5), 5)) == [0, 1, 2, 3, 4]
"""


@pytest.mark.slow
def test_a_bar_leaves_one_line_in_a_notebook():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import torch" + CELL)])
    NotebookClient(notebook, timeout=120).execute()
    bar, text, plain = notebook.cells[0].outputs
    assert bar.output_type == "display_data"
    assert bar.data["text/plain"].startswith("100%|█")
    assert "loss=0.5000, step=40" in bar.data["text/plain"]
    assert not set("\r\n") & set(bar.data["text/plain"])
    assert (text.name, text.text) == ("stdout", "half way\n")
    assert plain.data["text/plain"].startswith("100%|█")
    assert "5/5" in plain.data["text/plain"]
