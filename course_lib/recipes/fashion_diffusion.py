"""Train the diffusion model of Fashion-MNIST for twenty minutes: ``python -m course_lib.recipes.fashion_diffusion``.

It is trained as fashion.py's is, with that model's network, for the time that VAE and GAN have, which notebook 08 compares
it with.
"""

from course_lib.recipes.fashion import Setting, begin, drawn_by, training
from course_lib.recipes.shared.garments import DATA, quality
from course_lib.recipes.shared.running import run, ship

STEPS = 11_300  # twenty minutes
MEASURED = 2000
SETTING = Setting(batch_size=64)  # the best of those that were tried


def main() -> None:
    states = begin(SETTING)
    run("fashion_diffusion", states, training(states, SETTING, STEPS), STEPS, SETTING.batch_size)
    drawn = drawn_by(states[-1].ema.eval(), SETTING, MEASURED)
    ship("fashion_diffusion", DATA, states[-1], SETTING.batch_size, quality(drawn))


if __name__ == "__main__":
    main()
