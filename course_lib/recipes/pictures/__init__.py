"""How the emoji pictures and the cover were made: one file and one command each."""
