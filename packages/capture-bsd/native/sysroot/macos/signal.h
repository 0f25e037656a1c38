/* signal.h of macOS */
#pragma once
#include <stdint.h>
typedef uint32_t sigset_t;
#define SIG_SETMASK 3
int sigfillset(sigset_t *);
int pthread_sigmask(int, const sigset_t *restrict, sigset_t *restrict);
