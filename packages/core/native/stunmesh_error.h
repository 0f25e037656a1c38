/* Error objects for JavaScript: `code` (the errno's name), `errno` (negative, as Node has it), `syscall`. */
#ifndef STUNMESH_ERROR_H
#define STUNMESH_ERROR_H

#include <errno.h>
#include <node_api.h>
#include <stdio.h>
#include <string.h>

#define SM_ERRNO_NAMES(X)                                                                                              \
  X(EACCES) X(EADDRINUSE) X(EADDRNOTAVAIL) X(EAFNOSUPPORT) X(EAGAIN) X(EBADF) X(EBUSY) X(ECONNREFUSED)                \
  X(EDESTADDRREQ) X(EFAULT) X(EHOSTDOWN) X(EHOSTUNREACH) X(EINTR) X(EINVAL) X(EIO) X(EISCONN) X(EMFILE) X(EMSGSIZE)   \
  X(ENETDOWN) X(ENETUNREACH) X(ENFILE) X(ENOBUFS) X(ENODEV) X(ENOENT) X(ENOMEM) X(ENOPROTOOPT) X(ENOTCONN) X(ENXIO)   \
  X(ENOTSOCK) X(ENOTTY) X(EOPNOTSUPP) X(EPERM) X(EPIPE) X(EPROTO) X(EPROTONOSUPPORT) X(EPROTOTYPE) X(ESOCKTNOSUPPORT) X(ETIMEDOUT)

static const char *sm_errno_name(int error, char spare[32]) {
  switch (error) {
#define X(name)                                                                                                        \
  case name:                                                                                                           \
    return #name;
    SM_ERRNO_NAMES(X)
#undef X
#ifdef ENOKEY /* WireGuard: no peer for this address */
  case ENOKEY:
    return "ENOKEY";
#endif
  default:
    snprintf(spare, 32, "ERRNO_%d", error);
    return spare;
  }
}

/* A new Error object, or NULL when even that failed (an exception is then pending). */
static napi_value sm_make_error(napi_env env, int error, const char *syscall) {
  char spare[32], text[160];
  const char *name = sm_errno_name(error, spare);
  snprintf(text, sizeof text, "%s: %s (%s)", syscall, name, strerror(error));
  napi_value message, code, number, call, result;
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) != napi_ok ||
      napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &code) != napi_ok ||
      napi_create_error(env, code, message, &result) != napi_ok ||
      napi_create_int32(env, -error, &number) != napi_ok ||
      napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &call) != napi_ok ||
      napi_set_named_property(env, result, "errno", number) != napi_ok ||
      napi_set_named_property(env, result, "syscall", call) != napi_ok)
    return NULL;
  return result;
}

/* Throws; always NULL, so that a method can `return sm_throw(...)`. */
static napi_value sm_throw(napi_env env, int error, const char *syscall) {
  napi_value value = sm_make_error(env, error, syscall);
  if (value) napi_throw(env, value);
  return NULL;
}

static napi_value sm_throw_usage(napi_env env, const char *message) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && !pending) napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return NULL;
}

/* Leaves the method when a Node-API call failed. */
#define SM_CALL(env, call)                                                                                             \
  do {                                                                                                                 \
    if ((call) != napi_ok) return sm_throw_usage((env), "stunmesh_capture: wrong arguments");                          \
  } while (0)

#endif
