/* poll.h */
#pragma once
typedef unsigned int nfds_t;
struct pollfd {
  int fd;
  short events, revents;
};
int poll(struct pollfd[], nfds_t, int);
#define POLLIN 0x0001
#define POLLERR 0x0008
#define POLLHUP 0x0010
#define POLLNVAL 0x0020
