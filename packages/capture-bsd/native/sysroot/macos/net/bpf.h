/* net/bpf.h of macOS */
#pragma once
#include <net/bpf_common.h>
#define BPF_ALIGNMENT sizeof(int32_t)
#define BIOCSSEESENT _IOW('B', 119, u_int)
#define BIOCSETFNR _IOW('B', 126, struct bpf_program)
struct bpf_hdr {
  struct timeval32 bh_tstamp;
  uint32_t bh_caplen, bh_datalen;
  u_short bh_hdrlen;
};
