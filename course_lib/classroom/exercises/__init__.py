"""The exercises of all notebooks, by id; one file for each notebook."""

from course_lib.classroom.exercises import ddim, forward_step, latent, training

EXERCISES = {each.id: each for room in (forward_step, training, ddim, latent) for each in room.EXERCISES}
