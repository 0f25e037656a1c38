/* net/if.h */
#pragma once
#include <sys/socket.h>
#define IFNAMSIZ 16
#define IF_NAMESIZE 16
#define IFF_UP 0x1
#define IFF_LOOPBACK 0x8
#define IFF_POINTOPOINT 0x10
#define IFF_RUNNING 0x40
struct ifreq {
  char ifr_name[IFNAMSIZ];
  union {
    struct sockaddr ifru_addr;
    void *ifru_data;
  } ifr_ifru;
};
unsigned int if_nametoindex(const char *);
char *if_indextoname(unsigned int, char *);
#ifdef __FreeBSD__
struct ifg_req {
  char ifgrq_group[IFNAMSIZ];
};
struct ifgroupreq {
  char ifgr_name[IFNAMSIZ];
  unsigned int ifgr_len;
  union {
    char ifgru_group[IFNAMSIZ];
    struct ifg_req *ifgru_groups;
  } ifgr_ifgru;
};
#define ifgr_groups ifgr_ifgru.ifgru_groups
#endif
