"""Installing the course: `python -m course_lib.install`, and beside it the lists of packages and versions."""
