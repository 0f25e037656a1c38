/* What net/bpf.h says on both systems. */
#pragma once
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/time.h>
struct bpf_insn {
  u_short code;
  u_char jt, jf;
  uint32_t k;
};
struct bpf_program {
  u_int bf_len;
  struct bpf_insn *bf_insns;
};
struct bpf_stat {
  u_int bs_recv, bs_drop;
};
#define BIOCGBLEN _IOR('B', 102, u_int)
#define BIOCSBLEN _IOWR('B', 102, u_int)
#define BIOCSETF _IOW('B', 103, struct bpf_program)
#define BIOCGDLT _IOR('B', 106, u_int)
#define BIOCSETIF _IOW('B', 108, struct ifreq)
#define BIOCGSTATS _IOR('B', 111, struct bpf_stat)
#define BIOCIMMEDIATE _IOW('B', 112, u_int)
