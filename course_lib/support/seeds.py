"""Random numbers that depend on what they are for, not on what was drawn before them."""

import numpy as np
import torch

from course_lib.support.arguments import require_count


def generator_for(seed: int, step: int) -> torch.Generator:
    """A generator that depends on (seed, step) and nothing else: step is that of a training, or the number of a row."""
    for name, number in (("seed", seed), ("step", step)):
        require_count(name, number, at_least=0)
    # torch's CPU generator uses 32 bits of its seed: mix both numbers into them.
    return torch.Generator().manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1)[0]))
