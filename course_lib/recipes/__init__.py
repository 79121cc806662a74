"""How everything that ships was made, one file and one command each.

Here stand the networks; ``measurements`` holds the tables, ``pictures`` the emoji and the cover, ``shared`` what several
recipes need. ``python -m course_lib.recipes.NAME`` can be stopped at any moment and goes on where it was when started
again.
"""
