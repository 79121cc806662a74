"""A place to play with prompts: type one, press the button, and watch the picture come out of the noise."""

import warnings

import ipywidgets as widgets
import numpy as np
from PIL import Image
from torch import Tensor

from course_lib.classroom.plots import packed_png
from course_lib.classroom.showing import show_widget
from course_lib.text_to_image import GUIDANCE, TextToImage, UnknownWord

SIDE = 256  # of a picture on the screen, in pixels: four times its own


def playground(pipe: TextToImage, prompt: str = "a red sports car") -> None:
    """Show fields for a prompt, a negative one, scale, steps and seed, or a sentence where no kernel runs."""
    show_widget(player(pipe, prompt), plain="[With a running kernel, run this cell to type prompts of your own.]")


def player(pipe: TextToImage, prompt: str) -> widgets.VBox:
    """The widget that ``playground`` shows.

    Nothing is drawn before the button is pressed, or Enter in the prompt. Each step replaces the picture by
    what the network then believes the end will be. What is wrong with an input is said below the button.
    """
    wide = {"style": {"description_width": "6em"}, "layout": {"width": "32em"}}
    # Not continuous: a text arrives with Enter, or when its field is left.
    fields = {
        "prompts": widgets.Text(prompt, description="prompt", continuous_update=False, **wide),
        "negative": widgets.Text("", description="negative", placeholder="what to stay away from", **wide),
        "guidance": widgets.FloatSlider(GUIDANCE, min=0, max=15, step=0.5, description="guidance w", **wide),
        "steps": widgets.IntSlider(25, min=1, max=100, description="steps", **wide),
        "seed": widgets.BoundedIntText(0, min=0, max=2**31 - 1, description="seed", **wide),
    }
    button, status = widgets.Button(description="Draw", button_style="primary"), widgets.Label()
    image = widgets.Image(format="png", width=SIDE, height=SIDE, layout={"align_self": "flex-start"})
    image.layout.display = "none"

    drawn = {}

    def draw(_: object) -> None:
        asked = {name: field.value for name, field in fields.items()}
        if asked == drawn:  # whoever types and then presses the button leaves the field and presses: twice the same
            return
        drawn.clear()
        button.disabled = True
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always", UnknownWord)
                for done, step in enumerate(pipe.watch(**asked)):
                    image.value = _picture(pipe.decode(step.x if step.pred is None else step.pred.x_0)[0])
                    image.layout.display = ""
                    status.value = f"step {done} of {asked['steps']}"
            told = [str(each.message) for each in warned if issubclass(each.category, UnknownWord)]
            status.value = " ".join(told) or "done: change something, and draw again"
            drawn.update(asked)
        except Exception as error:  # any: a widget's callback has no output of its own, and the reader must see it
            status.value = f"{type(error).__name__}: {error}"
        finally:
            button.disabled = False

    button.on_click(draw)
    fields["prompts"].observe(draw, names="value")
    return widgets.VBox([*fields.values(), button, status, image])


def _picture(picture: Tensor) -> bytes:
    """(3, 64, 64) uint8 as the bytes of a PNG file, its pixels enlarged and not smoothed."""
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).cpu().numpy())
    return packed_png(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST))
