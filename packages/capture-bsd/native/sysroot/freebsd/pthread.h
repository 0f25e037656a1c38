/* pthread.h of FreeBSD: handles are pointers. */
#pragma once
#include <stddef.h>
typedef struct pthread *pthread_t;
typedef struct pthread_attr *pthread_attr_t;
int pthread_attr_init(pthread_attr_t *);
int pthread_attr_destroy(pthread_attr_t *);
int pthread_attr_setstacksize(pthread_attr_t *, size_t);
int pthread_create(pthread_t *restrict, const pthread_attr_t *restrict, void *(*)(void *), void *restrict);
int pthread_join(pthread_t, void **);
