/* A route(4) socket: a thread tells what netlink says in their messages, until the addon closes its end. */
#ifndef BSD_ROUTE_H
#define BSD_ROUTE_H

#include "bsd_numbers.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { RTM_GET_ = 4, RTM_ADD_ = 1, RTM_DELETE_ = 2, RTM_NEWADDR_ = 0xc, RTM_DELADDR_ = 0xd, RTM_IFINFO_ = 0xe, RTM_IFANNOUNCE_ = 0x11 };
enum { IF_MSGHDR = 168, IFA_MSGHDR = 20, RT_MSGHDR = 152, IF_ANNOUNCE = 24 };

/* macOS does not announce interfaces: one that goes is told of as down. */
#ifdef AS_MACOS
enum { ANNOUNCES = 0, RT_HEADER = 92, RT_ALIGN = 4 };
#else
enum { ANNOUNCES = 1, RT_HEADER = 152, RT_ALIGN = 8 };
#endif

struct route_feed {
  int netlink, out;
  uint8_t known[1 << 16]; /* indexes of interfaces that were told of */
};

static void route_put16(uint8_t *message, size_t at, unsigned int value) {
  uint16_t number = (uint16_t)value;
  memcpy(message + at, &number, sizeof number);
}

static void route_tell(const struct route_feed *feed, uint8_t *message, size_t length, int type) {
  route_put16(message, 0, (unsigned int)length);
  message[2] = 5; /* RTM_VERSION */
  message[3] = (uint8_t)type;
  if (send(feed->out, message, length, MSG_NOSIGNAL) < 0) perror("route_tell");
}

static void route_announce(const struct route_feed *feed, const struct ifinfomsg *link, const char *name, int departs) {
  uint8_t message[IF_ANNOUNCE] = {0};
  route_put16(message, 4, (unsigned int)link->ifi_index);
  snprintf((char *)message + 6, 16, "%s", name);
  route_put16(message, 22, (unsigned int)departs);
  route_tell(feed, message, sizeof message, RTM_IFANNOUNCE_);
}

static void route_link(struct route_feed *feed, struct nlmsghdr *header) {
  struct ifinfomsg *link = NLMSG_DATA(header);
  int length = (int)IFLA_PAYLOAD(header);
  const char *name = "";
  for (struct rtattr *a = IFLA_RTA(link); RTA_OK(a, length); a = RTA_NEXT(a, length))
    if (a->rta_type == IFLA_IFNAME) name = RTA_DATA(a);
  uint8_t *known = &feed->known[link->ifi_index & 0xffff];
  int gone = header->nlmsg_type == RTM_DELLINK;
  int flags = gone ? 0 : (int)(link->ifi_flags & 0xffff);
  if (ANNOUNCES && (gone || !*known)) route_announce(feed, link, name, gone);
  *known = (uint8_t)!gone;
  if (gone && ANNOUNCES) return;
  uint8_t message[IF_MSGHDR] = {0};
  memcpy(message + 8, &flags, sizeof flags);
  route_put16(message, 12, (unsigned int)link->ifi_index);
  if (ANNOUNCES) message[20] = (flags & IFF_RUNNING) != 0 ? 2 : 1; /* FreeBSD's LINK_STATE_UP, LINK_STATE_DOWN */
  route_tell(feed, message, sizeof message, RTM_IFINFO_);
}

static void route_address(const struct route_feed *feed, struct nlmsghdr *header) {
  const struct ifaddrmsg *address = NLMSG_DATA(header);
  uint8_t message[IFA_MSGHDR] = {0};
  route_put16(message, 12, address->ifa_index);
  route_tell(feed, message, sizeof message, header->nlmsg_type == RTM_NEWADDR ? RTM_NEWADDR_ : RTM_DELADDR_);
}

static void route_route(const struct route_feed *feed, struct nlmsghdr *header) {
  struct rtmsg *route = NLMSG_DATA(header);
  int length = (int)RTM_PAYLOAD(header);
  uint8_t message[RT_MSGHDR] = {0};
  for (struct rtattr *a = RTM_RTA(route); RTA_OK(a, length); a = RTA_NEXT(a, length))
    if (a->rta_type == RTA_OIF) route_put16(message, 4, *(unsigned int *)RTA_DATA(a));
  message[8] = 1; /* RTF_UP */
  route_tell(feed, message, sizeof message, header->nlmsg_type == RTM_NEWROUTE ? RTM_ADD_ : RTM_DELETE_);
}

/* What Linux says of the way there: the gateway's bytes, 0: none. */
static size_t route_gateway(const struct sockaddr_storage *to, uint8_t gateway[16]) {
  int six = to->ss_family == AF_INET6, length = six ? 16 : 4;
  const uint8_t *address = six ? ((const struct sockaddr_in6 *)to)->sin6_addr.s6_addr : (const uint8_t *)&((const struct sockaddr_in *)to)->sin_addr;
  struct {
    struct nlmsghdr header;
    struct rtmsg route;
    struct rtattr attribute;
    uint8_t address[16];
  } question = {.header = {.nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof(struct rtmsg)) + RTA_LENGTH((size_t)length)), .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST},
                .route = {.rtm_family = (unsigned char)to->ss_family, .rtm_dst_len = (unsigned char)(length * 8)},
                .attribute = {.rta_len = (unsigned short)RTA_LENGTH((size_t)length), .rta_type = RTA_DST}};
  memcpy(question.address, address, (size_t)length);
  char answer[4096] __attribute__((aligned(8)));
  int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  ssize_t got = netlink < 0 || send(netlink, &question, question.header.nlmsg_len, 0) < 0 ? -1 : recv(netlink, answer, sizeof answer, 0);
  close(netlink);
  struct nlmsghdr *h = (struct nlmsghdr *)answer;
  if (got < 0 || !NLMSG_OK(h, got) || h->nlmsg_type != RTM_NEWROUTE) return 0;
  int rest = (int)RTM_PAYLOAD(h);
  for (struct rtattr *a = RTM_RTA(NLMSG_DATA(h)); RTA_OK(a, rest); a = RTA_NEXT(a, rest))
    if (a->rta_type == RTA_GATEWAY) {
      memcpy(gateway, RTA_DATA(a), (size_t)length);
      return (size_t)length;
    }
  return 0;
}

static void route_translate(struct route_feed *feed, void *bytes, ssize_t length) {
  for (struct nlmsghdr *h = bytes; NLMSG_OK(h, length); h = NLMSG_NEXT(h, length)) {
    if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK) route_link(feed, h);
    else if (h->nlmsg_type == RTM_NEWADDR || h->nlmsg_type == RTM_DELADDR) route_address(feed, h);
    else if (h->nlmsg_type == RTM_NEWROUTE || h->nlmsg_type == RTM_DELROUTE) route_route(feed, h);
  }
}

/* Reads a question from the addon and answers RTM_GET; false: its end is closed. */
static int route_answer(int out) {
  uint8_t message[512];
  ssize_t length = recv(out, message, sizeof message, MSG_DONTWAIT);
  if (length <= 0) return length < 0 && errno == EAGAIN;
  int addresses;
  memcpy(&addresses, message + 12, sizeof addresses);
  if (length < RT_HEADER + 16 || message[2] != 5 || message[3] != RTM_GET_ || addresses != 1) return 1;
  struct sockaddr_storage to;
  uint8_t gateway[16];
  if (bsd_address_in(message + RT_HEADER, message[RT_HEADER], &to) == 0) return 1;
  size_t bytes = route_gateway(&to, gateway);
  int flags = bytes > 0 ? 0x3 : 0x1, both = 3, pid = getpid();
  memcpy(message + 8, &flags, sizeof flags);
  memcpy(message + 12, &both, sizeof both);
  memcpy(message + 16, &pid, sizeof pid);
  size_t at = RT_HEADER + (message[RT_HEADER] + RT_ALIGN - 1u) / RT_ALIGN * RT_ALIGN;
  memset(message + at, 0, 32);
  message[at] = bytes == 16 ? 28 : bytes == 4 ? 16 : 20;
  message[at + 1] = bytes == 16 ? BSD_INET6 : bytes == 4 ? 2 : BSD_LINK;
  memcpy(message + at + (bytes == 16 ? 8 : 4), gateway, bytes);
  size_t whole = at + (message[at] + RT_ALIGN - 1u) / RT_ALIGN * RT_ALIGN;
  route_put16(message, 0, (unsigned int)whole);
  return send(out, message, whole, MSG_NOSIGNAL) >= 0;
}

static void *route_run(void *data) {
  struct route_feed *feed = data;
  static _Thread_local char buffer[65536] __attribute__((aligned(8)));
  struct pollfd fds[2] = {{.fd = feed->netlink, .events = POLLIN}, {.fd = feed->out, .events = POLLIN}};
  while (poll(fds, 2, -1) >= 0) {
    if (fds[1].revents != 0 && !route_answer(feed->out)) break;
    ssize_t length = recv(feed->netlink, buffer, sizeof buffer, MSG_DONTWAIT);
    if (length > 0) route_translate(feed, buffer, length);
  }
  close(feed->netlink);
  close(feed->out);
  free(feed);
  return NULL;
}

static int route_open(void) {
  int ends[2];
  struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
  struct route_feed *feed = calloc(1, sizeof *feed);
  pthread_t thread;
  if (!feed || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) return -1;
  feed->out = ends[1];
  feed->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (bind(feed->netlink, (struct sockaddr *)&address, sizeof address) < 0) return -1;
  struct if_nameindex *all = if_nameindex();
  for (struct if_nameindex *one = all; one && one->if_index != 0; one += 1) feed->known[one->if_index & 0xffff] = 1;
  if_freenameindex(all);
  pthread_create(&thread, NULL, route_run, feed);
  pthread_detach(thread);
  return ends[0];
}

#endif
