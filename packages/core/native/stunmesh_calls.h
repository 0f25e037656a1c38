/* The plain socket calls as methods. They decide nothing: every value comes from TypeScript. */
#ifndef STUNMESH_CALLS_H
#define STUNMESH_CALLS_H

#include "stunmesh_socket.h"

#include <sys/uio.h>

static void sm_read_ancillary(struct msghdr *message, struct sm_origin *origin) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
#ifdef IP_PKTINFO
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      struct in_pktinfo info;
      memcpy(&info, CMSG_DATA(c), sizeof info);
      origin->interface = (uint32_t)info.ipi_ifindex;
      origin->to_length = 4;
      memcpy(origin->to, &info.ipi_addr, 4);
    }
#endif
#ifdef IPV6_PKTINFO
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      struct in6_pktinfo info;
      memcpy(&info, CMSG_DATA(c), sizeof info);
      origin->interface = (uint32_t)info.ipi6_ifindex;
      origin->to_length = 16;
      memcpy(origin->to, &info.ipi6_addr, 16);
    }
#endif
  }
}

static ssize_t sm_receive_message(int fd, uint8_t *buffer, size_t size, struct sm_origin *origin) {
  struct iovec vector = {.iov_base = buffer, .iov_len = size};
  union {
    struct cmsghdr align;
    uint8_t bytes[256];
  } control;
  struct msghdr message;
  memset(&message, 0, sizeof message);
  memset(origin, 0, sizeof *origin);
  message.msg_name = origin->from;
  message.msg_namelen = sizeof origin->from;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t length;
  do {
    length = recvmsg(fd, &message, MSG_DONTWAIT);
  } while (length < 0 && errno == EINTR);
  if (length >= 0) {
    origin->from_length = message.msg_namelen < sizeof origin->from ? message.msg_namelen : sizeof origin->from;
    sm_read_ancillary(&message, origin);
  }
  return length;
}

/* open(domain, type, protocol): socket. Errors: socket */
static napi_value sm_open(napi_env env, napi_callback_info info) {
  napi_value v[3];
  int32_t domain, type, protocol;
  if (!sm_arguments(env, info, 3, v)) return NULL;
  SM_CALL(env, napi_get_value_int32(env, v[0], &domain));
  SM_CALL(env, napi_get_value_int32(env, v[1], &type));
  SM_CALL(env, napi_get_value_int32(env, v[2], &protocol));
#ifdef SOCK_CLOEXEC
  int fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) return sm_throw(env, errno, "socket");
#else
  int fd = socket(domain, type, protocol);
  if (fd < 0) return sm_throw(env, errno, "socket");
  if (sm_tame(fd) < 0) {
    int error = errno;
    close(fd);
    return sm_throw(env, error, "fcntl");
  }
#endif
  return sm_wrap_descriptor(env, fd, sm_receive_message);
}

/* setOption(socket, level, name, value: Uint8Array). Errors: setsockopt */
static napi_value sm_set_option(napi_env env, napi_callback_info info) {
  napi_value v[4];
  int32_t level, name;
  uint8_t *bytes;
  size_t length;
  if (!sm_arguments(env, info, 4, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "setsockopt");
  if (!s) return NULL;
  SM_CALL(env, napi_get_value_int32(env, v[1], &level));
  SM_CALL(env, napi_get_value_int32(env, v[2], &name));
  if (!sm_bytes(env, v[3], &bytes, &length)) return NULL;
  if (setsockopt(s->fd, level, name, bytes, (socklen_t)length) < 0) return sm_throw(env, errno, "setsockopt");
  return NULL;
}

/* bind and connect differ in the call alone. */
static napi_value sm_with_address(napi_env env, napi_callback_info info, const char *syscall,
                                  int (*call)(int, const struct sockaddr *, socklen_t)) {
  napi_value v[2];
  uint8_t *bytes;
  size_t length;
  struct sockaddr_storage address;
  if (!sm_arguments(env, info, 2, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], syscall);
  if (!s || !sm_bytes(env, v[1], &bytes, &length)) return NULL;
  if (length == 0 || length > sizeof address) return sm_throw(env, EINVAL, syscall);
  memcpy(&address, bytes, length);
  if (call(s->fd, (struct sockaddr *)&address, (socklen_t)length) < 0) return sm_throw(env, errno, syscall);
  return NULL;
}

/* bind(socket, address: Uint8Array). Errors: bind */
static napi_value sm_bind(napi_env env, napi_callback_info info) {
  return sm_with_address(env, info, "bind", bind);
}

/* connect(socket, address: Uint8Array). Errors: connect */
static napi_value sm_connect(napi_env env, napi_callback_info info) {
  return sm_with_address(env, info, "connect", connect);
}

/* localAddress(socket): Uint8Array, a sockaddr. Errors: getsockname */
static napi_value sm_local_address(napi_env env, napi_callback_info info) {
  napi_value v[1];
  struct sockaddr_storage address;
  socklen_t length = sizeof address;
  if (!sm_arguments(env, info, 1, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "getsockname");
  if (!s) return NULL;
  if (getsockname(s->fd, (struct sockaddr *)&address, &length) < 0) return sm_throw(env, errno, "getsockname");
  return sm_copy(env, (const uint8_t *)&address, length < sizeof address ? length : sizeof address);
}

/* send(socket, packet: Uint8Array, address: Uint8Array, empty for none): never waits. Errors: sendto */
static napi_value sm_send(napi_env env, napi_callback_info info) {
  napi_value v[3];
  uint8_t *bytes, *to;
  size_t length, to_length;
  struct sockaddr_storage address;
  if (!sm_arguments(env, info, 3, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "sendto");
  if (!s || !sm_bytes(env, v[1], &bytes, &length) || !sm_bytes(env, v[2], &to, &to_length)) return NULL;
  if (to_length > sizeof address) return sm_throw(env, EINVAL, "sendto");
  if (to_length > 0) memcpy(&address, to, to_length);
  struct sockaddr *target = to_length > 0 ? (struct sockaddr *)&address : NULL;
  ssize_t sent;
  do {
    sent = sendto(s->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, target, (socklen_t)to_length);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return sm_throw(env, errno, "sendto");
  return NULL;
}

/* drain(socket): how many packets lay in its buffer and are gone now. Errors: recvmsg */
static napi_value sm_drain(napi_env env, napi_callback_info info) {
  napi_value v[1], result;
  uint8_t byte;
  struct sm_origin origin;
  uint32_t count = 0;
  if (!sm_arguments(env, info, 1, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "recvmsg");
  if (!s) return NULL;
  while (s->receive(s->fd, &byte, 1, &origin) >= 0) count += 1;
  if (errno != EAGAIN && errno != EWOULDBLOCK) return sm_throw(env, errno, "recvmsg");
  SM_CALL(env, napi_create_uint32(env, count, &result));
  return result;
}

/* Leaves nothing of it in memory that is freed: what was received may hold keys. */
static void sm_wipe(uint8_t *bytes, size_t length) {
  for (volatile uint8_t *at = bytes, *end = bytes + length; at < end; at += 1) *at = 0;
}

/* receive(socket, size): Uint8Array, or undefined when nothing is there. Errors: recvmsg */
static napi_value sm_receive_now(napi_env env, napi_callback_info info) {
  napi_value v[2];
  uint32_t size;
  struct sm_origin origin;
  if (!sm_arguments(env, info, 2, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "recvmsg");
  if (!s) return NULL;
  SM_CALL(env, napi_get_value_uint32(env, v[1], &size));
  uint8_t *buffer = malloc(size > 0 ? size : 1);
  if (!buffer) return sm_throw(env, ENOMEM, "malloc");
  ssize_t length = s->receive(s->fd, buffer, size, &origin);
  int error = errno;
  napi_value result = length < 0 ? NULL : sm_copy(env, buffer, (size_t)length);
  if (length > 0) sm_wipe(buffer, (size_t)length);
  free(buffer);
  if (length < 0 && error != EAGAIN && error != EWOULDBLOCK) return sm_throw(env, error, "recvmsg");
  return result;
}

/* release(socket): number, the descriptor, which belongs to the caller from now on. Errors: EBUSY with a reader running */
static napi_value sm_release_descriptor(napi_env env, napi_callback_info info) {
  napi_value v[1], result;
  if (!sm_arguments(env, info, 1, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "release");
  if (!s) return NULL;
  if (s->queue) return sm_throw(env, EBUSY, "release");
  SM_CALL(env, napi_create_int32(env, s->fd, &result));
  s->fd = -1;
  return result;
}

/* close(socket): also stops its reader; any number of times. */
static napi_value sm_close(napi_env env, napi_callback_info info) {
  napi_value v[1];
  if (!sm_arguments(env, info, 1, v)) return NULL;
  struct sm_socket *s = sm_unwrap_any(env, v[0]);
  if (s) sm_close_socket(s);
  return NULL;
}

/* interfaceIndex(name): number, 0 when there is none. */
static napi_value sm_interface_index(napi_env env, napi_callback_info info) {
  napi_value v[1], result;
  char name[IF_NAMESIZE + 1];
  size_t length;
  if (!sm_arguments(env, info, 1, v)) return NULL;
  SM_CALL(env, napi_get_value_string_utf8(env, v[0], name, sizeof name, &length));
  SM_CALL(env, napi_create_uint32(env, length < IF_NAMESIZE ? if_nametoindex(name) : 0, &result));
  return result;
}

/* interfaceName(index): string, empty when there is none. */
static napi_value sm_interface_name(napi_env env, napi_callback_info info) {
  napi_value v[1], result;
  uint32_t index;
  char name[IF_NAMESIZE] = "";
  if (!sm_arguments(env, info, 1, v)) return NULL;
  SM_CALL(env, napi_get_value_uint32(env, v[0], &index));
  if (!if_indextoname(index, name)) name[0] = '\0';
  SM_CALL(env, napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &result));
  return result;
}

#endif
