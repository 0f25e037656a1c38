/* netinet/in.h */
#pragma once
#include <sys/socket.h>
struct in_addr {
  uint32_t s_addr;
};
struct in6_addr {
  union {
    uint8_t s6_bytes[16];
    uint32_t s6_words[4];
  } s6;
};
struct sockaddr_in {
  uint8_t sin_len;
  sa_family_t sin_family;
  uint16_t sin_port;
  struct in_addr sin_addr;
  char sin_zero[8];
};
struct sockaddr_in6 {
  uint8_t sin6_len;
  sa_family_t sin6_family;
  uint16_t sin6_port;
  uint32_t sin6_flowinfo;
  struct in6_addr sin6_addr;
  uint32_t sin6_scope_id;
};
struct in6_pktinfo {
  struct in6_addr ipi6_addr;
  unsigned int ipi6_ifindex;
};
#define IPPROTO_IP 0
#define IPPROTO_ICMP 1
#define IPPROTO_UDP 17
#define IPPROTO_IPV6 41
#define IPPROTO_ICMPV6 58
#define IP_TTL 4
#define IPV6_UNICAST_HOPS 4
#define IPV6_CHECKSUM 26
#define IPV6_PKTINFO 46
#define IPV6_DONTFRAG 62
#ifdef __APPLE__
struct in_pktinfo {
  unsigned int ipi_ifindex;
  struct in_addr ipi_spec_dst, ipi_addr;
};
#define IP_BOUND_IF 25
#define IP_DONTFRAG 28
#define IP_PKTINFO 26
#define IPV6_RECVPKTINFO 61
#define IPV6_BOUND_IF 125
#else
#define IP_DONTFRAG 67
#define IPV6_RECVPKTINFO 36
#endif
