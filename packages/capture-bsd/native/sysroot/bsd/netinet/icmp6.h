/* netinet/icmp6.h */
#pragma once
#define ICMP6_FILTER 18
