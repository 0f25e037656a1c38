/* The C core over a scripted /dev/bpf: cc -fsanitize=address,undefined core.c -o core && ./core */
#define _GNU_SOURCE
#include "core_device.h"

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])

static void walks_records_of_every_layout_and_header_length(void) {
  for (int l = 0; l < COUNT(layouts); l += 1)
    for (size_t extra = 0; extra < 12; extra += 1)
      for (uint32_t length = 0; length < 20; length += 1) {
        uint8_t bytes[512];
        start_over();
        scripted_system.layout = *layouts[l];
        size_t at = put_record(layouts[l], bytes, 0, extra, length, length, 0x11);
        at = put_record(layouts[l], bytes, at, extra, 33, 1500, 0x22);
        at = put_record(layouts[l], bytes, at, 0, length, length, 0x33);
        const struct scripted_poll p[] = {{DEVICE, -1, READY}};
        const struct scripted_read r[] = {{0, bytes, at}};
        read_scripts(at, p, 1, r, 1);
        CHECK(heard_count == 3);
        CHECK(heard[0].length == length && heard[0].wire_length == length && heard[0].error == 0);
        CHECK(length == 0 || heard[0].bytes[length - 1] == 0x11);
        CHECK(heard[1].length == 33 && heard[1].wire_length == 1500);
        CHECK(heard[1].bytes[0] == 0x22 && heard[1].bytes[32] == 0x22);
        CHECK(heard[2].length == length && (length == 0 || heard[2].bytes[0] == 0x33));
      }
}

static void the_last_record_may_lack_its_padding(void) {
  uint8_t bytes[256];
  start_over();
  size_t at = put_record(&freebsd64, bytes, 0, 0, 21, 21, 1);
  put_record(&freebsd64, bytes, at, 0, 13, 13, 2);
  size_t end = at + 26 + 13;
  const struct scripted_poll p[] = {{DEVICE, -1, READY}};
  const struct scripted_read r[] = {{0, bytes, end}};
  read_scripts(end, p, 1, r, 1);
  CHECK(heard_count == 2 && heard[1].length == 13 && heard[1].bytes[12] == 2);
}

static void a_read_cut_anywhere_gives_whole_frames_only(void) {
  for (int l = 0; l < COUNT(layouts); l += 1) {
    uint8_t bytes[512];
    size_t ends[3], at = 0;
    for (int i = 0; i < 3; i += 1) {
      ends[i] = at + layouts[l]->header + 2 + 4 + 40;
      at = put_record(layouts[l], bytes, at, 4, 40, 40, (uint8_t)i);
    }
    for (size_t cut = 1; cut <= at; cut += 1) {
      int whole = (cut >= ends[0]) + (cut >= ends[1]) + (cut >= ends[2]);
      start_over();
      scripted_system.layout = *layouts[l];
      const struct scripted_poll p[] = {{DEVICE, -1, READY}};
      const struct scripted_read r[] = {{0, bytes, cut}};
      /* The buffer ends where the read does: a byte too far is a sanitizer's report. */
      read_scripts(cut, p, 1, r, 1);
      CHECK(heard_count == whole);
      for (int i = 0; i < whole; i += 1) CHECK(heard[i].error == 0 && heard[i].length == 40 && heard[i].bytes[39] == i);
    }
  }
}

static void impossible_headers_are_an_error_after_the_frames_before(void) {
  uint8_t bytes[256];
  start_over();
  size_t at = put_record(&freebsd64, bytes, 0, 0, 8, 8, 1);
  size_t end = put_record(&freebsd64, bytes, at, 0, 8, 8, 2);
  uint16_t header = 10;
  memcpy(bytes + at + freebsd64.header, &header, 2);
  const struct scripted_poll p[] = {{DEVICE, -1, READY}};
  const struct scripted_read r[] = {{0, bytes, end}};
  read_scripts(end, p, 1, r, 1);
  CHECK(heard_count == 2 && heard[0].error == 0 && heard[1].error == EPROTO);
}

static void garbage_never_reads_beyond_the_buffer(void) {
  unsigned int seed = 1;
  for (int round = 0; round < 20000; round += 1) {
    uint8_t bytes[96];
    start_over();
    scripted_system.layout = *layouts[round % COUNT(layouts)];
    for (size_t i = 0; i < sizeof bytes; i += 1) {
      seed = seed * 1103515245 + 12345;
      /* Mostly small numbers, so that many records look plausible. */
      bytes[i] = (seed >> 16) % 3 == 0 ? (uint8_t)(seed >> 24) : (uint8_t)((seed >> 20) % 2 * ((seed >> 24) % 40));
    }
    size_t length = 1 + (seed >> 8) % sizeof bytes;
    const struct scripted_poll p[] = {{DEVICE, -1, READY}};
    const struct scripted_read r[] = {{0, bytes, length}};
    read_scripts(length, p, 1, r, 1);
    size_t sum = 0;
    for (int i = 0; i < heard_count && i < HEARD_MAX; i += 1) sum += heard[i].length;
    CHECK(sum <= length);
  }
}

static void interrupted_calls_are_made_again(void) {
  uint8_t bytes[64];
  start_over();
  size_t end = put_record(&freebsd64, bytes, 0, 0, 5, 5, 9);
  const struct scripted_poll p[] = {{DEVICE, -1, INTERRUPTED}, {DEVICE, -1, READY}, {DEVICE, -1, READY}, {DEVICE, -1, READY}};
  const struct scripted_read r[] = {{EINTR, NULL, 0}, {0, bytes, end}, {0, bytes, end}};
  read_scripts(4096, p, COUNT(p), r, COUNT(r));
  CHECK(heard_count == 2 && heard[0].length == 5);
  CHECK(polls_unexpected == 0);
}

static void readable_without_anything_to_read_does_not_spin(void) {
  start_over();
  const struct scripted_poll p[] = {
      {DEVICE, -1, READY}, {-1, BPF_PAUSE_MS, NOTHING}, {DEVICE, -1, READY},    {-1, BPF_PAUSE_MS, NOTHING},
      {DEVICE, -1, POLLNVAL}, {-1, BPF_PAUSE_MS, INTERRUPTED}, {-1, BPF_PAUSE_MS, NOTHING}, {DEVICE, -1, POLLERR | POLLHUP},
  };
  const struct scripted_read r[] = {{EAGAIN, NULL, 0}, {0, (const uint8_t *)"", 0}};
  read_scripts(4096, p, COUNT(p), r, COUNT(r));
  CHECK(polls_unexpected == 0);
  CHECK(reads_made == 4);
  CHECK(heard_count == 0);
}

static void a_poll_that_is_not_trusted_is_helped_by_looking(void) {
  uint8_t bytes[64];
  start_over();
  scripted_system.trust_ms = 100;
  size_t end = put_record(&freebsd64, bytes, 0, 0, 5, 5, 9);
  const struct scripted_poll p[] = {{DEVICE, 100, NOTHING}, {-1, BPF_PAUSE_MS, NOTHING}, {DEVICE, 100, NOTHING}};
  const struct scripted_read r[] = {{EAGAIN, NULL, 0}, {0, bytes, end}};
  read_scripts(4096, p, COUNT(p), r, COUNT(r));
  CHECK(polls_unexpected == 0);
  CHECK(heard_count == 1 && heard[0].length == 5);
}

static void F10_an_interface_that_is_gone_is_never_read_again(void) {
  start_over();
  /* poll(2) goes on to call the device readable: there is no second call. */
  const struct scripted_poll p[] = {{DEVICE, -1, READY}, {DEVICE, -1, READY}, {DEVICE, -1, READY}};
  const struct scripted_read r[] = {{ENXIO, NULL, 0}, {ENXIO, NULL, 0}};
  read_scripts(4096, p, COUNT(p), r, COUNT(r));
  CHECK(heard_count == 1 && heard[0].error == ENXIO);
  CHECK(reads_made == 1 && polls_made == 1);
}

static void F10_an_interface_that_goes_down_keeps_its_descriptor(void) {
  uint8_t bytes[64];
  start_over();
  size_t end = put_record(&freebsd64, bytes, 0, 0, 5, 5, 9);
  /* The error is told once, the device is left alone until resume(), and read on then. */
  const struct scripted_poll p[] = {{DEVICE, -1, READY}, {-1, -1, INTERRUPTED}, {-1, -1, WOKEN}, {DEVICE, -1, READY}};
  const struct scripted_read r[] = {{ENETDOWN, NULL, 0}, {0, bytes, end}};
  read_scripts(4096, p, COUNT(p), r, COUNT(r));
  CHECK(polls_unexpected == 0);
  CHECK(heard_count == 2 && heard[0].error == ENETDOWN && heard[1].error == 0 && heard[1].length == 5);
}

static void nobody_listening_ends_the_reading(void) {
  uint8_t bytes[256];
  start_over();
  listen_until = 2;
  size_t at = 0;
  for (uint8_t i = 0; i < 4; i += 1) at = put_record(&freebsd64, bytes, at, 0, 5, 5, i);
  const struct scripted_poll p[] = {{DEVICE, -1, READY}, {DEVICE, -1, READY}};
  const struct scripted_read r[] = {{0, bytes, at}, {0, bytes, at}};
  read_scripts(4096, p, COUNT(p), r, COUNT(r));
  CHECK(heard_count == 2 && reads_made == 1);
  start_over();
  listen_until = 1;
  const struct scripted_read failing[] = {{ENETDOWN, NULL, 0}};
  read_scripts(4096, p, COUNT(p), failing, 1);
  CHECK(heard_count == 1 && polls_made == 1);
}

static void a_broken_poll_is_an_error_and_the_end(void) {
  start_over();
  const struct scripted_poll p[] = {{DEVICE, -1, BROKEN}, {DEVICE, -1, READY}};
  read_scripts(4096, p, COUNT(p), NULL, 0);
  CHECK(heard_count == 1 && heard[0].error == ENOMEM && reads_made == 0);
}

static void stopping_wins_over_a_device_that_is_ready(void) {
  start_over();
  atomic_store(&stop, 1);
  const struct scripted_poll p[] = {{DEVICE, -1, READY}};
  read_scripts(4096, p, 1, NULL, 0);
  CHECK(polls_made == 0 && reads_made == 0);
}

int main(void) {
  RUN(opens_the_cloning_device);
  RUN(opens_the_first_free_numbered_device);
  RUN(says_busy_when_all_devices_are_taken);
  RUN(a_busy_cloning_device_leads_to_the_numbered_ones);
  RUN(says_absent_where_there_is_none);
  RUN(other_errors_of_open_end_the_search);
  RUN(without_bpf_in_the_kernel_open_says_so);
  RUN(configures_in_the_order_that_kernels_accept);
  RUN(a_filter_is_replaced_without_losing_what_was_captured);
  RUN(the_limit_counts_packets_of_its_kind_alone);
  RUN(the_kernel_may_choose_another_buffer);
  RUN(attach_tells_gone_from_down);
  RUN(filters_of_odd_sizes_never_reach_the_kernel);
  RUN(walks_records_of_every_layout_and_header_length);
  RUN(the_last_record_may_lack_its_padding);
  RUN(a_read_cut_anywhere_gives_whole_frames_only);
  RUN(impossible_headers_are_an_error_after_the_frames_before);
  RUN(garbage_never_reads_beyond_the_buffer);
  RUN(interrupted_calls_are_made_again);
  RUN(readable_without_anything_to_read_does_not_spin);
  RUN(a_poll_that_is_not_trusted_is_helped_by_looking);
  RUN(F10_an_interface_that_is_gone_is_never_read_again);
  RUN(F10_an_interface_that_goes_down_keeps_its_descriptor);
  RUN(nobody_listening_ends_the_reading);
  RUN(a_broken_poll_is_an_error_and_the_end);
  RUN(stopping_wins_over_a_device_that_is_ready);
  return check_failures == 0 ? 0 : 1;
}
