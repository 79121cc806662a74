"""Break every formula of the library, one change at a time, and list which test notices: ``make mutants``.

The changes are made on the syntax tree, not chosen by hand: in each function of the files below, every + becomes −,
every × becomes ÷ and back, every factor, root, square and "1 −" is dropped, every index and number in a formula is off
by one, every comparison is turned round; a call whose answer nobody uses is left out, the average is taken for the last
weights, held-out cells for those of training, the test set for the training set. Seeds and rounded digits are left alone.
What cannot make a difference stands in EQUIVALENT, with the reason. The script ends with status 1 if any other change
goes unnoticed.

    python tests/mutants.py [--list] [PART OF A MUTANT'S NAME ...]
"""

import ast
import copy
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import hypothesis  # noqa: F401 (imported once, for all forks)
import pytest
import scipy.stats  # noqa: F401
import torch  # noqa: F401

TOP = Path(__file__).parents[1]
MATHEMATICS = {
    "schedules.py": None,
    "forward.py": None,
    "denoisers.py": None,
    "sampling.py": None,
    "training.py": {
        "draw_times",
        "drop_labels",
        "denoising_loss",
        "ema_decay",
        "update_ema",
        "warm_up_then_fall",
        "train",
    },
    "metrics.py": None,
    "guidance.py": None,
    "composition.py": None,
    "editing.py": None,
    "distillation.py": None,
    "adversarial.py": None,
    "variational.py": None,
    "networks/gan.py": {"forward"},
    "networks/vector_vae.py": {"encode", "decode"},
    "networks/step_counts.py": None,
    "recipes/shared/muon.py": {"orthogonalised", "step"},
    "networks/attention.py": {"attention", "is_word"},
    "networks/text.py": {"contrastive_loss"},
    "networks/vae.py": {
        "draw",
        "kl_divergence",
        "reconstruction_error",
        "encode",
        "decode",
        "to_latents",
        "to_pictures",
        "unscaled",
        "measure_latents",
    },
}
"""The files, and of each the functions to break; None for all."""

RECIPES = {
    "recipes/shared/running.py": {"run_training", "ship"},
    "recipes/shared/tables.py": None,
    "recipes/shared/latents.py": None,
    "recipes/shared/captioned.py": None,
    "recipes/shared/scores.py": {"distance_to_scenes"},
    "recipes/emoji_vae.py": {"draw_batch", "loss", "measure"},
    "recipes/emoji_decoder.py": {"draw_batch", "noisy_latents", "loss", "measure"},
    "recipes/emoji_latent.py": {"loss", "measure"},
    "recipes/fashion.py": {"loss", "draw_garments", "measure"},
    "recipes/shared/garments.py": None,
    "recipes/shared/faces.py": None,
    "recipes/fashion_classifier.py": {"mirrored"},
    "recipes/emoji_classifier.py": {"roughened", "measure"},
    "emoji/damage.py": {"damage", "changed"},
    "emoji/nearest.py": None,
    "recipes/emoji_wholeness.py": {
        *("draw_made", "redrawn_latents", "draw_batch", "wholeness", "threshold", "agreement", "ranking", "measure"),
    },
    "recipes/text_encoder.py": {"fits", "other_colours", "measure"},
    "recipes/text_to_image.py": {
        *("loss", "finishing_loss", "times_as_often_again", "repeated", "train_phase", "to_nearest", "measure", "main"),
    },
    "recipes/text_to_image_student.py": {"loss", "measure", "main"},
    "recipes/measurements/guidance_scales.py": {"describe_pictures", "main"},
    "recipes/measurements/few_steps.py": None,
    "recipes/measurements/editing.py": {"fill", "have_print", "plain_around", "wanted_and_others", "shown"},
    "pretrained/weights.py": {"load_weights", "save_weights"},
}
PIPELINE = {"pipeline/text_to_image.py": None, "pipeline/pictures.py": None, "networks/tokenizer.py": None}
CLASSROOM = {
    "classroom/exercise.py": None,
    "classroom/guarding.py": None,
    "classroom/checks.py": None,
    "classroom/self_check.py": None,
    "classroom/ticks.py": None,
}
GROUPS = (
    (
        MATHEMATICS,
        (
            *(
                "schedules",
                "forward",
                "denoisers",
                "sampling",
                "training",
                "metrics",
                "vae",
                "guidance",
                "muon",
                "text",
            ),
            *("distillation", "step_counts", "adversarial", "variational", "gan"),
        ),
    ),
    (PIPELINE, ("text_to_image", "pictures", "text", "playground")),
    (CLASSROOM, ("checks", "progress", "self_check", "answers")),
    (
        RECIPES,
        (
            *("recipes", "emoji_recipes", "text_recipes", "student_recipe", "editing_recipe"),
            *("pretrained", "damage", "nearest"),
        ),
    ),
)
"""What is broken, and the tests that are to notice; those named like the broken file go first."""

AT_A_TIME = "how many pictures go through a network at a time changes no answer"
LAST_BUT_ONE = "of a picture's four axes, 2 is the last but one"
COUNTED = "AdamW wants a count of steps in every state that it loads; of matrices nobody reads it"
EQUIVALENT = {
    "support/batches.py in_batches: 500 -> 501": AT_A_TIME,
    "sampling.py sample_many: 250 -> 251": AT_A_TIME,
    "recipes/shared/muon.py step: 0.0 -> 1.0": COUNTED,
    "recipes/shared/muon.py step: 1 -> 2": COUNTED,
    "networks/vae.py reconstruction_error: -2 -> 2": LAST_BUT_ONE,
    "networks/vae.py reconstruction_error: -2 -> 2 (number 2)": LAST_BUT_ONE,
    "networks/vae.py draw: self.mean + (0.5 * self.log_var).exp() * noise_like(self.mean, generator) -> "
    "self.mean - (0.5 * self.log_var).exp() * noise_like(self.mean, generator)": "noise is as likely as its opposite",
}
"""Changes that cannot make a difference: the mutant's name, and why."""

SWAPPED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
TAKEN_FOR = {
    **{"ema": "net", "train_set": "test_set", "test_set": "train_set"},
    **{"training_cells": "held_out_cells", "held_out_cells": "training_cells"},
}
LEFT_ALONE = {"manual_seed", "round", "print", "generator_for", "pytest"}
DROPPED_CALLS = {"sqrt", "square", "log", "clamp", "cumprod", "flatten", "double", "expm1"}


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What can be broken at one node: a description, and the node that takes its place."""
    match node:
        case ast.BinOp(op=op) if type(op) in SWAPPED:
            changed = copy.deepcopy(node)
            changed.op = SWAPPED[type(op)]()
            yield f"{ast.unparse(node)} -> {ast.unparse(changed)}", changed
            # A power, a factor or a "1 -" is forgotten.
            kept = {ast.Pow: [node.left], ast.Mult: [node.left, node.right]}.get(type(op), [])
            if isinstance(op, ast.Sub) and isinstance(node.left, ast.Constant) and node.left.value == 1:
                kept = [node.right]
            for part in kept:
                yield f"{ast.unparse(node)} -> {ast.unparse(part)}", part
        case ast.Attribute(attr=name) if name in TAKEN_FOR:
            changed = copy.deepcopy(node)
            changed.attr = TAKEN_FOR[name]
            yield f"{ast.unparse(node)} -> {ast.unparse(changed)}", changed
        case ast.Name(id=name) if name in TAKEN_FOR:
            yield f"{name} -> {TAKEN_FOR[name]}", ast.Name(TAKEN_FOR[name], node.ctx)
        case ast.Compare(ops=[op]) if type(op) in SWAPPED:
            changed = copy.deepcopy(node)
            changed.ops = [SWAPPED[type(op)]()]
            yield f"{ast.unparse(node)} -> {ast.unparse(changed)}", changed
        case ast.UnaryOp(op=ast.USub()):
            yield f"{ast.unparse(node)} -> {ast.unparse(node.operand)}", node.operand
        case ast.Call(func=ast.Attribute(value=inner, attr=name)) if name in DROPPED_CALLS:
            yield f"{ast.unparse(node)} -> {ast.unparse(inner)}", inner
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            yield f"{value} -> {value + 1}", ast.Constant(value + 1)


def relevant(function: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Every place in a function whose node may be changed: parent, field, index. Refusals and texts are left alone."""
    for parent in ast.walk(function):
        name = getattr(parent, "func", None)
        if getattr(name, "id", getattr(name, "attr", None)) in LEFT_ALONE:
            continue
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns", "decorator_list", "keywords") and not isinstance(parent, ast.Call):
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.expr):
                    yield parent, field, index


def refusal_lines(tree: ast.AST) -> set[int]:
    """The lines of checks that only refuse bad arguments; tests of their own cover those."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name)
        requires = call and node.value.func.id.lstrip("_").startswith("require")
        raises = isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise)
        if requires or raises or isinstance(node, ast.Raise):
            lines |= set(range(node.lineno, node.end_lineno + 1))
    return lines


def mutants() -> Iterator[tuple[str, int, str, str]]:
    """All mutants: the name, the line, the file and its broken source."""
    for file, wanted in ((file, wanted) for files, _ in GROUPS for file, wanted in files.items()):
        source = (TOP / "course_lib" / file).read_text(encoding="utf-8")
        tree = ast.parse(source)
        skip = refusal_lines(tree)
        seen: dict[str, int] = {}
        for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
            if wanted is not None and function.name not in wanted:
                continue
            for parent, field, index in list(relevant(function)):
                value = getattr(parent, field)
                child = value if index is None else value[index]
                if child.lineno in skip or isinstance(parent, ast.JoinedStr | ast.FormattedValue):
                    continue
                found = list(changes(child))
                if isinstance(parent, ast.Expr) and isinstance(child, ast.Call):
                    found.append((f"{ast.unparse(child)} left out", ast.Constant(None)))
                for description, changed in found:
                    name = f"{file} {function.name}: {description}"
                    seen[name] = seen.get(name, 0) + 1
                    if seen[name] > 1:
                        name += f" (number {seen[name]})"
                    ast.copy_location(changed, child)
                    _put(parent, field, index, changed)
                    yield name, child.lineno, file, ast.unparse(ast.fix_missing_locations(tree))
                    _put(parent, field, index, child)


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def first_test_that_fails(folder: Path, tests: Sequence[str], first: str = "") -> str | None:
    """Run some tests against the course_lib in ``folder``; the first failure, or None if all pass.

    In a fork of this process, which has imported torch and pytest but not the course: a second saved on each mutant.
    """
    ordered = sorted(tests, key=lambda name: f"{name}.py" != first)  # the broken file's own tests first
    report = folder / "report.txt"
    report.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        sys.path.insert(0, str(folder))
        sys.dont_write_bytecode = True
        signal.alarm(600)  # a change may make a loop endless
        status = 1
        with (
            suppress(BaseException),  # whatever happens, the fork must end here
            open(os.devnull, "w") as nowhere,
            redirect_stdout(nowhere),
            redirect_stderr(nowhere),
        ):
            tests = [str(TOP / "tests" / f"test_{name}.py") for name in ordered]
            options = [
                "-x",
                "-q",
                "--tb=no",
                "-p",
                "no:nbval",
                "-p",
                "no:cacheprovider",
                "-o",
                "addopts=",
                "-o",
                "filterwarnings=",
            ]
            status = pytest.main([*options, *tests], plugins=[FirstFailure(report)])
        os._exit(int(status))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == 0:
        return None
    return (
        report.read_text(encoding="utf-8")
        if report.exists()
        else "(never ended)"
        if status < 0
        else "(the tests could not be collected)"
    )


class FirstFailure:
    """A pytest plugin that notes which test failed."""

    def __init__(self, report: Path) -> None:
        self.report = report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.report.write_text(report.nodeid.split("/")[-1], encoding="utf-8")


def main() -> int:
    wanted = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    chosen = [each for each in mutants() if not wanted or any(part in each[0] for part in wanted)]
    if "--list" in sys.argv:
        print(*(name for name, *_ in chosen), f"{len(chosen)} mutants", sep="\n")
        return 0
    survivors, began = [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "course_lib"
        shutil.copytree(TOP / "course_lib", package, ignore=shutil.ignore_patterns("__pycache__"))
        (Path(folder) / "data").symlink_to(TOP / "data")
        touched = {file for *_, file, _ in chosen}
        tests_of = {file: tests for files, tests in GROUPS for file in files if file in touched}
        for tests in set(tests_of.values()):
            if (failure := first_test_that_fails(Path(folder), tests)) is not None:
                raise SystemExit(f"{failure} fails without any change: mend that first")
        for number, (name, line, file, source) in enumerate(chosen, start=1):
            if name in EQUIVALENT:
                continue
            original = (TOP / "course_lib" / file).read_text(encoding="utf-8")
            (package / file).write_text(source, encoding="utf-8")
            caught = first_test_that_fails(Path(folder), tests_of[file], Path(file).name)
            (package / file).write_text(original, encoding="utf-8")
            print(f"[{number}/{len(chosen)}] line {line} of {name}\n      {caught or 'SURVIVED'}", flush=True)
            if caught is None:
                survivors.append(name)
    print(
        f"\n{len(chosen)} changes in {time.monotonic() - began:.0f} s; survived: {len(survivors)}", *survivors, sep="\n"
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
