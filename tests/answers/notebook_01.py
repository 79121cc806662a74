"""Answers to the exercises of notebook 01."""

from answers import right, wrong


@right("01.1")
def roots_by_power(x_prev, beta, eps):
    return x_prev * (1 - beta) ** 0.5 + eps * beta**0.5


@wrong("01.1", "square root")
def no_roots(x_prev, beta, eps):
    return x_prev - beta * x_prev + beta * eps
