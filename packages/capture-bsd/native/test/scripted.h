/* A /dev/bpf made of scripts: what each call answers stands in a list, and what was asked is kept. */
#ifndef SCRIPTED_H
#define SCRIPTED_H

#include "../bpf_device.h"
#include "../bpf_reader.h"

#include <stdlib.h>

#define DEVICE 1000 /* descriptors that no real one has */
#define WAKE 1001

/* open */
struct scripted_path {
  const char *path;
  int error; /* 0: opens */
};
static const struct scripted_path *paths; /* ends with a NULL path */
static int opens, open_interrupts, last_flags;
static char last_path[64];

static int scripted_open(const char *path, int flags) {
  opens += 1;
  last_flags = flags;
  snprintf(last_path, sizeof last_path, "%s", path);
  if (open_interrupts > 0) {
    open_interrupts -= 1;
    errno = EINTR;
    return -1;
  }
  for (const struct scripted_path *p = paths; p->path; p += 1)
    if (strcmp(p->path, path) == 0) {
      if (p->error == 0) return DEVICE;
      errno = p->error;
      return -1;
    }
  errno = ENOENT;
  return -1;
}

/* ioctl: what FreeBSD's kernel does with the requests that the addon makes. */
static struct {
  unsigned int size;
  int immediate, filters, flushes, attached, direction_set, interrupts;
  unsigned int direction, link_type, instructions;
  struct bpf_insn first, last;
  int up;
} device;

static int refuse(int error) {
  errno = error;
  return -1;
}

static int scripted_set_filter(const struct bpf_program *program) {
  if (program->bf_len == 0 || program->bf_len > 512) return refuse(EINVAL);
  device.filters += 1;
  device.instructions = program->bf_len;
  device.first = program->bf_insns[0];
  device.last = program->bf_insns[program->bf_len - 1];
  return 0;
}

static int scripted_attach(const struct ifreq *request) {
  if (strcmp(request->ifr_name, "em0") != 0) return refuse(ENXIO);
  if (!device.up) return refuse(ENETDOWN);
  device.attached = 1;
  return 0;
}

static int scripted_control(int fd, unsigned long request, void *argument) {
  if (fd != DEVICE) return refuse(EBADF);
  if (device.interrupts > 0) {
    device.interrupts -= 1;
    return refuse(EINTR);
  }
  unsigned int *number = argument;
  switch (request) {
  case BIOCGBLEN:
    *number = device.size;
    return 0;
  case BIOCSBLEN:
    if (device.filters > 0 || device.attached) return refuse(EINVAL);
    device.size = *number = *number > 0x80000 ? 0x80000 : *number < 32 ? 32 : *number;
    return 0;
  case BIOCIMMEDIATE:
    device.immediate = (int)*number;
    return 0;
  case BIOCSETF:
    device.flushes += 1;
    return scripted_set_filter(argument);
  case BIOCSETFNR:
    return scripted_set_filter(argument);
  case BIOCSETIF:
    return scripted_attach(argument);
  case BIOCSDIRECTION:
    device.direction = *number;
    device.direction_set = 1;
    return 0;
  case BIOCGDLT:
    if (!device.attached) return refuse(EINVAL);
    *number = device.link_type;
    return 0;
  case BIOCGSTATS:
    *(struct bpf_stat *)argument = (struct bpf_stat){.bs_recv = 7, .bs_drop = 3};
    return 0;
  default:
    return refuse(ENOTTY);
  }
}

/* read: bytes, or an errno; EAGAIN when the list is at its end. */
struct scripted_read {
  int error;
  const uint8_t *bytes;
  size_t length;
};
static const struct scripted_read *reads;
static int reads_left, reads_made, wakes;

static ssize_t scripted_read(int fd, void *buffer, size_t size) {
  if (fd == WAKE) {
    if (wakes == 0) return refuse(EAGAIN);
    wakes -= 1;
    *(char *)buffer = 'w';
    return 1;
  }
  reads_made += 1;
  if (reads_left == 0) return refuse(EAGAIN);
  const struct scripted_read *r = reads;
  reads += 1;
  reads_left -= 1;
  if (r->error != 0) return refuse(r->error);
  size_t length = r->length < size ? r->length : size;
  if (length > 0) memcpy(buffer, r->bytes, length);
  return (ssize_t)length;
}

/* poll: one step per call; `fd` and `timeout` are what the reader has to ask for. At the end of the list the reader is stopped. */
enum { READY = POLLIN, NOTHING = 0, WOKEN = 0x4000, INTERRUPTED = 0x2000, BROKEN = 0x1000 };
struct scripted_poll {
  int fd, timeout, answer;
};
static const struct scripted_poll *polls;
static int polls_left, polls_made, polls_unexpected;
static atomic_int stop;

static int scripted_poll(struct pollfd *fds, nfds_t count, int timeout) {
  polls_made += 1;
  fds[0].revents = fds[1].revents = 0;
  if (count != 2 || fds[1].fd != WAKE) polls_unexpected += 1;
  if (polls_left == 0) {
    atomic_store(&stop, 1);
    wakes = 1;
    fds[1].revents = POLLIN;
    return 1;
  }
  const struct scripted_poll *p = polls;
  polls += 1;
  polls_left -= 1;
  if (fds[0].fd != p->fd || timeout != p->timeout) {
    printf("# poll %d: descriptor %d (not %d), timeout %d (not %d)\n", polls_made, fds[0].fd, p->fd, timeout, p->timeout);
    polls_unexpected += 1;
  }
  if (p->answer == INTERRUPTED) return refuse(EINTR);
  if (p->answer == BROKEN) return refuse(ENOMEM);
  if (p->answer == NOTHING) return 0;
  if (p->answer == WOKEN) {
    wakes = 1;
    fds[1].revents = POLLIN;
  } else
    fds[0].revents = (short)p->answer;
  return 1;
}

static int scripted_close(int fd) {
  (void)fd;
  return 0;
}

/* The three layouts that are met: FreeBSD and macOS on 64-bit machines, FreeBSD on i386. */
static const struct bpf_layout freebsd64 = {.align = 8, .captured = 16, .original = 20, .header = 24};
static const struct bpf_layout freebsd32 = {.align = 4, .captured = 8, .original = 12, .header = 16};
static const struct bpf_layout macos64 = {.align = 4, .captured = 8, .original = 12, .header = 16};

static struct bpf_system scripted_system = {.open = scripted_open,
                                            .control = scripted_control,
                                            .read = scripted_read,
                                            .poll = scripted_poll,
                                            .close = scripted_close,
                                            .trust_ms = -1};

/* Frames as they were heard. */
#define HEARD_MAX 64
static struct {
  int error;
  size_t length;
  uint32_t wire_length;
  uint8_t bytes[256];
} heard[HEARD_MAX];
static int heard_count, listen_until;

static bool listener(void *context, int error, const uint8_t *frame, size_t length, uint32_t wire_length) {
  (void)context;
  if (heard_count < HEARD_MAX) {
    heard[heard_count].error = error;
    heard[heard_count].length = length;
    heard[heard_count].wire_length = wire_length;
    /* Every byte is touched, so that the sanitizer sees a frame that is too long. */
    for (size_t i = 0; i < length; i += 1) heard[heard_count].bytes[i % 256] = frame[i];
  }
  heard_count += 1;
  return heard_count < listen_until;
}

static void start_over(void) {
  memset(&device, 0, sizeof device);
  memset(heard, 0, sizeof heard);
  device.size = 4096;
  device.up = 1;
  opens = open_interrupts = 0;
  reads_left = reads_made = wakes = 0;
  polls_left = polls_made = polls_unexpected = 0;
  heard_count = 0;
  listen_until = 1 << 30;
  atomic_store(&stop, 0);
  scripted_system.layout = freebsd64;
  scripted_system.trust_ms = -1;
}

/* Runs the reader over both scripts, with a buffer of exactly `size` bytes. */
static void read_scripts(size_t size, const struct scripted_poll *p, int poll_count, const struct scripted_read *r, int read_count) {
  polls = p;
  polls_left = poll_count;
  reads = r;
  reads_left = read_count;
  struct bpf_reader reader = {.system = &scripted_system,
                              .fd = DEVICE,
                              .wake = WAKE,
                              .buffer = malloc(size),
                              .size = size,
                              .stop = &stop,
                              .deliver = listener};
  bpf_read_loop(&reader);
  free(reader.buffer);
}

/* Writes a record at `at`, with `extra` bytes of padding after its header; the place of the next. */
static size_t put_record(const struct bpf_layout *l, uint8_t *buffer, size_t at, size_t extra, uint32_t captured, uint32_t original,
                         uint8_t fill) {
  uint16_t header = (uint16_t)(l->header + 2 + extra);
  memset(buffer + at, 0xee, header);
  memcpy(buffer + at + l->captured, &captured, 4);
  memcpy(buffer + at + l->original, &original, 4);
  memcpy(buffer + at + l->header, &header, 2);
  memset(buffer + at + header, fill, captured);
  size_t end = at + header + captured;
  size_t next = (end + l->align - 1) / l->align * l->align;
  memset(buffer + end, 0xdd, next - end);
  return next;
}

#endif
