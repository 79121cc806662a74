"""How each table in data/measurements was made: one file and one command each."""
