/* sys/sockio.h of FreeBSD */
#pragma once
#include <net/if.h>
#include <sys/ioctl.h>
#define SIOCGIFGROUP _IOWR('i', 136, struct ifgroupreq)
