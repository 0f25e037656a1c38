/* net/bpf.h of FreeBSD */
#pragma once
#include <net/bpf_common.h>
#define BPF_ALIGNMENT sizeof(long)
#define BIOCSDIRECTION _IOW('B', 119, u_int)
#define BIOCSETFNR _IOW('B', 130, struct bpf_program)
struct bpf_hdr {
  struct timeval bh_tstamp;
  uint32_t bh_caplen, bh_datalen;
  u_short bh_hdrlen;
};
