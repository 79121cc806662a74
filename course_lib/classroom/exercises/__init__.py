"""The exercises of all notebooks, by id; one file for each notebook."""

from course_lib.classroom.exercises import ddim, forward_step, guidance, latent, text, training

ROOMS = (forward_step, training, ddim, latent, text, guidance)
EXERCISES = {each.id: each for room in ROOMS for each in room.EXERCISES}
