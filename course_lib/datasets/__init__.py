"""The pictures that the course learns from."""
