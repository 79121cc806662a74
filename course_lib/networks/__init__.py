"""The networks of the course, one idea a file."""
