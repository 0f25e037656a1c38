/* stunmesh_capture for Linux: raw and netlink sockets for TypeScript (packages/core/native has the shared part). */
#define _GNU_SOURCE
#define NAPI_VERSION 8

#include "stunmesh_module.h"

#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>

#ifndef SOL_RAW
#define SOL_RAW 255
#endif

/* attachFilter(socket, program: Uint8Array of struct sock_filter). Errors: setsockopt */
static napi_value attach_filter(napi_env env, napi_callback_info info) {
  napi_value v[2];
  uint8_t *bytes;
  size_t length;
  struct sock_filter program[BPF_MAXINSNS];
  if (!sm_arguments(env, info, 2, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "setsockopt");
  if (!s || !sm_bytes(env, v[1], &bytes, &length)) return NULL;
  if (length == 0 || length % sizeof program[0] != 0 || length > sizeof program) return sm_throw(env, EINVAL, "setsockopt");
  memcpy(program, bytes, length);
  struct sock_fprog filter = {.len = (unsigned short)(length / sizeof program[0]), .filter = program};
  if (setsockopt(s->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0) return sm_throw(env, errno, "setsockopt");
  return NULL;
}

static const struct sm_method linux_methods[] = {{"attachFilter", attach_filter}};

/* A sockaddr begins with its family here. */
#define SOCKADDR_HAS_LENGTH 0

#define NUMBER(name) {#name, name}
static const struct sm_constant linux_constants[] = {
    NUMBER(AF_INET), NUMBER(AF_INET6), NUMBER(AF_NETLINK), NUMBER(SOCK_RAW), NUMBER(SOCK_DGRAM), NUMBER(SOCK_STREAM),
    NUMBER(SOL_SOCKET), NUMBER(SO_MARK), NUMBER(SO_BINDTODEVICE), NUMBER(SO_RCVBUF),
    NUMBER(IPPROTO_IP), NUMBER(IPPROTO_ICMP), NUMBER(IPPROTO_UDP), NUMBER(IPPROTO_IPV6), NUMBER(IPPROTO_ICMPV6),
    NUMBER(IP_PKTINFO), NUMBER(IP_TTL), NUMBER(IP_MTU_DISCOVER), NUMBER(IPV6_MTU_DISCOVER), NUMBER(IP_PMTUDISC_PROBE),
    NUMBER(IPV6_RECVPKTINFO), NUMBER(IPV6_UNICAST_HOPS), NUMBER(IPV6_CHECKSUM),
    NUMBER(SOL_RAW), NUMBER(ICMP_FILTER), NUMBER(ICMP6_FILTER), NUMBER(NETLINK_ROUTE), NUMBER(SOCKADDR_HAS_LENGTH),
};

NAPI_MODULE_INIT() {
  if (sm_add_methods(env, exports, sm_shared_methods, SM_COUNT(sm_shared_methods)) &&
      sm_add_methods(env, exports, linux_methods, SM_COUNT(linux_methods)) &&
      sm_add_constants(env, exports, linux_constants, SM_COUNT(linux_constants)))
    return exports;
  return sm_throw_usage(env, "stunmesh_capture: initialisation failed");
}
