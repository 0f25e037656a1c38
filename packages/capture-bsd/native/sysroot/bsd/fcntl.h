/* fcntl.h */
#pragma once
int open(const char *, int, ...);
int fcntl(int, int, ...);
#define O_RDONLY 0x0000
#define O_NONBLOCK 0x0004
#ifdef __APPLE__
#define O_CLOEXEC 0x01000000
#else
#define O_CLOEXEC 0x00100000
#endif
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define FD_CLOEXEC 1
