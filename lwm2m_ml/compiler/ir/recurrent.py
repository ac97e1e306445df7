"""Kinds of operations that work through a sequence, or keep a state from one inference to the next.

A sequence is (N, T, I): samples, steps, features. The gates' weights are stacked, one block of `units` rows per gate:
weights (gates × units, I), recurrent weights (gates × units, units), biases (gates × units).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lstm:
    """Long short-term memory of (input, weights, recurrent weights, bias); gates input, forget, cell, output.

    Cell and hidden state begin at zero in every inference. The result is the hidden state of all steps (N, T, units).
    `cell_scale` is the scale of the int16 cell state of an int8 layer, a power of two; `cell_clip`, where it is not
    zero, limits the cell state.
    """

    cell_scale: float = 0.0
    cell_clip: float = 0.0


@dataclass(frozen=True, slots=True)
class Gru:
    """Gated recurrent unit of (input, weights, recurrent weights, bias, recurrent bias); gates update, reset, new.

    The hidden state begins at zero in every inference; the result is that of all steps (N, T, units). With
    `reset_after` the reset gate acts on the product of the recurrent weights, else on the state before it.
    """

    reset_after: bool = True


@dataclass(frozen=True, slots=True)
class SvdfState:
    """The next state of (input (N, I), feature weights (filters, I), state (N, filters, memory)).

    Every filter's memory moves on by one place, and the newest place takes the filter's answer to the input.
    """


@dataclass(frozen=True, slots=True)
class SvdfResult:
    """The answer (N, filters / rank) of (state, time weights (filters, memory), bias (filters / rank))."""

    rank: int
    rectified: bool = False
