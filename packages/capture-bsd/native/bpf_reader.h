/* Reading a bpf(4) device: the records of a read become frames, and errors end or suspend the reading. */
#ifndef STUNMESH_BPF_READER_H
#define STUNMESH_BPF_READER_H

#include "bpf_system.h"

#include <stdatomic.h>
#include <stdbool.h>

/* How long a device rests that poll(2) calls readable and that has nothing: else this would spin. */
#define BPF_PAUSE_MS 10

struct bpf_reader {
  const struct bpf_system *system;
  int fd;
  int wake; /* a byte here: `stop` was set, or read on after an error */
  uint8_t *buffer;
  size_t size; /* BIOCGBLEN's */
  atomic_int *stop;
  /* An errno alone, or a frame; false: nobody listens any more. */
  bool (*deliver)(void *context, int error, const uint8_t *frame, size_t length, uint32_t wire_length);
  void *context;
};

static uint32_t bpf_number(const uint8_t *bytes) {
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

/* Delivers each record of one read. A record that goes beyond the end is left out, one whose header cannot be is EPROTO. */
static bool bpf_walk(const struct bpf_reader *r, size_t length) {
  const struct bpf_layout *layout = &r->system->layout;
  size_t least = layout->header + 2, at = 0;
  while (at < length && length - at >= least) {
    const uint8_t *record = r->buffer + at;
    uint16_t header;
    memcpy(&header, record + layout->header, sizeof header);
    uint32_t captured = bpf_number(record + layout->captured);
    if (header < least) return r->deliver(r->context, EPROTO, NULL, 0, 0);
    if (header > length - at || captured > length - at - header) return true;
    if (!r->deliver(r->context, 0, record + header, captured, bpf_number(record + layout->original))) return false;
    size_t whole = header + (size_t)captured;
    at += (whole + layout->align - 1) & ~(layout->align - 1);
  }
  return true;
}

/* What a round of reading says about the next. */
enum bpf_next { BPF_GO_ON, BPF_PAUSE, BPF_SUSPEND, BPF_END };

static enum bpf_next bpf_read_once(const struct bpf_reader *r) {
  ssize_t length = r->system->read(r->fd, r->buffer, r->size);
  if (length > 0) return bpf_walk(r, (size_t)length) ? BPF_GO_ON : BPF_END;
  if (length == 0) return BPF_PAUSE;
  int error = errno;
  if (error == EINTR) return BPF_GO_ON;
  if (error == EAGAIN || error == EWOULDBLOCK) return BPF_PAUSE;
  if (!r->deliver(r->context, error, NULL, 0, 0)) return BPF_END;
  /* The interface is gone for good, while poll(2) calls the device readable for ever; a new one of that name needs a new device. */
  return error == ENXIO ? BPF_END : BPF_SUSPEND;
}

/* Until `stop`, until nobody listens, or until the interface is gone. */
static void bpf_read_loop(const struct bpf_reader *r) {
  enum bpf_next next = BPF_GO_ON;
  while (!atomic_load(r->stop)) {
    /* poll(2) skips a negative descriptor. */
    struct pollfd fds[2] = {{.fd = next == BPF_GO_ON ? r->fd : -1, .events = POLLIN}, {.fd = r->wake, .events = POLLIN}};
    int timeout = next == BPF_SUSPEND ? -1 : next == BPF_PAUSE ? BPF_PAUSE_MS : r->system->trust_ms;
    int ready = r->system->poll(fds, 2, timeout);
    if (ready < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      r->deliver(r->context, errno, NULL, 0, 0);
      return;
    }
    if (fds[1].revents != 0) {
      uint8_t bytes[16];
      while (r->system->read(r->wake, bytes, sizeof bytes) > 0) {
      }
      next = BPF_GO_ON;
    } else if (next == BPF_PAUSE && ready == 0) {
      next = BPF_GO_ON;
    } else if (fds[0].revents != 0 || ready == 0) {
      next = bpf_read_once(r);
      if (next == BPF_END) return;
    }
  }
}

#endif
