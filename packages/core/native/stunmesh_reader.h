/* One thread in poll(2) per socket hands packets over to JavaScript through a bounded queue; a full queue leaves them to the kernel's buffer. */
#ifndef STUNMESH_READER_H
#define STUNMESH_READER_H

#include "stunmesh_socket.h"

#include <poll.h>
#include <signal.h>

#define SM_QUEUE_LENGTH 64
#define SM_STACK_BYTES (256 * 1024)

/* One delivery: a packet, or an error after which the reader waits for resume(). */
struct sm_delivery {
  int error;
  struct sm_origin origin;
  size_t length;
  uint8_t bytes[];
};

/* False once the queue is closing. */
static bool sm_deliver(struct sm_socket *s, int error, const struct sm_origin *origin, size_t length) {
  struct sm_delivery *d = malloc(sizeof *d + length);
  if (!d) return true;
  d->error = error;
  d->length = length;
  if (origin) d->origin = *origin;
  if (length > 0) memcpy(d->bytes, s->buffer, length);
  if (napi_call_threadsafe_function(s->queue, d, napi_tsfn_blocking) == napi_ok) return true;
  free(d);
  return false;
}

/* What poll(2) means by POLLERR without anything to read. */
static int sm_pending_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return errno;
  return error != 0 ? error : EIO;
}

static void *sm_read_loop(void *data) {
  struct sm_socket *s = data;
  struct pollfd fds[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->wake_read, .events = POLLIN}};
  while (!atomic_load(&s->stop)) {
    if (poll(fds, 2, -1) < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return NULL;
    }
    if (fds[1].revents != 0) {
      uint8_t bytes[16];
      while (read(s->wake_read, bytes, sizeof bytes) > 0) {
      }
      fds[0].fd = s->fd;
      continue;
    }
    if (fds[0].revents == 0) continue;
    struct sm_origin origin;
    ssize_t length = s->receive(s->fd, s->buffer, s->buffer_size, &origin);
    if (length >= 0) {
      if (sm_limit_takes(&s->limit, s->buffer, (size_t)length) && !sm_deliver(s, 0, &origin, (size_t)length)) return NULL;
      continue;
    }
    int error = errno;
    if (error == EAGAIN || error == EWOULDBLOCK) {
      if ((fds[0].revents & (POLLERR | POLLHUP | POLLNVAL)) == 0) continue;
      error = sm_pending_error(s->fd);
    }
    /* A negative descriptor is skipped by poll(2): an error that lasts must not spin. */
    fds[0].fd = -1;
    if (!sm_deliver(s, error, NULL, 0)) return NULL;
  }
  return NULL;
}

static void sm_wake(struct sm_socket *s) {
  while (write(s->wake_write, "w", 1) < 0 && errno == EINTR) {
  }
}

static void sm_call_listener(napi_env env, napi_value listener, struct sm_delivery *d) {
  napi_value v[5], receiver;
  if (napi_get_undefined(env, &receiver) != napi_ok) return;
  for (int i = 0; i < 5; i += 1) v[i] = receiver;
  if (d->error != 0) {
    v[0] = sm_make_error(env, d->error, "recvmsg");
    if (!v[0]) return;
  } else {
    v[1] = sm_copy(env, d->bytes, d->length);
    v[2] = sm_copy(env, d->origin.from, d->origin.from_length);
    v[3] = sm_copy(env, d->origin.to, d->origin.to_length);
    if (!v[1] || !v[2] || !v[3] || napi_create_uint32(env, d->origin.interface, &v[4]) != napi_ok) return;
  }
  napi_call_function(env, receiver, listener, 5, v, NULL);
}

/* What the listener threw is uncaught: it must not stay pending. */
static void sm_pass_exception(napi_env env) {
  bool pending = false;
  napi_value exception;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending &&
      napi_get_and_clear_last_exception(env, &exception) == napi_ok)
    napi_fatal_exception(env, exception);
}

/* On the JavaScript thread; without env when the queue is thrown away. */
static void sm_on_delivery(napi_env env, napi_value listener, void *context, void *data) {
  struct sm_delivery *d = data;
  (void)context;
  if (env && listener) {
    sm_call_listener(env, listener, d);
    sm_pass_exception(env);
  }
  free(d);
}

static void sm_on_queue_gone(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  sm_release(data);
}

static void sm_on_env_end(void *data) {
  sm_close_socket(data);
}

static void sm_close_pipe(struct sm_socket *s) {
  if (s->wake_read >= 0) close(s->wake_read);
  if (s->wake_write >= 0) close(s->wake_write);
  s->wake_read = s->wake_write = -1;
  free(s->buffer);
  s->buffer = NULL;
}

static void sm_stop_reader(struct sm_socket *s) {
  if (!s->queue) return;
  napi_remove_env_cleanup_hook(s->env, sm_on_env_end, s);
  atomic_store(&s->stop, 1);
  /* The abort frees a thread that waits for room in the queue; the pipe one that waits in poll(2). */
  napi_release_threadsafe_function(s->queue, napi_tsfn_abort);
  sm_wake(s);
  pthread_join(s->thread, NULL);
  s->queue = NULL;
  napi_delete_reference(s->env, s->self);
  s->self = NULL;
  sm_close_pipe(s);
}

static int sm_open_pipe(struct sm_socket *s) {
  int ends[2];
#ifdef __linux__
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return errno;
#else
  if (pipe(ends) < 0) return errno;
#endif
  s->wake_read = ends[0];
  s->wake_write = ends[1];
#ifndef __linux__
  if (sm_tame(ends[0]) < 0 || sm_tame(ends[1]) < 0) return errno;
#endif
  return 0;
}

/* Signals belong to Node's own threads. */
static int sm_start_thread(struct sm_socket *s, void *(*run)(void *)) {
  pthread_attr_t attributes;
  sigset_t all, before;
  int error = pthread_attr_init(&attributes);
  if (error) return error;
  pthread_attr_setstacksize(&attributes, SM_STACK_BYTES);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(&s->thread, &attributes, run, s);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return error;
}

/* Begins `run` in a thread of its own; what it puts into the queue goes to `on_delivery`. Errors: pipe, malloc, pthread_create */
static napi_value sm_start_reader(napi_env env, napi_value object, struct sm_socket *s, size_t size, napi_value listener,
                                  void *(*run)(void *), napi_threadsafe_function_call_js on_delivery) {
  napi_value name;
  if (s->queue) return sm_throw(env, EBUSY, "poll");
  SM_CALL(env, napi_create_string_utf8(env, "stunmesh_capture", NAPI_AUTO_LENGTH, &name));
  int error = sm_open_pipe(s);
  s->buffer_size = size;
  s->buffer = error ? NULL : malloc(size > 0 ? size : 1);
  if (!s->buffer) {
    sm_close_pipe(s);
    return sm_throw(env, error ? error : ENOMEM, error ? "pipe" : "malloc");
  }
  atomic_store(&s->stop, 0);
  napi_threadsafe_function queue;
  if (napi_create_threadsafe_function(env, listener, NULL, name, SM_QUEUE_LENGTH, 1, s, sm_on_queue_gone, s, on_delivery,
                                      &queue) != napi_ok) {
    sm_close_pipe(s);
    return sm_throw_usage(env, "stunmesh_capture: the listener is not a function");
  }
  s->references += 1;
  s->queue = queue;
  s->stop_reader = sm_stop_reader;
  error = napi_create_reference(env, object, 1, &s->self) == napi_ok ? sm_start_thread(s, run) : ENOMEM;
  if (error) {
    s->queue = NULL;
    napi_release_threadsafe_function(queue, napi_tsfn_abort);
    if (s->self) napi_delete_reference(env, s->self);
    s->self = NULL;
    sm_close_pipe(s);
    return sm_throw(env, error, "pthread_create");
  }
  /* After the queue's own hook, so that it runs before it: the thread ends while the queue still stands. */
  napi_add_env_cleanup_hook(env, sm_on_env_end, s);
  return NULL;
}

/* start(socket, size, listener(error, packet, from, to, interface)): reads from now on. Errors: as sm_start_reader */
static napi_value sm_start(napi_env env, napi_callback_info info) {
  napi_value v[3];
  uint32_t size;
  if (!sm_arguments(env, info, 3, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "poll");
  if (!s) return NULL;
  SM_CALL(env, napi_get_value_uint32(env, v[1], &size));
  return sm_start_reader(env, v[0], s, size, v[2], sm_read_loop, sm_on_delivery);
}

/* limit(socket, perSecond, value, offsets: Uint8Array): packets with this 16-bit value at one of the offsets. Errors: EBUSY with a reader running, EINVAL */
static napi_value sm_set_limit(napi_env env, napi_callback_info info) {
  napi_value v[4];
  uint32_t per_second, value;
  uint8_t *offsets;
  size_t count;
  if (!sm_arguments(env, info, 4, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "limit");
  if (!s) return NULL;
  SM_CALL(env, napi_get_value_uint32(env, v[1], &per_second));
  SM_CALL(env, napi_get_value_uint32(env, v[2], &value));
  if (!sm_bytes(env, v[3], &offsets, &count)) return NULL;
  if (s->queue) return sm_throw(env, EBUSY, "limit");
  if (count > SM_LIMIT_OFFSETS || value > 0xffff) return sm_throw(env, EINVAL, "limit");
  memset(&s->limit, 0, sizeof s->limit);
  s->limit.per_second = per_second;
  s->limit.value = (uint16_t)value;
  s->limit.count = (uint32_t)count;
  if (count > 0) memcpy(s->limit.offsets, offsets, count);
  return NULL;
}

/* resume(socket): reads on after an error. */
static napi_value sm_resume(napi_env env, napi_callback_info info) {
  napi_value v[1];
  if (!sm_arguments(env, info, 1, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "poll");
  if (s && s->queue) sm_wake(s);
  return NULL;
}

#endif
