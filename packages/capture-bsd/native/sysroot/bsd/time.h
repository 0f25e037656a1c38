/* time.h */
#pragma once
#include <sys/types.h>
#ifdef __APPLE__
#define CLOCK_MONOTONIC 6
#else
#define CLOCK_MONOTONIC 4
#endif
struct timespec {
  time_t tv_sec;
  long tv_nsec;
};
int clock_gettime(int, struct timespec *);
