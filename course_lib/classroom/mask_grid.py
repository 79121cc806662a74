"""A mask drawn by hand, by mouse or by Tab and Space: a grid of buttons, since core ipywidgets have no canvas."""

from collections.abc import Callable

import ipywidgets as widgets
import torch
from torch import Tensor

from course_lib.classroom.playground import ENLARGE
from course_lib.emoji.scenes import SIDE
from course_lib.support.arguments import require_axes, require_between, require_count

FEWEST, MOST = 3, 16  # cells along a side: fewer have no middle, more are too small to hit
MARK = "×"  # stands in a marked cell, which is darker, too: nobody needs to tell the shades apart


class MaskGrid(widgets.VBox):
    """Cells to mark, below each other in rows, and three buttons: none of them, the right half, and the middle square, as at
    the start.

    Args:
        cells: so many along each side, in 3…16.

    Raises:
        TypeError, ValueError: for any other number.
    """

    def __init__(self, cells: int = 8) -> None:
        require_count("cells", cells)
        require_between("cells", cells, FEWEST, MOST)
        size = ENLARGE * SIDE // cells
        square = widgets.Layout(width=f"{size}px", height=f"{size}px", margin="0", padding="0", border="1px solid")
        buttons = [
            widgets.ToggleButton(tooltip=f"row {row}, column {column}", layout=square)
            for row in range(1, cells + 1)
            for column in range(1, cells + 1)
        ]
        columns = {"grid_template_columns": f"repeat({cells}, {size}px)", "overflow": "visible"}
        clear, half, middle = (widgets.Button(description=name) for name in ("Clear", "Right half", "Middle square"))
        super().__init__([widgets.GridBox(buttons, layout=columns), widgets.HBox([clear, half, middle])])
        self.cells, self.buttons, self._listeners, self._quiet = cells, buttons, [], False

        margin = max(1, cells // 4)
        empty, half_marks, square_marks = torch.zeros(3, cells, cells, dtype=torch.bool)
        half_marks[:, cells // 2 :] = True
        square_marks[margin:-margin, margin:-margin] = True
        for button in buttons:
            button.observe(self._toggled, "value")
        clear.on_click(lambda _: self.mark(empty))
        half.on_click(lambda _: self.mark(half_marks))
        middle.on_click(lambda _: self.mark(square_marks))
        self.mark(square_marks)

    def mask(self, side: int = SIDE) -> Tensor:
        """What is marked: (side, side) bool, True in the hole; each cell is side / cells pixels wide and high.

        Raises:
            TypeError, ValueError: if side is no multiple of cells.
        """
        require_count("side", side)
        if side % self.cells:
            raise ValueError(f"side must be a multiple of cells, {self.cells}, but got {side}.")
        marks = torch.tensor([button.value for button in self.buttons]).view(self.cells, self.cells)
        return marks.repeat_interleave(side // self.cells, 0).repeat_interleave(side // self.cells, 1)

    def mark(self, marks: Tensor) -> None:
        """Mark the cells where marks, (cells, cells) bool, are True, and no others."""
        require_axes("marks", marks, self.cells, self.cells)
        self._quiet = True  # one change for whoever listens, not one for each cell
        for button, marked in zip(self.buttons, marks.flatten().tolist(), strict=True):
            button.value = bool(marked)
        self._quiet = False
        self._tell()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call the listener whenever cells are marked or emptied."""
        self._listeners.append(listener)

    def _toggled(self, change: dict) -> None:
        change["owner"].description = MARK if change["new"] else ""
        if not self._quiet:
            self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
