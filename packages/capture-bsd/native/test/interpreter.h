/* Classic BPF, as bpf(4) of FreeBSD tells of it: how many bytes of the packet the program keeps. */
#ifndef INTERPRETER_H
#define INTERPRETER_H

#include "../bpf_system.h"

#include <stdbool.h>

/* Big-endian loads; false: beyond the packet, which drops it. */
static bool bpf_fetch(const uint8_t *packet, size_t length, size_t at, size_t bytes, uint32_t *value) {
  if (at > length || bytes > length - at) return false;
  *value = 0;
  for (size_t i = 0; i < bytes; i += 1) *value = *value << 8 | packet[at + i];
  return true;
}

static uint32_t bpf_operate(unsigned int operation, uint32_t a, uint32_t b) {
  switch (operation) {
  case 0x00:
    return a + b;
  case 0x10:
    return a - b;
  case 0x20:
    return a * b;
  case 0x30:
    return b == 0 ? 0 : a / b;
  case 0x40:
    return a | b;
  case 0x50:
    return a & b;
  case 0x60:
    return b > 31 ? 0 : a << b;
  case 0x70:
    return b > 31 ? 0 : a >> b;
  case 0x80:
    return 0 - a;
  case 0x90:
    return b == 0 ? 0 : a % b;
  default:
    return a ^ b;
  }
}

static bool bpf_compare(unsigned int relation, uint32_t a, uint32_t b) {
  return relation == 0x10 ? a == b : relation == 0x20 ? a > b : relation == 0x30 ? a >= b : (a & b) != 0;
}

static uint32_t bpf_interpret(const struct bpf_insn *program, size_t count, const uint8_t *packet, size_t length) {
  uint32_t a = 0, x = 0, memory[16] = {0};
  static const size_t sizes[4] = {4, 2, 1, 0};
  for (size_t i = 0; i < count; i += 1) {
    const struct bpf_insn *p = &program[i];
    unsigned int class = p->code & 0x07, mode = p->code & 0xe0, size = p->code >> 3 & 3;
    uint32_t operand = (p->code & 0x08) != 0 ? x : p->k, value;
    switch (class) {
    case 0x00: /* ld */
    case 0x01: /* ldx */
      if (mode == 0x00) value = p->k;
      else if (mode == 0x60) value = memory[p->k & 15];
      else if (mode == 0x80) value = (uint32_t)length;
      else if (mode == 0xa0) { /* four times the low nibble: an IPv4 header's length */
        if (!bpf_fetch(packet, length, p->k, 1, &value)) return 0;
        value = (value & 0xf) * 4;
      } else if (!bpf_fetch(packet, length, mode == 0x40 ? (size_t)x + p->k : p->k, sizes[size], &value))
        return 0;
      if (class == 0x00) a = value;
      else x = value;
      break;
    case 0x02:
      memory[p->k & 15] = a;
      break;
    case 0x03:
      memory[p->k & 15] = x;
      break;
    case 0x04:
      a = bpf_operate(p->code & 0xf0, a, operand);
      break;
    case 0x05:
      if ((p->code & 0xf0) == 0) i += p->k;
      else i += bpf_compare(p->code & 0xf0, a, operand) ? p->jt : p->jf;
      break;
    case 0x06:
      return (p->code & 0x18) == 0x10 ? a : p->k;
    default:
      if ((p->code & 0xf8) == 0x80) a = x;
      else x = a;
    }
  }
  return 0;
}

#endif
