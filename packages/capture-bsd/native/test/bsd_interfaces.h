/* getifaddrs(3) of FreeBSD or macOS (AS_MACOS), from Linux's. */
#ifndef BSD_INTERFACES_H
#define BSD_INTERFACES_H

#include "bsd_numbers.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>

struct bsd_ifaddrs {
  struct bsd_ifaddrs *next;
  char *name;
  unsigned int flags;
  uint8_t *address;
  void *netmask, *destination, *data;
  uint8_t room[64];
  char text[IF_NAMESIZE];
};

void bsd_freeifaddrs(struct bsd_ifaddrs *list) {
  while (list) {
    struct bsd_ifaddrs *next = list->next;
    free(list);
    list = next;
  }
}

static void bsd_link_address(struct bsd_ifaddrs *entry, const struct sockaddr_ll *link) {
  unsigned int type = link->sll_hatype == ARPHRD_ETHER_ ? 6 : link->sll_hatype == ARPHRD_LOOPBACK_ ? 24 : 23;
  entry->room[0] = 54;
  entry->room[1] = BSD_LINK;
  entry->room[2] = (uint8_t)link->sll_ifindex;
  entry->room[3] = (uint8_t)(link->sll_ifindex >> 8);
  entry->room[4] = (uint8_t)type;
}

int bsd_getifaddrs(struct bsd_ifaddrs **result) {
  struct ifaddrs *all;
  *result = NULL;
  if (getifaddrs(&all) < 0) return (int)bsd_result(-1);
  struct bsd_ifaddrs **last = result;
  for (struct ifaddrs *one = all; one; one = one->ifa_next) {
    struct bsd_ifaddrs *entry = calloc(1, sizeof *entry);
    snprintf(entry->text, sizeof entry->text, "%s", one->ifa_name);
    entry->name = entry->text;
    entry->flags = one->ifa_flags & 0x59; /* UP, LOOPBACK, POINTOPOINT, RUNNING: the same bits */
    if (one->ifa_addr) {
      entry->address = entry->room;
      if (one->ifa_addr->sa_family == AF_PACKET) bsd_link_address(entry, (struct sockaddr_ll *)one->ifa_addr);
      else bsd_address_out(one->ifa_addr, entry->room, sizeof entry->room);
    }
    *last = entry;
    last = &entry->next;
  }
  freeifaddrs(all);
  return 0;
}

#endif
