/* At most so many packets of one kind a second go on to JavaScript: what is more ends in the reader's thread. */
#ifndef STUNMESH_LIMIT_H
#define STUNMESH_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define SM_LIMIT_OFFSETS 8
/* A quarter of a second's packets may come at once. */
#define SM_LIMIT_BURST_PARTS 4
#define SM_SECOND_NS 1000000000ULL

struct sm_limit {
  uint32_t per_second; /* 0: no limit */
  uint16_t value;      /* of the kind are packets with these 16 bits, big-endian, at one of the offsets */
  uint32_t count;
  uint8_t offsets[SM_LIMIT_OFFSETS];
  uint64_t last_ns;
  uint64_t credit; /* packets times SM_SECOND_NS */
};

static uint64_t sm_now_ns(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) < 0) return 0;
  return (uint64_t)now.tv_sec * SM_SECOND_NS + (uint64_t)now.tv_nsec;
}

static bool sm_limit_means(const struct sm_limit *l, const uint8_t *packet, size_t length) {
  for (uint32_t i = 0; i < l->count; i += 1) {
    size_t at = l->offsets[i];
    if (at + 2 <= length && ((uint32_t)packet[at] << 8 | packet[at + 1]) == l->value) return true;
  }
  return false;
}

/* Whether the packet may go on; counts it. */
static bool sm_limit_takes(struct sm_limit *l, const uint8_t *packet, size_t length) {
  if (l->per_second == 0 || !sm_limit_means(l, packet, length)) return true;
  uint64_t now = sm_now_ns(), most = (uint64_t)l->per_second * SM_SECOND_NS / SM_LIMIT_BURST_PARTS;
  uint64_t passed = l->last_ns == 0 ? SM_SECOND_NS : now - l->last_ns;
  if (passed > SM_SECOND_NS) passed = SM_SECOND_NS;
  l->credit += passed * l->per_second;
  if (l->credit > most) l->credit = most;
  l->last_ns = now;
  if (l->credit < SM_SECOND_NS) return false;
  l->credit -= SM_SECOND_NS;
  return true;
}

#endif
