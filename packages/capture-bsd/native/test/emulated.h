/*
 * A /dev/bpf for Linux: packet sockets that answer as bpf(4) of FreeBSD, or of macOS (AS_MACOS), does, so that the code above them runs on real interfaces.
 * Frames have the link type that the interface would have there: loopback NULL, Ethernet EN10MB; without a link header it is what
 * STUNMESH_TEST_LINK_TYPE says (null, loop, raw, ppp), NULL when it says nothing, as for FreeBSD's tun(4).
 * The interface scripted0 is none of Linux's: it is cheap to open and close, and has three STUN responses ready for each that does.
 */
#ifndef EMULATED_H
#define EMULATED_H

#include "interpreter.h"

#include <arpa/inet.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define EMULATED_MAX 4096
#define FRAME_MAX 65536
#define ARPHRD_ETHER_ 1
#define ARPHRD_LOOPBACK_ 772

/* BIOCSETFNR */
#ifdef AS_MACOS
#define SETFNR 0x8010427eUL
#else
#define SETFNR 0x80104282UL
#endif

enum { DLT_NULL_ = 0, DLT_EN10MB_ = 1, DLT_PPP_ = 9, DLT_RAW_ = 12, DLT_LOOP_ = 108 };

/* How records are laid out: 64-bit FreeBSD's way or macOS's. The header's size counts for its alignment alone. */
#ifdef AS_MACOS
enum { RECORD_ALIGN = 4, RECORD_SIZE = 18, RECORD_CAPTURED = 8, RECORD_ORIGINAL = 12, RECORD_HEADER = 16, NULL_INET6 = 30 };
#else
enum { RECORD_ALIGN = 8, RECORD_SIZE = 32, RECORD_CAPTURED = 16, RECORD_ORIGINAL = 20, RECORD_HEADER = 24, NULL_INET6 = 28 };
#endif

/* One per descriptor; the kernel never hands out the same one twice at a time. */
struct emulated {
  unsigned int size, link_type, direction, received, dropped, index;
  int loopback, immediate, scripted;
  size_t instructions;
  struct bpf_insn program[512];
};
static struct emulated emulated_devices[EMULATED_MAX];

static int emulated_fail(int error) {
  errno = error;
  return -1;
}

static struct emulated *emulated_at(int fd) {
  return fd >= 0 && fd < EMULATED_MAX ? &emulated_devices[fd] : NULL;
}

static int emulated_open(const char *path, int flags) {
  (void)flags;
#ifdef AS_MACOS
  /* No cloning device, and the first one is somebody else's. */
  if (strcmp(path, "/dev/bpf0") == 0) return emulated_fail(EBUSY);
  if (strcmp(path, "/dev/bpf1") != 0) return emulated_fail(ENOENT);
#else
  if (strcmp(path, "/dev/bpf") != 0) return emulated_fail(ENOENT);
#endif
  if (geteuid() != 0) return emulated_fail(EACCES);
  /* Only when an interface is named it becomes a packet socket, which the kernel is slow to close. */
  int fd = eventfd(3, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
  if (fd < 0) return -1;
  struct emulated *e = emulated_at(fd);
  if (!e) {
    close(fd);
    return emulated_fail(EMFILE);
  }
  memset(e, 0, sizeof *e);
  e->size = 4096;
  e->direction = 1;
  return fd;
}

static void emulated_drain(int fd) {
  char byte;
  while (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) >= 0) {
  }
}

static unsigned int emulated_headless_type(void) {
  const char *wanted = getenv("STUNMESH_TEST_LINK_TYPE");
  if (!wanted || strcmp(wanted, "null") == 0) return DLT_NULL_;
  return strcmp(wanted, "raw") == 0 ? DLT_RAW_ : strcmp(wanted, "ppp") == 0 ? DLT_PPP_ : DLT_LOOP_;
}

/* Protocol 0: nothing comes before bind(2). */
static int emulated_become_socket(int fd) {
  int fresh = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fresh < 0) return -1;
  int result = dup3(fresh, fd, O_CLOEXEC);
  close(fresh);
  return result;
}

static int emulated_attach(int fd, struct emulated *e, const char *name) {
  if (strcmp(name, "scripted0") == 0) {
    e->scripted = 1;
    return 0;
  }
  unsigned int index = if_nametoindex(name);
  struct ifreq request;
  memset(&request, 0, sizeof request);
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  if (index == 0) return emulated_fail(ENXIO);
  if (emulated_become_socket(fd) < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0) return -1;
  unsigned int type = request.ifr_hwaddr.sa_family;
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(3 /* all */), .sll_ifindex = (int)index};
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return -1;
  e->loopback = type == ARPHRD_LOOPBACK_;
  e->link_type = e->loopback ? DLT_NULL_ : type == ARPHRD_ETHER_ ? DLT_EN10MB_ : emulated_headless_type();
  e->index = index;
  return 0;
}

static int emulated_control(int fd, unsigned long request, void *argument) {
  struct emulated *e = emulated_at(fd);
  unsigned int *number = argument;
  if (!e) return emulated_fail(EBADF);
  switch (request) {
  case BIOCGBLEN:
    *number = e->size;
    return 0;
  case BIOCSBLEN:
    if (e->instructions > 0 || e->index != 0 || e->scripted) return emulated_fail(EINVAL);
    e->size = *number = *number > 0x80000 ? 0x80000 : *number < 32 ? 32 : *number;
    return 0;
  case BIOCIMMEDIATE:
    e->immediate = *number != 0;
    return 0;
  case BIOCSETF:
  case SETFNR: {
    const struct bpf_program *program = argument;
    if (program->bf_len == 0 || program->bf_len > 512) return emulated_fail(EINVAL);
    memcpy(e->program, program->bf_insns, program->bf_len * sizeof e->program[0]);
    e->instructions = program->bf_len;
    if (request == BIOCSETF && e->index != 0) emulated_drain(fd);
    return 0;
  }
  case BIOCSETIF:
    /* A structure of its system's size, which begins with the name. */
    return emulated_attach(fd, e, argument);
  case BIOCSDIRECTION:
    e->direction = *number;
    return 0;
  case BIOCGDLT:
    if (e->index == 0 && !e->scripted) return emulated_fail(EINVAL);
    *number = e->link_type;
    return 0;
  case BIOCGSTATS:
    *(struct bpf_stat *)argument = (struct bpf_stat){.bs_recv = e->received, .bs_drop = e->dropped};
    return 0;
  default:
    return emulated_fail(ENOTTY);
  }
}

static int emulated_gone(const struct emulated *e) {
  char name[IF_NAMESIZE];
  return e->index != 0 && !if_indextoname(e->index, name);
}

/* The frame as the interface's type on FreeBSD has it; `frame` has 16 bytes of room before it. Its beginning, or NULL to leave it out. */
static uint8_t *emulated_dress(const struct emulated *e, uint8_t *frame, size_t *length) {
  if (e->link_type == DLT_EN10MB_) return frame;
  if (e->loopback) {
    if (*length < 15) return NULL;
    frame += 14;
    *length -= 14;
  }
  if (e->link_type == DLT_RAW_ || *length == 0) return frame;
  int six = frame[0] >> 4 == 6;
  uint32_t family = six ? NULL_INET6 : 2;
  uint8_t ppp[4] = {0xff, 0x03, 0x00, six ? 0x57 : 0x21};
  if (e->link_type == DLT_LOOP_) family = htonl(family);
  frame -= 4;
  *length += 4;
  memcpy(frame, e->link_type == DLT_PPP_ ? (void *)ppp : (void *)&family, 4);
  return frame;
}

static size_t emulated_link_header(const struct emulated *e) {
  return e->link_type == DLT_EN10MB_ ? 14 : e->link_type == DLT_RAW_ ? 0 : 4;
}

static size_t emulated_round(size_t length) {
  return (length + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* The network header comes to stand on a word boundary. */
static size_t emulated_put(const struct emulated *e, uint8_t *to, const uint8_t *frame, uint32_t captured, uint32_t original) {
  size_t link = emulated_link_header(e);
  uint16_t header = (uint16_t)(emulated_round(RECORD_SIZE + link) - link);
  memset(to, 0, header);
  memcpy(to + RECORD_CAPTURED, &captured, sizeof captured);
  memcpy(to + RECORD_ORIGINAL, &original, sizeof original);
  memcpy(to + RECORD_HEADER, &header, sizeof header);
  memcpy(to + header, frame, captured);
  return header + captured;
}

/* AF_INET, IPv4, UDP from port 3478 to port 51820, a STUN binding success response. */
static const uint8_t emulated_stun[] = {2,    0,    0, 0, 0x45, 0,    0,    48,   0,    0,    0, 0, 64, 17, 0, 0, 192, 0, 2, 2, 192, 0, 2, 1,
                                        0x0d, 0x96, 0xca, 0x6c, 0, 28, 0, 0, 1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7};

static ssize_t emulated_read_scripted(int fd, const struct emulated *e, void *buffer) {
  uint64_t one;
  if (read(fd, &one, sizeof one) < 0) return -1;
  if (bpf_interpret(e->program, e->instructions, emulated_stun, sizeof emulated_stun) == 0) return emulated_fail(EAGAIN);
  return (ssize_t)emulated_put(e, buffer, emulated_stun, sizeof emulated_stun, sizeof emulated_stun);
}

static ssize_t emulated_read(int fd, void *buffer, size_t size) {
  struct emulated *e = emulated_at(fd);
  static _Thread_local uint8_t room[FRAME_MAX + 64];
  /* The pipe that wakes the reader comes here too, perhaps by the number of a device that was. */
  struct stat what;
  if (!e || fstat(fd, &what) < 0 || S_ISFIFO(what.st_mode)) return read(fd, buffer, size);
  if (size != e->size) return emulated_fail(EINVAL);
  if (e->scripted) return emulated_read_scripted(fd, e, buffer);
  size_t used = 0;
  while (size - used >= 256) {
    struct sockaddr_ll from;
    socklen_t from_length = sizeof from;
    size_t space = size - used - 64;
    ssize_t got = recvfrom(fd, room + 16, space < FRAME_MAX ? space : FRAME_MAX, MSG_DONTWAIT, (struct sockaddr *)&from, &from_length);
    if (got < 0) {
      if (used > 0) return (ssize_t)used;
      /* A link that goes down is an error of packet sockets alone; bpf(4) says nothing. */
      return emulated_fail(emulated_gone(e) ? ENXIO : EAGAIN);
    }
    if (e->direction == 0 && from.sll_pkttype == PACKET_OUTGOING) continue;
    e->received += 1;
    size_t length = (size_t)got;
    const uint8_t *frame = emulated_dress(e, room + 16, &length);
    uint32_t kept = frame ? bpf_interpret(e->program, e->instructions, frame, length) : 0;
    if (kept == 0) continue;
    used = emulated_round(used);
    used += emulated_put(e, (uint8_t *)buffer + used, frame, kept < length ? kept : (uint32_t)length, (uint32_t)length);
  }
  return (ssize_t)used;
}

/* A device whose interface is gone is readable for ever, and says so at once. */
static int emulated_poll(struct pollfd *fds, nfds_t count, int timeout) {
  const struct emulated *e = emulated_at(fds[0].fd);
  for (int waited = 0;; waited += 20) {
    int slice = timeout < 0 || timeout - waited > 20 ? 20 : timeout - waited;
    int ready = poll(fds, count, slice);
    if (e && emulated_gone(e)) {
      fds[0].revents = POLLIN | POLLHUP;
      return ready > 0 ? ready : 1;
    }
    if (ready != 0 || (timeout >= 0 && waited + slice >= timeout)) return ready;
  }
}

static const struct bpf_system emulated_system = {
    .open = emulated_open,
    .control = emulated_control,
    .read = emulated_read,
    .poll = emulated_poll,
    .close = close,
    .layout = {.align = 8,
               .captured = offsetof(struct bpf_hdr, bh_caplen),
               .original = offsetof(struct bpf_hdr, bh_datalen),
               .header = offsetof(struct bpf_hdr, bh_hdrlen)},
    .trust_ms = -1,
};

#endif
