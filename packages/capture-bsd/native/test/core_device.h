/* Cases of a scripted /dev/bpf: opening, configuring, filters, and the limit of the reader. */
#ifndef CORE_DEVICE_H
#define CORE_DEVICE_H

#include "check.h"
#include "scripted.h"
#include "../../../core/native/stunmesh_limit.h"

static int fd;
static const struct bpf_system *const sys = &scripted_system;

static void opens_the_cloning_device(void) {
  static const struct scripted_path list[] = {{"/dev/bpf", 0}, {"/dev/bpf0", 0}, {NULL, 0}};
  paths = list;
  start_over();
  open_interrupts = 2;
  CHECK(bpf_open(sys, &fd) == 0 && fd == DEVICE);
  CHECK(strcmp(last_path, "/dev/bpf") == 0);
  CHECK(opens == 3);
  CHECK(last_flags == (O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

static void opens_the_first_free_numbered_device(void) {
  static const struct scripted_path list[] = {{"/dev/bpf0", EBUSY}, {"/dev/bpf1", EBUSY}, {"/dev/bpf2", 0}, {NULL, 0}};
  paths = list;
  start_over();
  CHECK(bpf_open(sys, &fd) == 0);
  CHECK(strcmp(last_path, "/dev/bpf2") == 0);
}

static void says_busy_when_all_devices_are_taken(void) {
  static const struct scripted_path list[] = {{"/dev/bpf0", EBUSY}, {"/dev/bpf1", EBUSY}, {NULL, 0}};
  paths = list;
  start_over();
  CHECK(bpf_open(sys, &fd) == EBUSY);
  CHECK(opens == 4);
}

static void a_busy_cloning_device_leads_to_the_numbered_ones(void) {
  static const struct scripted_path list[] = {{"/dev/bpf", EBUSY}, {"/dev/bpf0", 0}, {NULL, 0}};
  paths = list;
  start_over();
  CHECK(bpf_open(sys, &fd) == 0);
  CHECK(strcmp(last_path, "/dev/bpf0") == 0);
  static const struct scripted_path alone[] = {{"/dev/bpf", EBUSY}, {NULL, 0}};
  paths = alone;
  CHECK(bpf_open(sys, &fd) == EBUSY);
}

static void says_absent_where_there_is_none(void) {
  static const struct scripted_path list[] = {{NULL, 0}};
  paths = list;
  start_over();
  CHECK(bpf_open(sys, &fd) == ENOENT);
  CHECK(opens == 2);
}

static void other_errors_of_open_end_the_search(void) {
  static const struct scripted_path list[] = {{"/dev/bpf", EACCES}, {"/dev/bpf0", 0}, {NULL, 0}};
  paths = list;
  start_over();
  CHECK(bpf_open(sys, &fd) == EACCES);
  CHECK(opens == 1);
  static const struct scripted_path numbered[] = {{"/dev/bpf0", EBUSY}, {"/dev/bpf1", EPERM}, {"/dev/bpf2", 0}, {NULL, 0}};
  paths = numbered;
  CHECK(bpf_open(sys, &fd) == EPERM);
}

static void without_bpf_in_the_kernel_open_says_so(void) {
  CHECK(bpf_open(&bpf_real_system, &fd) == ENODEV);
  CHECK(bpf_set_immediate(&bpf_real_system, 0) == ENODEV);
}

static void configures_in_the_order_that_kernels_accept(void) {
  uint8_t drop[8] = {6, 0, 0, 0, 0, 0, 0, 0}, keep[16] = {6, 0, 0, 0, 0xff, 0xff, 0, 0, 6, 0, 0, 0, 5, 0, 0, 0};
  uint32_t size = 32768, type = 99;
  start_over();
  device.link_type = 1;
  device.interrupts = 1;
  CHECK(bpf_set_buffer(sys, DEVICE, &size) == 0 && size == 32768);
  CHECK(bpf_set_immediate(sys, DEVICE) == 0 && device.immediate == 1);
  CHECK(bpf_set_filter(sys, DEVICE, drop, sizeof drop) == 0 && device.instructions == 1);
  CHECK(bpf_data_link(sys, DEVICE, &type) == EINVAL);
  CHECK(bpf_attach(sys, DEVICE, "em0") == 0);
  CHECK(bpf_set_incoming(sys, DEVICE) == 0 && device.direction_set && device.direction == 0);
  CHECK(bpf_data_link(sys, DEVICE, &type) == 0 && type == 1);
  CHECK(bpf_set_filter(sys, DEVICE, keep, sizeof keep) == 0 && device.filters == 2);
  CHECK(device.instructions == 2 && device.first.code == 6 && device.first.k == 0xffff && device.last.k == 5);
  struct bpf_stat statistics;
  CHECK(bpf_statistics(sys, DEVICE, &statistics) == 0 && statistics.bs_recv == 7 && statistics.bs_drop == 3);
  size = 1024;
  CHECK(bpf_set_buffer(sys, DEVICE, &size) == EINVAL);
  CHECK(bpf_buffer(sys, DEVICE, &size) == 0 && size == 32768);
}

static void a_filter_is_replaced_without_losing_what_was_captured(void) {
  uint8_t keep[8] = {6, 0, 0, 0, 0xff, 0xff, 0, 0};
  start_over();
  CHECK(bpf_set_filter(sys, DEVICE, keep, sizeof keep) == 0 && device.flushes == 1);
  CHECK(bpf_replace_filter(sys, DEVICE, keep, sizeof keep) == 0 && device.filters == 2 && device.flushes == 1);
  CHECK(bpf_replace_filter(sys, DEVICE, keep, 7) == EINVAL);
}

static void the_limit_counts_packets_of_its_kind_alone(void) {
  struct sm_limit limit = {.per_second = 40, .value = 0x0001, .count = 2, .offsets = {0, 4}};
  uint8_t of_the_kind[] = {0, 1}, further_on[] = {9, 9, 9, 9, 0, 1}, other[] = {1, 1, 0, 0, 1, 1}, cut[] = {9};
  int taken = 0;
  for (int i = 0; i < 30; i += 1) taken += sm_limit_takes(&limit, i % 2 == 0 ? of_the_kind : further_on, i % 2 == 0 ? 2 : 6);
  /* A quarter of a second's at once; one more where this machine is slow. */
  CHECK(taken >= 10 && taken <= 12);
  CHECK(sm_limit_takes(&limit, other, sizeof other) && sm_limit_takes(&limit, cut, sizeof cut) && sm_limit_takes(&limit, cut, 0));
  limit.last_ns -= SM_SECOND_NS;
  CHECK(sm_limit_takes(&limit, of_the_kind, sizeof of_the_kind));
  struct sm_limit none = {0};
  for (int i = 0; i < 100; i += 1) CHECK(sm_limit_takes(&none, of_the_kind, sizeof of_the_kind));
}

static void the_kernel_may_choose_another_buffer(void) {
  uint32_t size = 1 << 30;
  start_over();
  CHECK(bpf_set_buffer(sys, DEVICE, &size) == 0 && size == 0x80000);
}

static void attach_tells_gone_from_down(void) {
  start_over();
  CHECK(bpf_attach(sys, DEVICE, "em1") == ENXIO);
  CHECK(bpf_attach(sys, DEVICE, "") == ENXIO);
  CHECK(bpf_attach(sys, DEVICE, "sixteen_letters_") == ENXIO);
  CHECK(bpf_attach(sys, DEVICE, "fifteen_letters") == ENXIO);
  CHECK(bpf_attach(sys, DEVICE, "a name that is far longer than all of the structure that it would have to fit into") == ENXIO);
  device.up = 0;
  CHECK(bpf_attach(sys, DEVICE, "em0") == ENETDOWN);
  CHECK(bpf_attach(sys, 77, "em0") == EBADF);
}

static void filters_of_odd_sizes_never_reach_the_kernel(void) {
  uint8_t *bytes = calloc(1, 513 * 8);
  start_over();
  CHECK(bpf_set_filter(sys, DEVICE, bytes, 0) == EINVAL);
  CHECK(bpf_set_filter(sys, DEVICE, bytes, 7) == EINVAL);
  CHECK(bpf_set_filter(sys, DEVICE, bytes, 513 * 8) == EINVAL);
  CHECK(device.filters == 0);
  CHECK(bpf_set_filter(sys, DEVICE, bytes, 512 * 8) == 0 && device.instructions == 512);
  /* Bytes from JavaScript lie anywhere. */
  CHECK(bpf_set_filter(sys, DEVICE, bytes + 1, 16) == 0);
  free(bytes);
}

static const struct bpf_layout *const layouts[] = {&freebsd64, &freebsd32, &macos64};

#endif
