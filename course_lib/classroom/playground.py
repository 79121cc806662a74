"""A place to play with prompts: type one, press Enter, and watch the picture come out of the noise.

With a student there is nothing to press: it is quick enough to draw again at every letter.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import ipywidgets as widgets

from course_lib.classroom.plots import img_tag, packed
from course_lib.classroom.showing import ONCE_IN_PAGE, problem_html, show_widget, spoken_line, text_html
from course_lib.pipeline.text_to_image import GUIDANCE, STEPS, TextToImage, UnknownWord

ENLARGE = 4  # so many pixels of the screen, along a side, to one of a picture
# One step is drawn for each press of an invisible button, and each picture presses it once it is on the screen. Between
# two steps the kernel so has time for other presses. A thread would do that too, but Colab shows nothing that it draws.
PRESS_NEXT = ONCE_IN_PAGE + "this.closest('.course-live').querySelector('.course-next').click()"
WIDE = {"style": {"description_width": "6em"}, "layout": {"width": "32em", "max_width": "100%"}}


def playground(pipe: TextToImage, prompt: str = "a red sports car") -> None:
    """Show fields for a prompt, a negative one, scale, steps and seed; for a student's prompt and seed; or a sentence where
    no kernel runs.
    """
    if not hasattr(pipe, "distilled"):
        raise TypeError(f"pipe must be a pipeline, such as pretrained.text_to_image(), but got {type(pipe).__name__}.")
    widget = player(pipe, prompt) if pipe.distilled is None else follower(pipe, prompt)
    show_widget(widget, plain="[With a running kernel, run this cell to type prompts of your own.]")


def player(pipe: TextToImage, prompt: str) -> widgets.VBox:
    """The widget that ``playground`` shows of a pipeline with many steps.

    Nothing is drawn before the button is pressed, or Enter in any field; pressing again gives the new picture
    instead of the old. Each step replaces the picture by what the network then believes the end will be. What is wrong
    with an input is said below the buttons. No button is ever switched off, so the keyboard keeps its place.
    """
    fields = {
        "prompts": widgets.Text(prompt, description="prompt", continuous_update=False, **WIDE),
        "negative": widgets.Text(
            "", description="negative", placeholder="what to stay away from", continuous_update=False, **WIDE
        ),
        "guidance": widgets.FloatSlider(GUIDANCE, min=0, max=15, step=0.5, description="guidance w", **WIDE),
        "steps": widgets.IntSlider(STEPS, min=1, max=100, description="steps", **WIDE),
        "seed": _seed_field(),
    }
    buttons = {
        "draw": widgets.Button(description="Draw", button_style="primary"),
        "stop": widgets.Button(description="Stop"),
    }
    following = widgets.Button(description="next step", layout={"display": "none"})
    buttons["draw"].add_class("course-enter")
    following.add_class("course-next")
    status = spoken_line()
    image = widgets.HTML(f'<img src="data:," alt="" hidden onerror="{PRESS_NEXT}">')  # says that pictures press buttons

    drawing, pictures_press = None, False

    def steps(asked: dict) -> Iterator[None]:
        """Draw step by step, as long as somebody asks for the next one."""
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always", UnknownWord)
                walk = pipe.watch(**asked)
            for done, step in enumerate(walk):
                picture = pipe.decode(step.x if step.pred is None else step.pred.x_0).together(ENLARGE)
                words = f"step {done} of {asked['steps']}"
                shown = img_tag(packed(picture), f"{asked['prompts']}, {words}", *picture.size, onload=PRESS_NEXT)
                image.value = shown + text_html(words)
                yield
            status.value = text_html(_unknown_words(warned) or "Done: change something, and draw again.")
        except Exception as error:  # any: a widget's callback has no output of its own, and the reader must see it
            status.value = problem_html(error)

    def go_on() -> bool:
        """Draw one more step if one is to be drawn."""
        nonlocal drawing
        if drawing and next(drawing, "end") == "end":
            drawing = None
        return drawing is not None

    def draw(_: widgets.Button) -> None:
        nonlocal drawing
        status.value = text_html("Drawing …")
        drawing = steps({name: field.value for name, field in fields.items()})
        while go_on() and not pictures_press:  # where no picture presses the button, all steps are drawn at once
            pass

    def stop(_: widgets.Button) -> None:
        nonlocal drawing
        if drawing:
            drawing, status.value = None, text_html("Stopped.")

    def press(_: widgets.Button) -> None:
        nonlocal pictures_press
        pictures_press = True
        go_on()

    buttons["draw"].on_click(draw)
    buttons["stop"].on_click(stop)
    following.on_click(press)
    return widgets.VBox([*fields.values(), widgets.HBox([*buttons.values(), following]), status, image])


def follower(pipe: TextToImage, prompt: str) -> widgets.VBox:
    """The widget that ``playground`` shows of a student: each change of the prompt or the seed gives a new picture."""
    text, seed = widgets.Text(prompt, description="prompt", **WIDE), _seed_field()
    status, image = spoken_line(), widgets.HTML()

    def draw(_: dict | None = None) -> None:
        shown = ""
        with told(status, "Type on: the picture follows."):
            picture = pipe(text.value, seed=seed.value).together(ENLARGE)
            shown = img_tag(packed(picture), f"{text.value}, seed {seed.value}", *picture.size)
        image.value = shown

    for field in (text, seed):
        field.observe(draw, "value")
    draw()
    return widgets.VBox([text, seed, status, image])


@contextmanager
def told(status: widgets.HTML, done: str) -> Iterator[None]:
    """Draw inside of it: what goes wrong is said in the line, or what words are unknown, or that it is done."""
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", UnknownWord)
            yield
        status.value = text_html(_unknown_words(warned) or done)
    except Exception as error:  # any, as above
        status.value = problem_html(error)
    except KeyboardInterrupt:
        status.value = text_html("Stopped.")
        raise


def _seed_field() -> widgets.BoundedIntText:
    return widgets.BoundedIntText(0, min=0, max=2**31 - 1, description="seed", **WIDE)


def _unknown_words(warned: list[warnings.WarningMessage]) -> str:
    """What was said of unknown words."""
    return " ".join(str(each.message) for each in warned if issubclass(each.category, UnknownWord))
