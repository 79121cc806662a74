r"""The game that trains a GAN: a discriminator D learns to tell real from drawn, a generator G to be taken for real.

Three ways to score it, each with a loss for D and one for G, from the scores of real and of drawn pictures:

.. math::
    \text{relativistic:}\quad & L_D = \mathbb E\,\mathrm{softplus}\big(D(G(z)) - D(x)\big)
    & L_G = \mathbb E\,\mathrm{softplus}\big(D(x) - D(G(z))\big) \\
    \text{non-saturating:}\quad & L_D = \mathbb E\,\mathrm{softplus}(-D(x)) + \mathbb E\,\mathrm{softplus}(D(G(z)))
    & L_G = \mathbb E\,\mathrm{softplus}(-D(G(z))) \\
    \text{hinge:}\quad & L_D = \mathbb E\,\mathrm{relu}(1 - D(x)) + \mathbb E\,\mathrm{relu}(1 + D(G(z)))
    & L_G = -\mathbb E\,D(G(z))

By itself the game runs in circles, or D wins it and tells G nothing more. A penalty on the slope of D holds it down, where
the real pictures are (R1) and where the drawn ones are (R2):

.. math:: \frac\gamma2\,\mathbb E\,\|\nabla_x D(x)\|^2 + \frac\gamma2\,\mathbb E\,\|\nabla_x D(G(z))\|^2

Sources: Goodfellow et al. 2014, *Generative Adversarial Nets*, section 3 (the game; non-saturating); Miyato et al. 2018,
*Spectral Normalization for Generative Adversarial Networks*, equations 16 and 17 (hinge); Jolicoeur-Martineau 2019, *The
relativistic discriminator*; Mescheder et al. 2018, *Which Training Methods for GANs do actually Converge?*, equations 9
and 10 (R1, R2); Huang et al. 2024, *The GAN is dead; long live the GAN!* (relativistic with both).
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from course_lib.support.arguments import (
    require_finite,
    require_generator,
    require_kind,
    require_number,
    require_rows,
    require_same_shape,
)
from course_lib.training import TrainState, TrainStep, train, uninterrupted


class Game(NamedTuple):
    """How the scores of real and of drawn pictures, each (B,), become the two losses, each (B,)."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]


def _relativistic_discriminator(real: Tensor, drawn: Tensor) -> Tensor:
    return softplus(drawn - real)


def _relativistic_generator(real: Tensor, drawn: Tensor) -> Tensor:
    return softplus(real - drawn)


def _non_saturating_discriminator(real: Tensor, drawn: Tensor) -> Tensor:
    return softplus(-real) + softplus(drawn)


def _non_saturating_generator(real: Tensor, drawn: Tensor) -> Tensor:
    return softplus(-drawn)


def _hinge_discriminator(real: Tensor, drawn: Tensor) -> Tensor:
    return relu(1 - real) + relu(1 + drawn)


def _hinge_generator(real: Tensor, drawn: Tensor) -> Tensor:
    return -drawn


RELATIVISTIC = Game(_relativistic_discriminator, _relativistic_generator)
NON_SATURATING = Game(_non_saturating_discriminator, _non_saturating_generator)
HINGE = Game(_hinge_discriminator, _hinge_generator)


def gradient_penalty(D: nn.Module, x: Tensor, labels: Tensor | None = None) -> Tensor:
    r""":math:`\mathbb E\,\|\nabla_x D(x)\|^2`, shape (): how steep D is at these pictures, squared.

    It can be differentiated again, as D's training needs.

    Args:
        D: gives every row of x a score that depends on no other row.
        x: (B, …), real or drawn.
        labels: handed to D, one for each row.
    """
    require_finite("x", x)
    require_rows("x", x)
    x = x.detach().requires_grad_()
    with torch.enable_grad():  # also where nobody is training: a slope is a gradient
        total = _scores(D, x, labels).sum()
    if not total.requires_grad:
        raise ValueError("D must look at x: its scores do not depend on it, so they have no slope.")
    # The total's gradient holds each row's own, since no score depends on another row.
    (slope,) = torch.autograd.grad(total, x, create_graph=True, materialize_grads=True)  # (B, …)
    return slope.square().flatten(1).sum(dim=1).mean()


def discriminator_loss(
    D: nn.Module,
    G: nn.Module,
    x: Tensor,
    labels: Tensor | None = None,
    generator: torch.Generator | None = None,
    game: Game = RELATIVISTIC,
    gamma: float = 0.2,
    penalised: float = 1.0,
) -> Tensor:
    """What D has to learn on a batch, shape (); G only draws, and gets no gradient.

    Args:
        D: D(x, labels) -> (B,).
        G: G(z, labels) -> a picture for each row of z, (B, G.latent).
        x: real pictures, (B, …).
        labels: of the real pictures, and of those that G draws; None for none.
        generator: for z.
        game: how the scores become a loss.
        gamma: weighs R1 and R2; 0 leaves them away.
        penalised: the share of the rows, the first ones, whose slopes are measured, in (0, 1]. The second derivatives
            that this takes cost more than all the rest; of fewer rows the mean is noisier, but the same.
    """
    require_finite("x", x)
    require_rows("x", x)
    _require_game(game)
    require_number("gamma", gamma, 0, math.inf)
    require_number("penalised", penalised, 0, 1)
    if not penalised:
        raise ValueError("penalised must be above 0: to leave the penalty away, choose gamma=0.")
    with torch.no_grad():
        drawn = _draw(G, x, labels, generator)  # (B, …)
    twice = None if labels is None else torch.cat([labels, labels])
    real_scores, drawn_scores = _scores(D, torch.cat([x, drawn]), twice).chunk(2)  # each (B,)
    loss = game.discriminator(real_scores, drawn_scores).mean()
    if gamma:
        rows = math.ceil(penalised * len(x))
        some = None if labels is None else labels[:rows]
        slopes = gradient_penalty(D, x[:rows], some) + gradient_penalty(D, drawn[:rows], some)
        loss = loss + gamma / 2 * slopes
    return loss


def generator_loss(
    G: nn.Module,
    D: nn.Module,
    x: Tensor,
    labels: Tensor | None = None,
    generator: torch.Generator | None = None,
    game: Game = RELATIVISTIC,
) -> Tensor:
    """What G has to learn on a batch, shape (); D only judges, and gets no gradient. Arguments as ``discriminator_loss``'s."""
    require_finite("x", x)
    require_rows("x", x)
    _require_game(game)
    drawn = _draw(G, x, labels, generator)  # (B, …)
    with torch.no_grad():
        real_scores = _scores(D, x, labels)  # (B,)
    with _frozen(D):
        drawn_scores = _scores(D, drawn, labels)  # (B,)
    return game.generator(real_scores, drawn_scores).mean()


def train_in_turns(
    discriminator: TrainState,
    generator: TrainState,
    batches: Callable[[torch.Generator], tuple[Tensor, Tensor | None]],
    steps: int,
    learning_rate: Callable[[int], float] | float | None = None,
    game: Game = RELATIVISTIC,
    gamma: float = 0.2,
    penalised: float = 1.0,
) -> Iterator[tuple[TrainStep, TrainStep]]:
    """Two trainings, one step of D and one of G in turn, yielding after each pair; both go on from where they are.

    An interruption comes after a pair, never between its two steps: saved together, they resume bit for bit.

    Args:
        discriminator, generator: of different seeds, so that each sees batches of its own; changed in place.
        batches: real pictures and their labels from a torch.Generator.
        steps, learning_rate: as in ``train``, for both.
        game, gamma, penalised: as in ``discriminator_loss``.
    """
    for name, state in (("discriminator", discriminator), ("generator", generator)):
        if not isinstance(state, TrainState):
            raise TypeError(
                f"{name} must be a TrainState, such as TrainState(D, seed=1), but got {type(state).__name__}."
            )
    if discriminator.seed == generator.seed:
        raise ValueError(
            f"discriminator and generator must have different seeds, but both have {generator.seed}: "
            "they would see the same batches."
        )
    if discriminator.step != generator.step:
        raise ValueError(
            "discriminator and generator must have taken as many steps as each other, "
            f"but they are at {discriminator.step} and {generator.step}."
        )

    def of_discriminator(D: nn.Module, batch: tuple, rng: torch.Generator) -> Tensor:
        return discriminator_loss(D, generator.net, *_pair(batch), rng, game, gamma, penalised)

    def of_generator(G: nn.Module, batch: tuple, rng: torch.Generator) -> Tensor:
        return generator_loss(G, discriminator.net, *_pair(batch), rng, game)

    pairs = zip(
        train(discriminator, batches, of_discriminator, steps, learning_rate),
        train(generator, batches, of_generator, steps, learning_rate),
        strict=False,
    )
    while True:
        with uninterrupted():
            pair = next(pairs, None)
        if pair is None:
            return
        yield pair


def _pair(batch: tuple[Tensor, Tensor | None]) -> tuple[Tensor, Tensor | None]:
    if not isinstance(batch, tuple) or len(batch) != 2:
        raise TypeError("batches must give pictures and their labels, (x, labels), with None for no labels.")
    return batch


def _require_game(game: Game) -> None:
    if not isinstance(game, Game):
        raise TypeError(f"game must be RELATIVISTIC, NON_SATURATING, HINGE or another Game, but got {game!r:.60}.")


def _draw(G: nn.Module, x: Tensor, labels: Tensor | None, generator: torch.Generator | None) -> Tensor:
    if not callable(G) or not hasattr(G, "latent"):
        raise TypeError(
            f"G must be a generator, called as G(z, labels), whose G.latent says how many numbers z has, "
            f"but got {type(G).__name__}."
        )
    require_generator("generator", generator)
    weight = next(G.parameters(), x)
    require_kind("x", x, weight)
    z = torch.randn(len(x), G.latent, generator=generator, dtype=x.dtype).to(x.device)  # (B, latent)
    drawn = G(z, labels)
    require_same_shape("what G draws", drawn, "x", x)
    require_finite("what G draws", drawn)
    return drawn


def _scores(D: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    if not isinstance(D, nn.Module):
        raise TypeError(f"D must be a torch.nn.Module, called as D(x, labels), but got {type(D).__name__}.")
    scores = D(x, labels)
    require_finite("what D answers", scores)
    if scores.shape != (len(x),):
        raise ValueError(f"D must answer with a score a picture, ({len(x)},), but got {tuple(scores.shape)}.")
    return scores


@contextmanager
def _frozen(net: nn.Module) -> Iterator[None]:
    """Weights that get no gradient meanwhile; afterwards they do as before."""
    trained = [weight for weight in net.parameters() if weight.requires_grad]
    for weight in trained:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in trained:
            weight.requires_grad_(True)
