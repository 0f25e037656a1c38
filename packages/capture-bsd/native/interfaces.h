/* listInterfaces(): getifaddrs(3) as objects, with FreeBSD's interface groups. */
#ifndef STUNMESH_INTERFACES_H
#define STUNMESH_INTERFACES_H

#include "stunmesh_socket.h"

#include <ifaddrs.h>
#ifdef __linux__
#include <netpacket/packet.h>
#else
#include <net/if_dl.h>
#endif
#ifdef __FreeBSD__
#include <sys/ioctl.h>
#include <sys/sockio.h>
#endif

/* The type in a link-level address; 0 for other families. */
static uint32_t sm_link_type(const struct sockaddr *address) {
#ifdef __linux__
  return address->sa_family == AF_PACKET ? ((const struct sockaddr_ll *)address)->sll_hatype : 0;
#else
  return address->sa_family == AF_LINK ? ((const struct sockaddr_dl *)address)->sdl_type : 0;
#endif
}

/* Fills `array` with the groups that the interface is in; none where there are no groups. */
static bool sm_add_groups(napi_env env, napi_value array, int control, const char *name) {
#ifdef __FreeBSD__
  struct ifgroupreq request;
  memset(&request, 0, sizeof request);
  strncpy(request.ifgr_name, name, sizeof request.ifgr_name - 1);
  if (control < 0 || ioctl(control, SIOCGIFGROUP, &request) < 0 || request.ifgr_len == 0) return true;
  struct ifg_req *groups = calloc(1, request.ifgr_len);
  if (!groups) return true;
  request.ifgr_groups = groups;
  bool good = true;
  if (ioctl(control, SIOCGIFGROUP, &request) == 0)
    for (uint32_t i = 0; good && i < request.ifgr_len / sizeof *groups; i += 1) {
      napi_value text;
      groups[i].ifgrq_group[IFNAMSIZ - 1] = '\0';
      good = napi_create_string_utf8(env, groups[i].ifgrq_group, NAPI_AUTO_LENGTH, &text) == napi_ok &&
             napi_set_element(env, array, i, text) == napi_ok;
    }
  free(groups);
  return good;
#else
  (void)env;
  (void)array;
  (void)control;
  (void)name;
  return true;
#endif
}

static bool sm_is_first(const struct ifaddrs *all, const struct ifaddrs *one) {
  for (; all != one; all = all->ifa_next)
    if (strcmp(all->ifa_name, one->ifa_name) == 0) return false;
  return true;
}

/* The object of the interface that `first` is the first entry of; NULL when Node-API fails. */
static napi_value sm_interface_object(napi_env env, const struct ifaddrs *first, int control) {
  napi_value object, name, index, flags, type, groups, addresses;
  uint32_t link_type = 0, count = 0;
  if (napi_create_array(env, &addresses) != napi_ok || napi_create_array(env, &groups) != napi_ok) return NULL;
  for (const struct ifaddrs *one = first; one; one = one->ifa_next) {
    if (!one->ifa_addr || strcmp(one->ifa_name, first->ifa_name) != 0) continue;
    if (link_type == 0) link_type = sm_link_type(one->ifa_addr);
    int family = one->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    size_t length = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    napi_value bytes = sm_copy(env, (const uint8_t *)one->ifa_addr, length);
    if (!bytes || napi_set_element(env, addresses, count, bytes) != napi_ok) return NULL;
    count += 1;
  }
  bool good = sm_add_groups(env, groups, control, first->ifa_name) && napi_create_object(env, &object) == napi_ok &&
              napi_create_string_utf8(env, first->ifa_name, NAPI_AUTO_LENGTH, &name) == napi_ok &&
              napi_create_uint32(env, if_nametoindex(first->ifa_name), &index) == napi_ok &&
              napi_create_uint32(env, first->ifa_flags, &flags) == napi_ok &&
              napi_create_uint32(env, link_type, &type) == napi_ok &&
              napi_set_named_property(env, object, "name", name) == napi_ok &&
              napi_set_named_property(env, object, "index", index) == napi_ok &&
              napi_set_named_property(env, object, "flags", flags) == napi_ok &&
              napi_set_named_property(env, object, "type", type) == napi_ok &&
              napi_set_named_property(env, object, "groups", groups) == napi_ok &&
              napi_set_named_property(env, object, "addresses", addresses) == napi_ok;
  return good ? object : NULL;
}

/* listInterfaces(): objects as src/native.ts has them. Errors: getifaddrs */
static napi_value sm_list_interfaces(napi_env env, napi_callback_info info) {
  struct ifaddrs *all;
  napi_value result;
  (void)info;
  SM_CALL(env, napi_create_array(env, &result));
  if (getifaddrs(&all) < 0) return sm_throw(env, errno, "getifaddrs");
  int control = -1;
#ifdef __FreeBSD__
  control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
#endif
  uint32_t count = 0;
  bool good = true;
  for (const struct ifaddrs *one = all; good && one; one = one->ifa_next) {
    if (!sm_is_first(all, one)) continue;
    napi_value object = sm_interface_object(env, one, control);
    good = object && napi_set_element(env, result, count, object) == napi_ok;
    count += 1;
  }
  if (control >= 0) close(control);
  freeifaddrs(all);
  return good ? result : sm_throw_usage(env, "stunmesh_capture: no objects for the interfaces");
}

#endif
