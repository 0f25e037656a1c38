/* The reader in a thread of its own over a real pipe, closed while it reads: cc -pthread -fsanitize=thread threads.c -o threads && ./threads */
#define _GNU_SOURCE
#include "check.h"
#include "../bpf_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#define CYCLES 2000

/* The device is a pipe: one write is one record. */
static const struct bpf_system pipe_system = {
    .read = read,
    .poll = poll,
    .close = close,
    .layout = {.align = 8, .captured = 16, .original = 20, .header = 24},
    .trust_ms = -1,
};

struct round {
  int device[2], wake[2];
  atomic_int stop, heard, failed;
  atomic_int listening;
  struct bpf_reader reader;
  uint8_t buffer[4096];
  pthread_t thread;
};

static bool count_frames(void *context, int error, const uint8_t *frame, size_t length, uint32_t wire_length) {
  struct round *r = context;
  if (error != 0 || length != 30 || wire_length != 30 || frame[0] != 0x5a || frame[29] != 0x5a) atomic_fetch_add(&r->failed, 1);
  atomic_fetch_add(&r->heard, 1);
  return atomic_load(&r->listening) != 0;
}

static void *run_reader(void *context) {
  struct round *r = context;
  bpf_read_loop(&r->reader);
  return NULL;
}

static void begin(struct round *r) {
  memset(r, 0, sizeof *r);
  /* Packets: a read never ends inside a record. */
  CHECK(pipe2(r->device, O_NONBLOCK | O_CLOEXEC | O_DIRECT) == 0 && pipe2(r->wake, O_NONBLOCK | O_CLOEXEC) == 0);
  atomic_store(&r->listening, 1);
  r->reader = (struct bpf_reader){.system = &pipe_system,
                                  .fd = r->device[0],
                                  .wake = r->wake[0],
                                  .buffer = r->buffer,
                                  .size = sizeof r->buffer,
                                  .stop = &r->stop,
                                  .deliver = count_frames,
                                  .context = r};
  CHECK(pthread_create(&r->thread, NULL, run_reader, r) == 0);
}

static void put(struct round *r) {
  uint8_t record[56 + 8];
  uint32_t length = 30;
  uint16_t header = 26;
  memset(record, 0, sizeof record);
  memcpy(record + 16, &length, 4);
  memcpy(record + 20, &length, 4);
  memcpy(record + 24, &header, 2);
  memset(record + 26, 0x5a, 30);
  while (write(r->device[1], record, 56) < 0 && (errno == EAGAIN || errno == EINTR)) sched_yield();
}

/* What close() of the addon does: flag, wake, join. */
static void end(struct round *r) {
  atomic_store(&r->stop, 1);
  CHECK(write(r->wake[1], "w", 1) == 1);
  pthread_join(r->thread, NULL);
  for (int i = 0; i < 2; i += 1) {
    close(r->device[i]);
    close(r->wake[i]);
  }
}

static int count_entries(const char *path) {
  DIR *folder = opendir(path);
  int count = 0;
  while (folder && readdir(folder)) count += 1;
  if (folder) closedir(folder);
  return count;
}

static void every_frame_is_heard_before_the_end(void) {
  struct round *r = malloc(sizeof *r);
  begin(r);
  for (int i = 0; i < 20000; i += 1) put(r);
  while (atomic_load(&r->heard) < 20000) sched_yield();
  end(r);
  CHECK(atomic_load(&r->heard) == 20000 && atomic_load(&r->failed) == 0);
  free(r);
}

static void closing_while_it_reads_neither_hangs_nor_leaves_anything(void) {
  struct round *r = malloc(sizeof *r);
  begin(r);
  end(r);
  int descriptors = count_entries("/proc/self/fd"), threads = count_entries("/proc/self/task");
  for (int i = 0; i < CYCLES; i += 1) {
    begin(r);
    for (int frame = 0; frame < i % 7; frame += 1) put(r);
    if (i % 3 == 0) atomic_store(&r->listening, 0);
    end(r);
    CHECK(atomic_load(&r->failed) == 0 && atomic_load(&r->heard) <= i % 7);
  }
  CHECK(count_entries("/proc/self/fd") == descriptors);
  /* A thread that was joined stays in /proc for a moment. */
  for (int i = 0; i < 1000 && count_entries("/proc/self/task") > threads; i += 1) usleep(1000);
  CHECK(count_entries("/proc/self/task") == threads);
  free(r);
}

static void a_device_that_ends_does_not_spin(void) {
  struct round *r = malloc(sizeof *r);
  begin(r);
  /* End of file: readable for ever, with nothing to read. */
  close(r->device[1]);
  struct timespec before, after;
  usleep(300000);
  clockid_t clock;
  CHECK(pthread_getcpuclockid(r->thread, &clock) == 0 && clock_gettime(clock, &before) == 0);
  usleep(300000);
  CHECK(clock_gettime(clock, &after) == 0);
  long used_us = (after.tv_sec - before.tv_sec) * 1000000L + (after.tv_nsec - before.tv_nsec) / 1000;
  /* A reader that spins takes as much as it gets. */
  CHECK(used_us < 100000);
  r->device[1] = dup(r->device[0]);
  end(r);
  free(r);
}

int main(void) {
  RUN(every_frame_is_heard_before_the_end);
  RUN(closing_while_it_reads_neither_hangs_nor_leaves_anything);
  RUN(a_device_that_ends_does_not_spin);
  return check_failures == 0 ? 0 : 1;
}
