/* Counts executed instructions: the emulator calls `count_block` at the start of every basic block, or, where the length
   of an instruction does not show in its first halfword, `count_instruction` at every instruction.
   The layout of the structures is mirrored in counting.py. No C library is used. */
#include <stdint.h>

typedef struct {
  uint64_t address;
  uint64_t bytes;
  const uint8_t *code;
  /* One entry per halfword: size of the block that starts there << 16 | its instructions; 0 when not seen yet. */
  uint32_t *blocks;
  /* Where a profile is wanted, one entry per halfword: instructions executed in blocks that start there. */
  uint64_t *executed;
} region;

typedef struct {
  uint64_t instructions;
  uint64_t limit;
  int (*stop)(void *engine);
  uint32_t is_riscv;
  uint32_t region_count;
  region *regions;
} counter;

static uint32_t instructions_in(const uint8_t *code, uint32_t size, uint32_t is_riscv) {
  uint32_t count = 0;
  for (uint32_t offset = 0; offset < size; count++) {
    uint32_t half = code[offset] | (uint32_t)code[offset + 1] << 8;
    offset += (is_riscv ? (half & 3) == 3 : half >> 11 >= 0x1D) ? 4 : 2;
  }
  return count;
}

void count_block(void *engine, uint64_t address, uint32_t size, void *data) {
  counter *c = data;
  for (uint32_t i = 0; i < c->region_count; i++) {
    const region *r = &c->regions[i];
    uint64_t offset = address - r->address;
    if (offset >= r->bytes || offset + size > r->bytes) continue;
    uint32_t block = r->blocks[offset >> 1];
    if (block >> 16 != size) {
      block = size << 16 | instructions_in(r->code + offset, size, c->is_riscv);
      r->blocks[offset >> 1] = block;
    }
    c->instructions += block & 0xFFFF;
    if (r->executed) r->executed[offset >> 1] += block & 0xFFFF;
    if (c->instructions > c->limit) c->stop(engine);
    return;
  }
}

void count_instruction(void *engine, uint64_t address, uint32_t size, void *data) {
  counter *c = data;
  for (uint32_t i = 0; i < c->region_count; i++) {
    const region *r = &c->regions[i];
    uint64_t offset = address - r->address;
    if (r->executed && offset + size <= r->bytes) r->executed[offset >> 1]++;
  }
  if (++c->instructions > c->limit) c->stop(engine);
}
