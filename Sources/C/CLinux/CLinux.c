#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

int kt_cond_init_monotonic(pthread_cond_t *cond) {
  pthread_condattr_t attributes;
  int error = pthread_condattr_init(&attributes);
  if (error) return error;
  error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  if (!error) error = pthread_cond_init(cond, &attributes);
  pthread_condattr_destroy(&attributes);
  return error;
}

int kt_sleep_until_boottime(int64_t nanoseconds) {
  struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  return clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &time, NULL);
}

static int64_t now(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) return -1;
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}
int64_t kt_boottime_nanoseconds(void) { return now(CLOCK_BOOTTIME); }
int64_t kt_monotonic_nanoseconds(void) { return now(CLOCK_MONOTONIC); }
int64_t kt_realtime_nanoseconds(void) { return now(CLOCK_REALTIME); }

int kt_set_thread_name(const char *name) { return pthread_setname_np(pthread_self(), name); }
