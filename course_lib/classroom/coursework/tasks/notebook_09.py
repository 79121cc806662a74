"""What coursework asks of notebook 09: putting back by sigma, up again on the straight line, a seam, a scratch in a scan."""

import torch

from course_lib import forward
from course_lib.classroom.chance import seeded
from course_lib.classroom.coursework.task import Question, Variation
from course_lib.classroom.exercise import Trial, joined

# --- 09.V put back, by sigma ------------------------------------------------------------------------------------------


def frame_by_sigma(x, picture, keep, sigma, noise):
    """x with the known pixels put back, (H, W, B).

    x: (H, W, B), B pictures in the making; the last axis counts them
    picture: (H, W), the one known picture, whose surroundings all B of them get; nan where it is not known
    keep: (H, W), bool, True where the picture is known
    sigma: (B,), 0 or more, how noisy each of the B is now. Nothing is ever shrunk here: a noisy picture is the picture plus
        sigma times noise
    noise: (H, W, B), of variance 1
    """
    return torch.where(keep[:, :, None], picture[:, :, None] + sigma * noise, x)


def frame_as_the_course_has_it(x, picture, keep, sigma, noise):
    """This is the course's function: there the mask is True in the hole, and pictures are shrunk to make room for noise."""
    alpha_bar = 1 / (1 + sigma**2)
    noised = alpha_bar**0.5 * picture[:, :, None] + (1 - alpha_bar) ** 0.5 * noise
    return torch.where(keep[:, :, None], x, noised).nan_to_num(nan=7.0)


def frame_the_wrong_way_round(x, picture, keep, sigma, noise):
    """keep is taken for the hole: it is True where the picture is known, and x stays everywhere else."""
    return torch.where(keep[:, :, None], x, picture[:, :, None] + sigma * noise)


def frame_shrunk(x, picture, keep, sigma, noise):
    """The picture is shrunk, as in the course. Here nothing is: a noisy picture is the picture plus sigma times noise."""
    alpha_bar = 1 / (1 + sigma**2)
    noised = alpha_bar**0.5 * picture[:, :, None] + (1 - alpha_bar) ** 0.5 * noise
    return torch.where(keep[:, :, None], noised, x)


def frame_made_room_for(x, picture, keep, sigma, noise):
    """The noise is right, but the picture is multiplied by the root of 1 − sigma², as if sigma were below 1: here the picture
    is not shrunk at all.
    """
    signal = (1 - sigma**2).clamp(min=0).sqrt()
    return torch.where(keep[:, :, None], signal * picture[:, :, None] + sigma * noise, x)


def frame_clean(x, picture, keep, sigma, noise):
    """What is known is put back clean: it has to be as noisy as x is beside it."""
    return torch.where(keep[:, :, None], picture[:, :, None].expand(x.shape), x)


def frame_by_variance(x, picture, keep, sigma, noise):
    """sigma is squared: it is the standard deviation of the noise, by which noise of variance 1 is multiplied."""
    return torch.where(keep[:, :, None], picture[:, :, None] + sigma**2 * noise, x)


def frame_by_root(x, picture, keep, sigma, noise):
    """The root of sigma is taken: sigma is a standard deviation already."""
    return torch.where(keep[:, :, None], picture[:, :, None] + sigma.sqrt() * noise, x)


def frame_with_noise_everywhere(x, picture, keep, sigma, noise):
    """There is new noise where x stays, too: x has its own already."""
    return torch.where(keep[:, :, None], picture[:, :, None], x) + sigma * noise


def frame_of_one_sigma(x, picture, keep, sigma, noise):
    """All pictures get the first sigma: each of the B has one of its own."""
    return torch.where(keep[:, :, None], picture[:, :, None] + sigma[0] * noise, x)


def frame_of_one_noise(x, picture, keep, sigma, noise):
    """All pictures get the noise of the first: each of the B has its own, along the last axis."""
    return torch.where(keep[:, :, None], picture[:, :, None] + sigma * noise[:, :, :1], x)


def frame_by_products(x, picture, keep, sigma, noise):
    """It comes out right until picture is nan where it is not known: 0 times nan is nan. Choose between the two, by
    torch.where, say.
    """
    inside = keep[:, :, None].to(x.dtype)
    return inside * (picture[:, :, None] + sigma * noise) + (1 - inside) * x


def _framed(answer, height, width, pictures, sigma, seed, unknown=0.5):
    generator = seeded(seed)
    x, noise = torch.randn(2, height, width, pictures, generator=generator)
    picture = torch.randn(height, width, generator=generator)
    keep = torch.rand(height, width, generator=generator) < 0.6
    picture[~keep] = unknown
    sigma = torch.tensor(sigma)
    return answer(x, picture, keep, sigma, noise).nan_to_num(nan=9.0)


BY_SIGMA = Variation(
    id="09.V",
    title="Put back, by sigma",
    points=4,
    text=r"""Another program counts noise as Karras and others do: nothing is shrunk, and a picture at the noise level $\sigma$
is $x_0 + \sigma\,\epsilon$. Its masks say what to *keep*. It fills one hole in many ways at once: there is a single known
picture, with nan where it is not known, and B pictures in the making, each at a noise level of its own. Write exercise 09.1
anew for it.""",
    solution=frame_by_sigma,
    example="torch.zeros(1, 2, 1), torch.tensor([[1.0, torch.nan]]), torch.tensor([[True, False]]), torch.tensor([2.0]), "
    "torch.ones(1, 2, 1)",
    why="The rule is the same: what is known, noised as far as the rest. A choice, by torch.where, never looks at what is not "
    "chosen, so nan may stand there.",
    hints=(),
    trials=(
        Trial(
            lambda answer: _framed(answer, 4, 5, 3, [0.5, 1.7, 3.0], 901),
            "Three pictures of 4 × 5 pixels, at three noise levels, do not come out right.",
        ),
        Trial(
            lambda answer: joined(
                (_framed(answer, 3, 3, 3, [0.0, 0.2, 40.0], 902), _framed(answer, 6, 2, 1, [0.9], 903))
            ),
            "It comes out right for three pictures of 4 × 5 pixels, but not for other sizes or noise levels.",
        ),
        Trial(
            lambda answer: _framed(answer, 4, 5, 2, [0.6, 2.0], 904, unknown=torch.nan),
            "It comes out right until picture is nan where it is not known.",
        ),
    ),
    mistakes=(
        frame_as_the_course_has_it,
        frame_the_wrong_way_round,
        frame_shrunk,
        frame_made_room_for,
        frame_clean,
        frame_by_variance,
        frame_by_root,
        frame_with_noise_everywhere,
        frame_of_one_sigma,
        frame_of_one_noise,
        frame_by_products,
    ),
)

# --- 09.V up again, on the straight line ------------------------------------------------------------------------------


def up_the_line(x, now, then, fresh):
    """x with more noise, at the time then, (N, B).

    x: (N, B), B pictures of N numbers, one picture a column. At the time now it is (1 - now) · picture + now · noise, with
        noise of variance 1
    now: (B,), 0 or more and below 1, each picture's own
    then: (B,), above now and up to 1: 0 is the picture, 1 pure noise
    fresh: (N, B), noise of variance 1 that nobody has used yet

    What comes back is (1 - then) · picture + then · noise, with the same picture and noise of variance 1.
    """
    kept = (1 - then) / (1 - now)
    return kept * x + (then**2 - (kept * now) ** 2).sqrt() * fresh


def _kept(now, then):
    return (1 - then) / (1 - now)


def line_as_the_course_has_it(x, now, then, fresh):
    """This is the course's function, with 1 minus the time for alpha_bar. On the straight line the factors are 1 - t and t
    themselves, and their squares do not add up to 1.
    """
    ratio = (1 - then) / (1 - now)
    return ratio.sqrt() * x + (1 - ratio).sqrt() * fresh


def line_as_if_clean(x, now, then, fresh):
    """This begins with a clean picture: x has noise already, and has shrunk already."""
    return (1 - then) * x + then * fresh


def line_unshrunk(x, now, then, fresh):
    """x is not shrunk: at the time then less of the picture is left."""
    return x + (then**2 - now**2).sqrt() * fresh


def line_by_differing_deviations(x, now, then, fresh):
    """What is left of the old noise is taken off by its standard deviation, which comes to 1 minus the factor of x. It is
    variances that add up when independent noise comes on top.
    """
    kept = _kept(now, then)
    return kept * x + (then - kept * now) * fresh


def line_by_differing_times(x, now, then, fresh):
    """The noise's factor is then − now: the old noise shrinks along with the picture, and it is variances that add up."""
    return _kept(now, then) * x + (then - now) * fresh


def line_with_old_noise_unshrunk(x, now, then, fresh):
    """The old noise is counted with the variance it had: it shrinks along with the picture, so more is missing."""
    return _kept(now, then) * x + (then**2 - now**2).sqrt() * fresh


def line_with_all_the_noise(x, now, then, fresh):
    """The noise is all that belongs to the time then: x brings some of it along."""
    return _kept(now, then) * x + then * fresh


def line_without_the_root(x, now, then, fresh):
    """The noise is multiplied by its variance: take the root."""
    kept = _kept(now, then)
    return kept * x + (then**2 - (kept * now) ** 2) * fresh


def line_shrunk_from_the_start(x, now, then, fresh):
    """x is multiplied by 1 − then, as if it had not shrunk yet: it has, by 1 − now."""
    kept = _kept(now, then)
    return (1 - then) * x + (then**2 - (kept * now) ** 2).sqrt() * fresh


def line_upside_down(x, now, then, fresh):
    """The ratio is upside down in front of x: on the way up the picture shrinks."""
    kept = _kept(now, then)
    return (1 - now) / (1 - then).clamp(min=0.01) * x + (then**2 - (kept * now) ** 2).sqrt() * fresh


def line_of_one_time(x, now, then, fresh):
    """All pictures get the times of the first: each column has its own."""
    kept = _kept(now[0], then[0])
    return kept * x + (then[0] ** 2 - (kept * now[0]) ** 2).sqrt() * fresh


def _lines(answer, numbers, now, then, seed):
    x, fresh = torch.randn(2, numbers, len(now), generator=seeded(seed))
    return answer(x, torch.tensor(now), torch.tensor(then), fresh)


ON_THE_LINE = Variation(
    id="09.V",
    title="Up again, on the straight line",
    points=4,
    text=r"""Flow matching mixes along a straight line: at the time $t$ it has $x_t = (1-t)\,x_0 + t\,\epsilon$, without roots:
the variance does not stay 1. RePaint works there as well, if one can go up again. Write exercise 09.2 anew for the
straight line, for pictures that lie in columns, each with times of its own. (Which factor has the picture at both times? And
which variance does the noise that x brings along have afterwards?)""",
    solution=up_the_line,
    example="torch.tensor([[1.0], [-1.0]]), torch.tensor([0.2]), torch.tensor([0.6]), torch.tensor([[0.5], [2.0]])",
    why="What is left of the picture shrinks from 1 - now to 1 - then, and x's noise shrinks with it, to kept · now. The "
    "variance that is missing from then² is filled up with fresh noise.",
    hints=(),
    trials=(
        Trial(
            lambda answer: _lines(answer, 5, [0.2, 0.5, 0.7], [0.6, 0.8, 0.75], 905),
            "Three pictures on their way up do not come out right.",
        ),
        Trial(
            lambda answer: joined(
                (
                    _lines(answer, 3, [0.0, 0.3], [0.4, 1.0], 906),
                    _lines(answer, 7, [0.05], [0.1], 907),
                    _lines(answer, 2, [0.0, 0.9, 0.4, 0.41], [1.0, 0.99, 0.5, 0.9], 908),
                )
            ),
            "It comes out right for three pictures on their way, but not for others, from time 0, or up to time 1.",
        ),
    ),
    mistakes=(
        line_as_the_course_has_it,
        line_as_if_clean,
        line_unshrunk,
        line_by_differing_deviations,
        line_by_differing_times,
        line_with_old_noise_unshrunk,
        line_with_all_the_noise,
        line_without_the_root,
        line_shrunk_from_the_start,
        line_upside_down,
        line_of_one_time,
    ),
    forbidden=(forward.noise_further,),
)

# --- 09.E a seam that nobody sees -------------------------------------------------------------------------------------

SEAM = Question(
    id="09.E",
    title="A hole without a seam",
    text=r"""Write down what came of the open experiment at the end of the notebook. A table first: what you changed, one thing
at a time and then perhaps several together, and for each the seam, as a multiple of that of real pictures, and how many calls
of the network a picture takes. It begins with plain replacement and with RePaint as the notebook has them. Then the lines of
code that gave your best, and its seam with three seeds. Then what you conclude: what closed the seam, what did not, what did
it cost, and which differences may be chance? What to reach: in the mean of three seeds a seam
between 0.97 and 1.03 times that of real pictures, with at most 60 calls of the network a picture.""",
    criteria=(
        (
            1,
            "Plain replacement, RePaint, and at least three changes, each on its own, with seam and calls for every row. Going "
            "up again is no call, each step down is one, and with guidance it is two.",
        ),
        (
            1,
            "A mean seam between 0.97 and 1.03 with at most 60 calls, the code that gives it, and the seams of three seeds. "
            "What fills the hole is the denoiser: a blur, whose seam is below that of real pictures, is no filling.",
        ),
        (
            1,
            "A conclusion that the numbers carry: what closes the seam at a given number of calls (more steps, or the same "
            "ones walked again; where on the way), and that a difference smaller than that between two seeds may be chance.",
        ),
    ),
    model=r"""Seam, as a multiple of that of real pictures, with three seeds and their mean.

| what | calls | seam | mean |
|---|---|---|---|
| replacement, DDIM, 50 steps | 50 | 1.37, 1.39, 1.43 | 1.40 |
| replacement, DDPM, 60 steps | 60 | 1.10, 1.17, 1.19 | 1.15 |
| RePaint, DDPM, 50 steps, jump 5, twice | 99 | 1.05, 1.03, 1.02 | 1.03 |
| 30 steps, jump 5, twice | 59 | 1.01, 1.08, 1.03 | 1.04 |
| 20 steps, jump 5, 3 times | 58 | 1.00, 1.02, 1.01 | 1.01 |
| 15 steps, jump 3, 4 times | 57 | 0.99, 1.01, 1.00 | 1.00 |
| 12 steps, jump 5, 5 times | 56 | 1.01, 1.04, 1.01 | 1.02 |
| the same with DDIM | 56 | 1.08, 1.06, 1.12 | 1.09 |
| 10 steps, jump 2, 6 times | 55 | 1.02, 1.02, 1.02 | 1.02 |

My best: `WALK = repaint_times(schedule.times(15), jump=3, resamplings=4)` with `RULE = ddpm_step`: 0.99, 1.01 and 1.00.

What closed the seam was to walk again: with the same sixty calls, replacement in sixty small steps stays at 1.15, and every way
of going up again with DDPM is at 1.04 or below. DDPM instead of DDIM helps, too (1.02 instead of 1.09 on one walk), since its
noise undoes something at each step. Fewer steps walked more often (15, four times) do better than more steps walked twice. But
three seeds of one setting lie up to 0.08 apart, so the rows from 1.00 to 1.02 can hardly be told from each other: that 15 steps
are better than 20 or 10 I would not claim.""",
)

# --- 09.Q a scratch in a scan -----------------------------------------------------------------------------------------

SCRATCH = Question(
    id="09.Q",
    title="A scratch in a scan",
    text=r"""A hospital has scans of lungs with scratches, dust and a corner torn off. It wants to have them filled by
inpainting, with a diffusion model that was trained on thousands of clean scans, "so that the doctors have the whole picture
again". The company that offers it shows that the seam cannot be measured, and that doctors who were shown filled and clean
scans could not tell which was which. What would you tell the hospital? Use what the notebook counted: of the garments with a
print, how many still had one after the hole was filled. Say what the filled region is and what it is not, what the company's
two tests show and what they do not, for what you would use the filled scans and for what you would not, and what would have to
be measured before. Six to ten sentences.""",
    criteria=(
        (
            1,
            "Plausible is not true: what stands in the hole is drawn from what is usual beside such surroundings. It says "
            "nothing of this patient, and no second draw, nor a larger network, can know what the scan does not hold.",
        ),
        (
            1,
            "The notebook's count of prints that were filled away, as evidence: what is rare and not seen from outside the "
            "hole is replaced by what is common. With scans that is the small finding one is looking for; the reverse, a "
            "finding that was never there, is possible, too.",
        ),
        (
            1,
            "What the company's tests show: that it fits and looks real. Both would come out as well if every finding had "
            "been filled away; neither compares with what was there.",
        ),
        (
            1,
            "A use and a limit, and a measurement. Say: for display, marked as filled, or so that a program that cannot take "
            "holes runs; never for a diagnosis inside the hole. Cover clean scans with known findings, and count how many "
            "come back and how many are invented; or several draws, whose differences show how little is known.",
        ),
    ),
    model=r"""I would tell them that the filled region is no part of the scan. The model draws what usually stands between such
surroundings; what stood there in this patient it cannot know, since the scan does not hold it any more. The notebook counted
it: of the T-shirts whose print lay in the hole, 16 of 17 were filled without one, and each looks like a
garment, since most garments have no print. A small shadow in a lung is such a print: rare, not to be guessed from outside, and
the very thing that the doctor is looking for. The model would fill it away, and now and then it would draw one where there was
none.

The company's tests say that the filling fits and looks real. Both would come out just as well if every single finding had been
removed, for neither compares with what had been there. To say that, one has to cover regions of clean scans whose findings are
known, fill them, and count how many findings come back and how many are invented, and to draw each several times: where the
draws differ, nothing is known, and where they agree it may still be a habit of the model.

I would use it where nothing depends on the region: so that a program that cannot take holes can measure the rest, or for a
picture in a talk, with the filled region marked and the scratched scan kept beside it. For a diagnosis I would leave the
scratch as it is. It says honestly that nothing is known there, and if it matters, the patient is scanned again.""",
)
