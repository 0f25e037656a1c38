/* The methods of the addon for /dev/bpf: arguments in, one step of the core, errors out. */
#ifndef STUNMESH_BPF_METHODS_H
#define STUNMESH_BPF_METHODS_H

#include "bpf_device.h"
#include "bpf_reader.h"
#include "stunmesh_module.h"

/* The addon of the tests has another one. */
#ifndef BPF_SYSTEM
#define BPF_SYSTEM (&bpf_real_system)
#endif

static napi_value bpf_result(napi_env env, int error, const char *syscall) {
  return error == 0 ? NULL : sm_throw(env, error, syscall);
}

/* openBpf(): the object of a new device. Errors: open */
static napi_value bpf_js_open(napi_env env, napi_callback_info info) {
  int fd;
  (void)info;
  int error = bpf_open(BPF_SYSTEM, &fd);
  if (error) return sm_throw(env, error, "open");
  return sm_wrap_descriptor(env, fd, sm_receive_message);
}

/* setBpfBuffer(bpf, bytes): number. Errors: BIOCSBLEN */
static napi_value bpf_js_set_buffer(napi_env env, napi_callback_info info) {
  napi_value v[2], result;
  uint32_t bytes;
  if (!sm_arguments(env, info, 2, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "BIOCSBLEN");
  if (!s) return NULL;
  SM_CALL(env, napi_get_value_uint32(env, v[1], &bytes));
  int error = bpf_set_buffer(BPF_SYSTEM, s->fd, &bytes);
  if (error) return sm_throw(env, error, "BIOCSBLEN");
  SM_CALL(env, napi_create_uint32(env, bytes, &result));
  return result;
}

/* setBpfImmediate(bpf). Errors: BIOCIMMEDIATE */
static napi_value bpf_js_set_immediate(napi_env env, napi_callback_info info) {
  napi_value v[1];
  if (!sm_arguments(env, info, 1, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "BIOCIMMEDIATE");
  return s ? bpf_result(env, bpf_set_immediate(BPF_SYSTEM, s->fd), "BIOCIMMEDIATE") : NULL;
}

/* Both ways to set a filter differ in the request alone. */
static napi_value bpf_with_filter(napi_env env, napi_callback_info info, const char *syscall,
                                  int (*set)(const struct bpf_system *, int, const uint8_t *, size_t)) {
  napi_value v[2];
  uint8_t *bytes;
  size_t length;
  if (!sm_arguments(env, info, 2, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], syscall);
  if (!s || !sm_bytes(env, v[1], &bytes, &length)) return NULL;
  return bpf_result(env, set(BPF_SYSTEM, s->fd, bytes, length), syscall);
}

/* setBpfFilter(bpf, program: Uint8Array of struct bpf_insn). Errors: BIOCSETF */
static napi_value bpf_js_set_filter(napi_env env, napi_callback_info info) {
  return bpf_with_filter(env, info, "BIOCSETF", bpf_set_filter);
}

/* replaceBpfFilter(bpf, program: Uint8Array of struct bpf_insn). Errors: BIOCSETFNR */
static napi_value bpf_js_replace_filter(napi_env env, napi_callback_info info) {
  return bpf_with_filter(env, info, "BIOCSETFNR", bpf_replace_filter);
}

/* attachBpf(bpf, interfaceName). Errors: BIOCSETIF */
static napi_value bpf_js_attach(napi_env env, napi_callback_info info) {
  napi_value v[2];
  char name[IF_NAMESIZE + 1];
  size_t length;
  if (!sm_arguments(env, info, 2, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "BIOCSETIF");
  if (!s) return NULL;
  SM_CALL(env, napi_get_value_string_utf8(env, v[1], name, sizeof name, &length));
  return bpf_result(env, bpf_attach(BPF_SYSTEM, s->fd, name), "BIOCSETIF");
}

/* setBpfIncoming(bpf). Errors: BIOCSDIRECTION */
static napi_value bpf_js_set_incoming(napi_env env, napi_callback_info info) {
  napi_value v[1];
  if (!sm_arguments(env, info, 1, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "BIOCSDIRECTION");
  return s ? bpf_result(env, bpf_set_incoming(BPF_SYSTEM, s->fd), "BIOCSDIRECTION") : NULL;
}

/* bpfDataLink(bpf): number. Errors: BIOCGDLT */
static napi_value bpf_js_data_link(napi_env env, napi_callback_info info) {
  napi_value v[1], result;
  uint32_t type;
  if (!sm_arguments(env, info, 1, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "BIOCGDLT");
  if (!s) return NULL;
  int error = bpf_data_link(BPF_SYSTEM, s->fd, &type);
  if (error) return sm_throw(env, error, "BIOCGDLT");
  SM_CALL(env, napi_create_uint32(env, type, &result));
  return result;
}

/* bpfStatistics(bpf): {received, dropped}. Errors: BIOCGSTATS */
static napi_value bpf_js_statistics(napi_env env, napi_callback_info info) {
  napi_value v[1], received, dropped, result;
  struct bpf_stat statistics;
  if (!sm_arguments(env, info, 1, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "BIOCGSTATS");
  if (!s) return NULL;
  int error = bpf_statistics(BPF_SYSTEM, s->fd, &statistics);
  if (error) return sm_throw(env, error, "BIOCGSTATS");
  SM_CALL(env, napi_create_uint32(env, statistics.bs_recv, &received));
  SM_CALL(env, napi_create_uint32(env, statistics.bs_drop, &dropped));
  SM_CALL(env, napi_create_object(env, &result));
  SM_CALL(env, napi_set_named_property(env, result, "received", received));
  SM_CALL(env, napi_set_named_property(env, result, "dropped", dropped));
  return result;
}

/* One delivery: an error, or a frame. */
struct bpf_delivery {
  int error;
  uint32_t wire_length;
  size_t length;
  uint8_t bytes[];
};

/* On the reader's thread. */
static bool bpf_deliver(void *context, int error, const uint8_t *frame, size_t length, uint32_t wire_length) {
  struct sm_socket *s = context;
  if (error == 0 && !sm_limit_takes(&s->limit, frame, length)) return true;
  struct bpf_delivery *d = malloc(sizeof *d + length);
  if (!d) return true;
  d->error = error;
  d->wire_length = wire_length;
  d->length = length;
  if (length > 0) memcpy(d->bytes, frame, length);
  if (napi_call_threadsafe_function(s->queue, d, napi_tsfn_blocking) == napi_ok) return true;
  free(d);
  return false;
}

static void *bpf_run(void *data) {
  struct sm_socket *s = data;
  struct bpf_reader reader = {.system = BPF_SYSTEM,
                              .fd = s->fd,
                              .wake = s->wake_read,
                              .buffer = s->buffer,
                              .size = s->buffer_size,
                              .stop = &s->stop,
                              .deliver = bpf_deliver,
                              .context = s};
  bpf_read_loop(&reader);
  return NULL;
}

static void bpf_call_listener(napi_env env, napi_value listener, const struct bpf_delivery *d) {
  napi_value v[3], receiver;
  if (napi_get_undefined(env, &receiver) != napi_ok) return;
  v[0] = v[1] = v[2] = receiver;
  if (d->error != 0) {
    v[0] = sm_make_error(env, d->error, "read");
    if (!v[0]) return;
  } else {
    v[1] = sm_copy(env, d->bytes, d->length);
    if (!v[1] || napi_create_uint32(env, d->wire_length, &v[2]) != napi_ok) return;
  }
  napi_call_function(env, receiver, listener, 3, v, NULL);
}

/* On the JavaScript thread; without env when the queue is thrown away. */
static void bpf_on_delivery(napi_env env, napi_value listener, void *context, void *data) {
  (void)context;
  if (env && listener) {
    bpf_call_listener(env, listener, data);
    sm_pass_exception(env);
  }
  free(data);
}

/* startFrames(bpf, listener(error, frame, wireLength)): reads from now on. Errors: BIOCGBLEN, as sm_start_reader */
static napi_value bpf_js_start(napi_env env, napi_callback_info info) {
  napi_value v[2];
  uint32_t size;
  if (!sm_arguments(env, info, 2, v)) return NULL;
  struct sm_socket *s = sm_unwrap(env, v[0], "read");
  if (!s) return NULL;
  int error = bpf_buffer(BPF_SYSTEM, s->fd, &size);
  if (error) return sm_throw(env, error, "BIOCGBLEN");
  return sm_start_reader(env, v[0], s, size, v[1], bpf_run, bpf_on_delivery);
}

static const struct sm_method bpf_methods[] = {
    {"openBpf", bpf_js_open},
    {"setBpfBuffer", bpf_js_set_buffer},
    {"setBpfImmediate", bpf_js_set_immediate},
    {"setBpfFilter", bpf_js_set_filter},
    {"replaceBpfFilter", bpf_js_replace_filter},
    {"attachBpf", bpf_js_attach},
    {"setBpfIncoming", bpf_js_set_incoming},
    {"bpfDataLink", bpf_js_data_link},
    {"bpfStatistics", bpf_js_statistics},
    {"startFrames", bpf_js_start},
};

#endif
