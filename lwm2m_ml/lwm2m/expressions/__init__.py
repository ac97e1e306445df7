"""The expression language of AI Model Configuration (object 513): conditions (14) and transforms (8 and 11).

Arithmetic, comparison and logic over numbers and lists of numbers. Every expression ends, and has a value for every
input: what has none mathematically is not a number, and not a number is false.
"""

from lwm2m_ml.lwm2m.expressions.evaluation import Values, evaluate, is_true
from lwm2m_ml.lwm2m.expressions.parser import ExpressionError, parse
from lwm2m_ml.lwm2m.expressions.syntax import Expression, names

__all__ = ["Expression", "ExpressionError", "Values", "evaluate", "is_true", "names", "parse"]
