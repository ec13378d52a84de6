// What Swift's Glibc module leaves out (see `man 2` for each), as functions with the prefix kt_. Nothing here has
// state. The header itself must not define _GNU_SOURCE: that would change structures which Swift's Glibc module has
// already imported. CLinux.c does.
#pragma once
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "CLinuxSockets.h"

/// A condition variable that waits on CLOCK_MONOTONIC, so that a step of the wall clock cannot wake or stall it.
/// 0 or an error number.
int kt_cond_init_monotonic(pthread_cond_t *cond);

/// Sleeps until an absolute time of CLOCK_BOOTTIME; 0 or an error number (EINTR among them).
int kt_sleep_until_boottime(int64_t nanoseconds);

/// The clocks, nanoseconds.
int64_t kt_boottime_nanoseconds(void);
int64_t kt_monotonic_nanoseconds(void);
int64_t kt_realtime_nanoseconds(void);

/// Names the calling thread (at most 15 characters); 0 or an error number.
int kt_set_thread_name(const char *name);
