"""How every shipped network and figure was made: one file and one command each.

``python -m course_lib.recipes.NAME`` can be stopped at any moment and goes on where it was when started again.
"""
