/* The smallest test harness: each case prints one line, and the exit status says whether all held. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

static int check_failures;
static const char *check_case = "";

#define CHECK(condition)                                                                   \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      printf("not ok %s: %s (%s:%d)\n", check_case, #condition, __FILE__, __LINE__);       \
      check_failures += 1;                                                                 \
    }                                                                                      \
  } while (0)

#define RUN(function)                                   \
  do {                                                  \
    int before = check_failures;                        \
    check_case = #function;                             \
    function();                                         \
    if (check_failures == before) printf("ok %s\n", #function); \
  } while (0)

#endif
