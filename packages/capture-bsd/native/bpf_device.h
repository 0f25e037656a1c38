/* Opening and configuring a bpf(4) device: each function is one step, 0 or an errno. What to do when comes from TypeScript. */
#ifndef STUNMESH_BPF_DEVICE_H
#define STUNMESH_BPF_DEVICE_H

#include "bpf_system.h"

#include <stdio.h>

#define BPF_DEVICES_MAX 1024

static int bpf_open_path(const struct bpf_system *system, const char *path, int *fd) {
  do {
    *fd = system->open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  } while (*fd < 0 && errno == EINTR);
  return *fd < 0 ? errno : 0;
}

/* The cloning device of FreeBSD, else the first numbered one that nobody has (macOS makes the next one when the last is opened). */
static int bpf_open(const struct bpf_system *system, int *fd) {
  int error = bpf_open_path(system, "/dev/bpf", fd);
  if (error != ENOENT && error != EBUSY) return error;
  for (int i = 0; i < BPF_DEVICES_MAX; i += 1) {
    char path[32];
    snprintf(path, sizeof path, "/dev/bpf%d", i);
    int numbered = bpf_open_path(system, path, fd);
    if (numbered == ENOENT) return error;
    if (numbered != EBUSY) return numbered;
    error = EBUSY;
  }
  return error;
}

static int bpf_control(const struct bpf_system *system, int fd, unsigned long request, void *argument) {
  int result;
  do {
    result = system->control(fd, request, argument);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? errno : 0;
}

/* BIOCSBLEN; `bytes` becomes what the kernel chose. */
static int bpf_set_buffer(const struct bpf_system *system, int fd, uint32_t *bytes) {
  return bpf_control(system, fd, BIOCSBLEN, bytes);
}

/* BIOCGBLEN: read(2) takes this size alone. */
static int bpf_buffer(const struct bpf_system *system, int fd, uint32_t *bytes) {
  return bpf_control(system, fd, BIOCGBLEN, bytes);
}

static int bpf_set_immediate(const struct bpf_system *system, int fd) {
  unsigned int on = 1;
  return bpf_control(system, fd, BIOCIMMEDIATE, &on);
}

/* `bytes` are instructions of 8 bytes in the machine's byte order. */
static int bpf_load_filter(const struct bpf_system *system, int fd, unsigned long request, const uint8_t *bytes, size_t length) {
  static const size_t most = 512; /* BPF_MAXINSNS */
  struct bpf_insn instructions[512];
  if (length == 0 || length % sizeof instructions[0] != 0 || length / sizeof instructions[0] > most) return EINVAL;
  memcpy(instructions, bytes, length);
  struct bpf_program program = {.bf_len = (unsigned int)(length / sizeof instructions[0]), .bf_insns = instructions};
  return bpf_control(system, fd, request, &program);
}

/* BIOCSETF: what was captured is thrown away. */
static int bpf_set_filter(const struct bpf_system *system, int fd, const uint8_t *bytes, size_t length) {
  return bpf_load_filter(system, fd, BIOCSETF, bytes, length);
}

/* BIOCSETFNR: what was captured stays. */
static int bpf_replace_filter(const struct bpf_system *system, int fd, const uint8_t *bytes, size_t length) {
  return bpf_load_filter(system, fd, BIOCSETFNR, bytes, length);
}

static int bpf_attach(const struct bpf_system *system, int fd, const char *name) {
  struct ifreq request;
  size_t length = strlen(name);
  if (length == 0 || length >= sizeof request.ifr_name) return ENXIO;
  memset(&request, 0, sizeof request);
  memcpy(request.ifr_name, name, length);
  return bpf_control(system, fd, BIOCSETIF, &request);
}

/* What this host sends is not seen. */
static int bpf_set_incoming(const struct bpf_system *system, int fd) {
#ifdef __APPLE__
  unsigned int see_sent = 0;
  return bpf_control(system, fd, BIOCSSEESENT, &see_sent);
#else
  unsigned int direction = 0; /* BPF_D_IN */
  return bpf_control(system, fd, BIOCSDIRECTION, &direction);
#endif
}

static int bpf_data_link(const struct bpf_system *system, int fd, uint32_t *type) {
  return bpf_control(system, fd, BIOCGDLT, type);
}

static int bpf_statistics(const struct bpf_system *system, int fd, struct bpf_stat *statistics) {
  return bpf_control(system, fd, BIOCGSTATS, statistics);
}

#endif
