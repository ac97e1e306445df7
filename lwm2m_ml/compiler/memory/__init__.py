"""Memory planning: buffers with lifetimes to offsets in an arena, or in several."""

from lwm2m_ml.compiler.memory.banks import Bank, plan_banks
from lwm2m_ml.compiler.memory.placement import fits
from lwm2m_ml.compiler.memory.planner import DEFAULT_NODE_BUDGET, MemoryPlan, plan
from lwm2m_ml.compiler.memory.problem import DEFAULT_ALIGNMENT, Buffer, InPlace, InvalidMemoryProblem, problem

__all__ = [
    "DEFAULT_ALIGNMENT",
    "DEFAULT_NODE_BUDGET",
    "Bank",
    "Buffer",
    "InPlace",
    "InvalidMemoryProblem",
    "MemoryPlan",
    "fits",
    "plan",
    "plan_banks",
    "problem",
]
