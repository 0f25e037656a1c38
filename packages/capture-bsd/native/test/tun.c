/* tun NAME [tap]: makes that device and hands it the packets (with tap: frames) that come on stdin, a line of hexadecimal each; ends with stdin. */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int count, char **arguments) {
  struct ifreq request;
  char line[8192];
  unsigned char packet[4096];
  memset(&request, 0, sizeof request);
  request.ifr_flags = (count > 2 ? IFF_TAP : IFF_TUN) | IFF_NO_PI;
  if (count > 1) strncpy(request.ifr_name, arguments[1], IFNAMSIZ - 1);
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
    perror("tun");
    return 1;
  }
  puts("ready");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    size_t length = 0;
    unsigned int byte;
    for (char *at = line; length < sizeof packet && sscanf(at, "%2x", &byte) == 1; at += 2) packet[length++] = (unsigned char)byte;
    if (write(fd, packet, length) != (ssize_t)length) perror("write");
  }
  return 0;
}
