/* The addon over an emulated /dev/bpf, for tests on Linux: everything but the device is what ships. */
#define _GNU_SOURCE
#include "emulated.h"

#define BPF_SYSTEM (&emulated_system)
#include "../capture.c"
