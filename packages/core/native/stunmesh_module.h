/* Puts methods and numbers on an addon's exports. */
#ifndef STUNMESH_MODULE_H
#define STUNMESH_MODULE_H

#include "stunmesh_calls.h"
#include "stunmesh_reader.h"

struct sm_method {
  const char *name;
  napi_callback call;
};

struct sm_constant {
  const char *name;
  int32_t value;
};

/* What every platform's addon has. */
static const struct sm_method sm_shared_methods[] = {
    {"open", sm_open},
    {"setOption", sm_set_option},
    {"bind", sm_bind},
    {"connect", sm_connect},
    {"localAddress", sm_local_address},
    {"send", sm_send},
    {"drain", sm_drain},
    {"receive", sm_receive_now},
    {"limit", sm_set_limit},
    {"start", sm_start},
    {"resume", sm_resume},
    {"release", sm_release_descriptor},
    {"close", sm_close},
    {"interfaceIndex", sm_interface_index},
    {"interfaceName", sm_interface_name},
};

static bool sm_add_methods(napi_env env, napi_value exports, const struct sm_method *methods, size_t count) {
  for (size_t i = 0; i < count; i += 1) {
    napi_value function;
    if (napi_create_function(env, methods[i].name, NAPI_AUTO_LENGTH, methods[i].call, NULL, &function) != napi_ok ||
        napi_set_named_property(env, exports, methods[i].name, function) != napi_ok)
      return false;
  }
  return true;
}

/* `exports.constants`: numbers that differ between architectures and systems. */
static bool sm_add_constants(napi_env env, napi_value exports, const struct sm_constant *constants, size_t count) {
  napi_value object, value;
  if (napi_create_object(env, &object) != napi_ok) return false;
  for (size_t i = 0; i < count; i += 1)
    if (napi_create_int32(env, constants[i].value, &value) != napi_ok ||
        napi_set_named_property(env, object, constants[i].name, value) != napi_ok)
      return false;
  return napi_set_named_property(env, exports, "constants", object) == napi_ok;
}

#define SM_COUNT(array) (sizeof(array) / sizeof(array)[0])

#endif
