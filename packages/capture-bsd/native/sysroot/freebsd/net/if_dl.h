/* net/if_dl.h of FreeBSD */
#pragma once
#include <stdint.h>
struct sockaddr_dl {
  uint8_t sdl_len, sdl_family;
  uint16_t sdl_index;
  uint8_t sdl_type, sdl_nlen, sdl_alen, sdl_slen;
  char sdl_data[46];
};
