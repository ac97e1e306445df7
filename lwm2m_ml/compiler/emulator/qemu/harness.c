/* Runs one inference on QEMU's mps3-an547 (Cortex-M55) and writes what came of it to a file, through semihosting.

   QEMU's loader has put the module, the arena and these parameters into memory before the reset. */
#include <stdint.h>

struct parameters {
  uint32_t entry, arena, region, region_bytes, stack_limit, stack_top;
};
struct outcome {
  uint32_t returned, ticks, stack_bytes;
};

#define PARAMETERS ((const struct parameters *)0x30000000)
#define PAINT 0xC39A5D27u
#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CPACR REGISTER(0xE000ED88)
#define SYST_CSR REGISTER(0xE000E010)
#define SYST_RVR REGISTER(0xE000E014)
#define SYST_CVR REGISTER(0xE000E018)
#define TICKS 0xFFFFFFu

extern int32_t call_on_stack(uint32_t entry, uint32_t arena, uint32_t stack_top);

static uint32_t semihost(uint32_t operation, const void *block)
{
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = block;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static void leave(uint32_t code)
{
  const uint32_t block[2] = {0x20026, code};
  semihost(0x20, block);
  for (;;) {
  }
}

static void write_all(uint32_t file, const void *data, uint32_t bytes)
{
  const uint32_t block[3] = {file, (uint32_t)data, bytes};
  if (semihost(0x05, block) != 0) leave(2);
}

void reset(void)
{
  static const char name[] = "outcome.bin";
  const struct parameters *given = PARAMETERS;
  struct outcome outcome;
  CPACR |= 0xFu << 20;
  __asm__ volatile("dsb\n isb" ::: "memory");
  for (volatile uint32_t *word = (uint32_t *)given->stack_limit; word < (uint32_t *)given->stack_top; ++word)
    *word = PAINT;
  SYST_RVR = TICKS;
  SYST_CVR = 0;
  SYST_CSR = 5;
  uint32_t before = SYST_CVR;
  outcome.returned = (uint32_t)call_on_stack(given->entry, given->arena, given->stack_top);
  outcome.ticks = (before - SYST_CVR) & TICKS;
  if (SYST_CSR & 0x10000u) outcome.ticks = 0xFFFFFFFFu;
  const uint32_t *word = (const uint32_t *)given->stack_limit;
  while (word < (const uint32_t *)given->stack_top && *word == PAINT) ++word;
  outcome.stack_bytes = given->stack_top - (uint32_t)word;
  const uint32_t open[3] = {(uint32_t)name, 5, sizeof name - 1};
  uint32_t file = semihost(0x01, open);
  if (file == 0xFFFFFFFFu) leave(2);
  write_all(file, &outcome, sizeof outcome);
  write_all(file, (const void *)given->region, given->region_bytes);
  semihost(0x02, &file);
  leave(0);
}

void fault(void)
{
  leave(3);
}
