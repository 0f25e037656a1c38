/* sys/time.h of macOS */
#pragma once
#include <sys/types.h>
struct timeval {
  time_t tv_sec;
  int32_t tv_usec;
};
struct timeval32 {
  int32_t tv_sec, tv_usec;
};
