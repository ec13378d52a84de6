// SPDX-License-Identifier: Apache-2.0
// What Swift's Glibc module leaves out (see `man 2` for each), as functions with the prefix kt_. Nothing here has
// state but kt_runtime. The header itself must not define _GNU_SOURCE: that would change structures which Swift's Glibc module has
// already imported. CLinux.c does.
#pragma once
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "CLinuxSockets.h"
#include "CLinuxWatch.h"

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

/// What statx(2) says of a file, and what its file system or mount forbids.
struct kt_file_facts {
  uint32_t mode; // with the type, as st_mode
  uint32_t links;
  uint32_t user;
  uint32_t group;
  uint64_t bytes;
  uint64_t device;
  uint64_t inode;
  int64_t changed_nanoseconds; // since 1970, of the inode: also by a new name, owner or mode
  uint32_t immutable;          // 0 or 1, like the next two; 0 also where the file system cannot tell
  uint32_t append_only;
  uint32_t mount_point; // something is mounted on it (Linux 5.8; before that always 0)
};

/// The facts of `name` in `directory` without following a link, or of `directory` itself if `name` is empty;
/// 0, or -1 and errno.
int kt_stat_file(int directory, const char *name, struct kt_file_facts *facts);

/// flistxattr(2), fgetxattr(2), fsetxattr(2) and fremovexattr(2): sizes are bytes, -1 and errno on failure.
int kt_xattr_list(int file, char *names, size_t size);
int kt_xattr_get(int file, const char *name, void *value, size_t size);
int kt_xattr_set(int file, const char *name, const void *value, size_t size);
int kt_xattr_remove(int file, const char *name);

/// Lets the calling thread wait for the disk until nobody else wants it (1), or as usual again (0), ioprio_set(2);
/// 0, or -1 and errno.
int kt_set_idle_disk_priority(int is_idle);

/// Where bytes stand first in others (memmem(3)); NULL if they do not.
const void *kt_find(const void *in, size_t size, const void *what, size_t length);

/// Ignores SIGPIPE and blocks SIGTERM, SIGINT and SIGHUP in the calling thread and those it will start;
/// 0 or an error number.
int kt_signals_prepare(void);

/// Waits for one of SIGTERM, SIGINT and SIGHUP, at most `nanoseconds` (negative: without end): its number, or -1 and
/// errno (EAGAIN: the time is over).
int kt_signals_wait(int64_t nanoseconds);

/// No core file (setrlimit(2)), and the process is not dumpable (prctl(2)). Failures do not matter.
void kt_keep_memory_from_others(void);

/// Gives back free heap (malloc_trim(3)) and the pages of code and constants that are in memory because they were
/// used once: they are never written, stay in the page cache, and come back one by one when they are used again
/// (madvise(2), MADV_DONTNEED on the segments without write permission). Failures do not matter.
void kt_release_memory_at_rest(void);

/// What a simulation has set for the calling thread (Base/Threads/Runtime.swift); NULL in an installed program.
extern _Thread_local void *kt_runtime_of_thread;
static inline void *kt_runtime(void) { return kt_runtime_of_thread; }
static inline void kt_set_runtime(void *runtime) { kt_runtime_of_thread = runtime; }
