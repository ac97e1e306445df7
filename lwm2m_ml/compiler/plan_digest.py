"""The digest of a compilation's plan: everything that was decided on the way from the model to the code, and the code.

Digests are equal where a rebuild made the same decisions and came to the same bytes. What was measured of the module
(instructions, stack) is no part of it.
"""

import json
from dataclasses import astuple
from hashlib import sha256

from lwm2m_ml.compiler.facts import CompiledModule
from lwm2m_ml.compiler.passes.pipeline import PRUNE, SIMPLIFY
from lwm2m_ml.compiler.passes.tflm_rounding import RoundAsTflm


def plan_digest(module: CompiledModule) -> bytes:
    """Return the SHA-256 of options, passes, kernels and memory, as far as the backend tells them, and of the code."""
    rounding = (RoundAsTflm(),) if module.reference == "tflm" else ()
    plan = {
        "options": [module.optimize, module.reference],
        "target": [module.target.name, *module.isa],
        "backend": [module.backend, module.compiler, module.format, module.abi],
        "passes": [repr(each) for each in (*SIMPLIFY, *rounding, *PRUNE)],
        "kernels": [astuple(layer) for layer in module.layers],
        "memory": [module.arena_bytes, module.bank_bytes, [astuple(buffer) for buffer in module.buffers]],
        "tensors": [astuple(tensor) for tensor in (*module.inputs, *module.outputs)],
        **({} if module.learning is None else {"learning": [module.learning.layers, module.learning.offset]}),
        "code": sha256(module.payload).hexdigest(),
    }
    return sha256(json.dumps(plan, sort_keys=True, default=repr).encode()).digest()
