/* bpf(4) as FreeBSD has it on 64-bit machines, for systems without it: there the code compiles and runs over a scripted device. */
#ifndef STUNMESH_BPF_ABSENT_H
#define STUNMESH_BPF_ABSENT_H

#include <net/if.h>
#include <stdint.h>

#define BPF_ALIGNMENT 8

#define BIOCGBLEN 0x40044266UL
#define BIOCSBLEN 0xc0044266UL
#define BIOCSETF 0x80104267UL
#define BIOCGDLT 0x4004426aUL
#define BIOCSETIF 0x8020426cUL
#define BIOCGSTATS 0x4008426fUL
#define BIOCIMMEDIATE 0x80044270UL
#define BIOCSDIRECTION 0x80044277UL
#define BIOCSETFNR 0x80104282UL

struct bpf_insn {
  uint16_t code;
  uint8_t jt, jf;
  uint32_t k;
};

struct bpf_program {
  unsigned int bf_len;
  struct bpf_insn *bf_insns;
};

struct bpf_stat {
  unsigned int bs_recv, bs_drop;
};

struct bpf_hdr {
  int64_t bh_tstamp[2];
  uint32_t bh_caplen, bh_datalen;
  uint16_t bh_hdrlen;
};

#endif
