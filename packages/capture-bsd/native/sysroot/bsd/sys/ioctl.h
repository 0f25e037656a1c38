/* sys/ioctl.h: a request number is its direction, the size of its argument (13 bits), a letter and a number. */
#pragma once
int ioctl(int, unsigned long, ...);
#define IOC_OUT 0x40000000UL
#define IOC_IN 0x80000000UL
#define _IOC(direction, group, number, size) \
  ((unsigned long)((direction) | (((size) & 0x1fffUL) << 16) | ((unsigned long)(group) << 8) | (number)))
#define _IOR(group, number, type) _IOC(IOC_OUT, (group), (number), sizeof(type))
#define _IOW(group, number, type) _IOC(IOC_IN, (group), (number), sizeof(type))
#define _IOWR(group, number, type) _IOC(IOC_IN | IOC_OUT, (group), (number), sizeof(type))
