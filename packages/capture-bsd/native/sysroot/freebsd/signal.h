/* signal.h of FreeBSD */
#pragma once
#include <stdint.h>
typedef struct {
  uint32_t bits[4];
} sigset_t;
#define SIG_SETMASK 3
int sigfillset(sigset_t *);
int pthread_sigmask(int, const sigset_t *restrict, sigset_t *restrict);
