"""Writes layers as WebAssembly's text: a loop over outputs around a loop over inputs."""

import struct

from lwm2m_ml_perceptron.layer import Layer

# What a runtime of lwm2m-ml expects: the stack below, the constants from here on, the arena behind them.
CONSTANTS = 4096
PAGE = 65_536
# One output's constants: multiplier, rounding, shift (64 bits each) and bias (32 bits), padded to 32 bytes.
RECORD = struct.Struct("<qqqi4x")


def module_text(layers: list[Layer], offsets: dict[str, int]) -> str:
    """The module: `module_invoke(arena)` runs the layers one after the other."""
    data, functions, calls = b"", "", ""
    for number, layer in enumerate(layers):
        records = CONSTANTS + len(data)
        data += _records(layer)
        weights = CONSTANTS + len(data)
        data += layer.weights + bytes(-len(layer.weights) % 8)
        functions += _function(number, layer, records, weights)
        places = (offsets[layer.operand], offsets[layer.result])
        calls += "".join(f"    (i32.add (local.get $arena) (i32.const {place}))\n" for place in places)
        calls += f"    (call $layer{number})\n"
    heap = CONSTANTS + len(data)
    return f"""(module
  (memory (export "memory") {-(-heap // PAGE)})
  (global (export "__heap_base") i32 (i32.const {heap}))
  (data (i32.const {CONSTANTS}) "{_escaped(data)}")
{functions}  (func (export "module_invoke") (param $arena i32) (result i32)
{calls}    (i32.const 0))
)
"""


def _records(layer: Layer) -> bytes:
    return b"".join(
        RECORD.pack(scaling.multiplier, 1 << (scaling.shift - 1), scaling.shift, bias)
        for scaling, bias in zip(layer.scalings, layer.biases, strict=True)
    )


def _function(number: int, layer: Layer, records: int, weights: int) -> str:
    """Each output is sum((input - zero) × weight) + bias, scaled, moved to its zero point and limited."""
    return f"""  (func $layer{number} (param $in i32) (param $out i32)
    (local $record i32) (local $weight i32) (local $i i32) (local $o i32) (local $sum i32) (local $value i32)
    (local.set $record (i32.const {records}))
    (local.set $weight (i32.const {weights}))
    (loop $outputs
      (local.set $sum (i32.load offset=24 (local.get $record)))
      (local.set $i (i32.const 0))
      (loop $inputs
        (local.set $sum (i32.add (local.get $sum) (i32.mul
          (i32.sub (i32.load8_s (i32.add (local.get $in) (local.get $i))) (i32.const {layer.input_zero}))
          (i32.load8_s (i32.add (local.get $weight) (local.get $i))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $inputs (i32.lt_u (local.get $i) (i32.const {layer.inputs}))))
      (local.set $value (i32.add (i32.const {layer.output_zero}) (i32.wrap_i64 (i64.shr_s
        (i64.add (i64.mul (i64.extend_i32_s (local.get $sum)) (i64.load (local.get $record)))
                 (i64.load offset=8 (local.get $record)))
        (i64.load offset=16 (local.get $record))))))
      (if (i32.lt_s (local.get $value) (i32.const {layer.low}))
        (then (local.set $value (i32.const {layer.low}))))
      (if (i32.gt_s (local.get $value) (i32.const {layer.high}))
        (then (local.set $value (i32.const {layer.high}))))
      (i32.store8 (i32.add (local.get $out) (local.get $o)) (local.get $value))
      (local.set $record (i32.add (local.get $record) (i32.const {RECORD.size})))
      (local.set $weight (i32.add (local.get $weight) (i32.const {layer.inputs})))
      (local.set $o (i32.add (local.get $o) (i32.const 1)))
      (br_if $outputs (i32.lt_u (local.get $o) (i32.const {layer.outputs})))))
"""


def _escaped(data: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in data)
