/* pthread.h of macOS: attributes are a structure of 64 bytes. */
#pragma once
#include <stddef.h>
typedef struct _opaque_pthread_t *pthread_t;
typedef struct {
  long signature;
  char opaque[56];
} pthread_attr_t;
int pthread_attr_init(pthread_attr_t *);
int pthread_attr_destroy(pthread_attr_t *);
int pthread_attr_setstacksize(pthread_attr_t *, size_t);
int pthread_create(pthread_t *restrict, const pthread_attr_t *restrict, void *(*)(void *), void *restrict);
int pthread_join(pthread_t, void **);
