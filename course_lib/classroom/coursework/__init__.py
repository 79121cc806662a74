"""Coursework: hand out, collect, grade, give back."""
