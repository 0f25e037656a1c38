/* stunmesh_capture_bsd: /dev/bpf, raw and routing sockets for TypeScript (packages/core/native has what capture-linux shares). */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#ifdef __APPLE__
#define __APPLE_USE_RFC_3542 1
#endif
#define NAPI_VERSION 8

#include "bpf_methods.h"
#include "interfaces.h"

#include <netinet/icmp6.h>

static const struct sm_method bsd_methods[] = {{"listInterfaces", sm_list_interfaces}};

/* Numbers that one of the systems does not have are 0 there. */
#if !defined(AF_ROUTE) || defined(__linux__)
#undef AF_ROUTE
#undef PF_ROUTE
#define AF_ROUTE 0
#define PF_ROUTE 0
#endif
#ifndef SO_SETFIB
#define SO_SETFIB 0
#endif
#ifndef SO_USER_COOKIE
#define SO_USER_COOKIE 0
#endif
#ifndef SO_BINDTODEVICE
#define SO_BINDTODEVICE 0
#endif
#ifndef SO_MARK
#define SO_MARK 0
#endif
#ifndef IP_BOUND_IF
#define IP_BOUND_IF 0
#endif
#ifndef IPV6_BOUND_IF
#define IPV6_BOUND_IF 0
#endif
#ifndef IP_DONTFRAG
#define IP_DONTFRAG 0
#endif
#ifdef __linux__
#define SOCKADDR_HAS_LENGTH 0
#else
#define SOCKADDR_HAS_LENGTH 1
#endif

#define NUMBER(name) {#name, name}
static const struct sm_constant bsd_constants[] = {
    NUMBER(AF_INET), NUMBER(AF_INET6), NUMBER(AF_ROUTE), NUMBER(PF_ROUTE), NUMBER(SOCK_RAW), NUMBER(SOCK_DGRAM), NUMBER(SOCK_STREAM),
    NUMBER(SOL_SOCKET), NUMBER(SO_RCVBUF), NUMBER(SO_SETFIB), NUMBER(SO_USER_COOKIE), NUMBER(SO_BINDTODEVICE), NUMBER(SO_MARK),
    NUMBER(IPPROTO_IP), NUMBER(IPPROTO_ICMP), NUMBER(IPPROTO_UDP), NUMBER(IPPROTO_IPV6), NUMBER(IPPROTO_ICMPV6),
    NUMBER(IP_TTL), NUMBER(IP_DONTFRAG), NUMBER(IPV6_DONTFRAG), NUMBER(IP_BOUND_IF), NUMBER(IPV6_BOUND_IF), NUMBER(IPV6_UNICAST_HOPS), NUMBER(IPV6_CHECKSUM),
    NUMBER(IPV6_RECVPKTINFO), NUMBER(ICMP6_FILTER),
    NUMBER(IFF_UP), NUMBER(IFF_LOOPBACK), NUMBER(IFF_POINTOPOINT), NUMBER(IFF_RUNNING), NUMBER(SOCKADDR_HAS_LENGTH),
};

NAPI_MODULE_INIT() {
  if (sm_add_methods(env, exports, sm_shared_methods, SM_COUNT(sm_shared_methods)) &&
      sm_add_methods(env, exports, bsd_methods, SM_COUNT(bsd_methods)) &&
      sm_add_methods(env, exports, bpf_methods, SM_COUNT(bpf_methods)) &&
      sm_add_constants(env, exports, bsd_constants, SM_COUNT(bsd_constants)))
    return exports;
  return sm_throw_usage(env, "stunmesh_capture: initialisation failed");
}
