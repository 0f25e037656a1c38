/* A descriptor as a JavaScript object, and bytes and errors to and from JavaScript. */
#ifndef STUNMESH_SOCKET_H
#define STUNMESH_SOCKET_H

#include "stunmesh_error.h"
#include "stunmesh_limit.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* Where a packet came from and how it arrived, as far as the kernel said so. */
struct sm_origin {
  uint32_t interface; /* index; 0: unknown */
  uint32_t from_length;
  uint32_t to_length;
  uint8_t from[sizeof(struct sockaddr_storage)];
  uint8_t to[16];
};

/* Reads one packet without waiting: its length, or -1 and errno. */
typedef ssize_t (*sm_receive)(int fd, uint8_t *buffer, size_t size, struct sm_origin *origin);

struct sm_socket {
  napi_env env;
  int fd; /* -1: closed */
  int references; /* the JavaScript object, and the threadsafe function while there is one */
  sm_receive receive;
  /* The reader (stunmesh_reader.h), and what stops it; NULL: there was none yet. */
  void (*stop_reader)(struct sm_socket *s);
  napi_threadsafe_function queue; /* NULL: not started, or closed */
  napi_ref self;                  /* keeps the JavaScript object while the reader runs */
  pthread_t thread;
  atomic_int stop;
  struct sm_limit limit; /* set before the thread is there, its own afterwards */
  int wake_read, wake_write;
  uint8_t *buffer;
  size_t buffer_size;
};

static const napi_type_tag sm_socket_tag = {0x73746e6d65736801ULL, 0x9c3fb2a17d5e4466ULL};

static void sm_release(struct sm_socket *s) {
  s->references -= 1;
  if (s->references == 0) free(s);
}

static void sm_close_socket(struct sm_socket *s) {
  if (s->stop_reader) s->stop_reader(s);
  if (s->fd >= 0) close(s->fd);
  s->fd = -1;
}

static void sm_finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  sm_close_socket(data);
  sm_release(data);
}

#ifndef __linux__
/* Close-on-exec and non-blocking, for systems whose socket(2) or pipe(2) takes no flags. */
static int sm_tame(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -1;
  return fcntl(fd, F_SETFD, FD_CLOEXEC);
}
#endif

/* The JavaScript object for a descriptor, which it owns from now on, also on failure. */
static napi_value sm_wrap_descriptor(napi_env env, int fd, sm_receive receive) {
  struct sm_socket *s = calloc(1, sizeof *s);
  if (!s) {
    close(fd);
    return sm_throw(env, ENOMEM, "calloc");
  }
  s->env = env;
  s->fd = fd;
  s->receive = receive;
  s->references = 1;
  s->wake_read = s->wake_write = -1;
  napi_value object;
  if (napi_create_object(env, &object) != napi_ok || napi_type_tag_object(env, object, &sm_socket_tag) != napi_ok ||
      napi_wrap(env, object, s, sm_finalize, NULL, NULL) != napi_ok) {
    sm_close_socket(s);
    sm_release(s);
    return sm_throw_usage(env, "stunmesh_capture: no object for the socket");
  }
  return object;
}

/* Arguments of a method; every one must be there. Returns false with an exception pending. */
static bool sm_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values) {
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, values, NULL, NULL) == napi_ok && given >= count) return true;
  sm_throw_usage(env, "stunmesh_capture: too few arguments");
  return false;
}

static struct sm_socket *sm_unwrap_any(napi_env env, napi_value value) {
  bool ours = false;
  napi_valuetype type;
  void *data = NULL;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_object &&
      napi_check_object_type_tag(env, value, &sm_socket_tag, &ours) == napi_ok && ours &&
      napi_unwrap(env, value, &data) == napi_ok)
    return data;
  sm_throw_usage(env, "stunmesh_capture: not a socket of this addon");
  return NULL;
}

/* An open socket, or NULL with EBADF or a TypeError pending. */
static struct sm_socket *sm_unwrap(napi_env env, napi_value value, const char *syscall) {
  struct sm_socket *s = sm_unwrap_any(env, value);
  if (s && s->fd < 0) {
    sm_throw(env, EBADF, syscall);
    return NULL;
  }
  return s;
}

static bool sm_bytes(napi_env env, napi_value value, uint8_t **bytes, size_t *length) {
  bool typed = false;
  napi_typedarray_type type;
  void *data = NULL;
  if (napi_is_typedarray(env, value, &typed) == napi_ok && typed &&
      napi_get_typedarray_info(env, value, &type, length, &data, NULL, NULL) == napi_ok && type == napi_uint8_array) {
    *bytes = data;
    return true;
  }
  sm_throw_usage(env, "stunmesh_capture: a Uint8Array is needed");
  return false;
}

/* A new Uint8Array with a copy of the bytes; NULL with an exception pending. */
static napi_value sm_copy(napi_env env, const uint8_t *bytes, size_t length) {
  void *data = NULL;
  napi_value buffer, array;
  SM_CALL(env, napi_create_arraybuffer(env, length, &data, &buffer));
  if (length > 0) memcpy(data, bytes, length);
  SM_CALL(env, napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, &array));
  return array;
}

#endif
