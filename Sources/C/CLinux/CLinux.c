// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinux.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
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

int kt_stat_file(int directory, const char *name, struct kt_file_facts *facts) {
  struct statx found;
  if (statx(directory, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_BASIC_STATS,
            &found) != 0)
    return -1;
  *facts = (struct kt_file_facts){
      .mode = found.stx_mode,
      .links = found.stx_nlink,
      .user = found.stx_uid,
      .group = found.stx_gid,
      .bytes = found.stx_size,
      .device = (uint64_t)found.stx_dev_major << 32 | found.stx_dev_minor,
      .inode = found.stx_ino,
      .changed_nanoseconds = (int64_t)found.stx_ctime.tv_sec * 1000000000 + found.stx_ctime.tv_nsec,
      .immutable = (found.stx_attributes & STATX_ATTR_IMMUTABLE) != 0,
      .append_only = (found.stx_attributes & STATX_ATTR_APPEND) != 0,
      .mount_point = (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0,
  };
  return 0;
}

int kt_xattr_list(int file, char *names, size_t size) { return (int)flistxattr(file, names, size); }
int kt_xattr_get(int file, const char *name, void *value, size_t size) {
  return (int)fgetxattr(file, name, value, size);
}
int kt_xattr_set(int file, const char *name, const void *value, size_t size) {
  return fsetxattr(file, name, value, size, 0);
}
int kt_xattr_remove(int file, const char *name) { return fremovexattr(file, name); }

// glibc has no wrapper: linux/ioprio.h. 1 is a thread, 0 the calling one; class 3 is idle, none that of the nice value.
int kt_set_idle_disk_priority(int is_idle) {
  return (int)syscall(SYS_ioprio_set, 1, 0, is_idle ? 3 << 13 : 0);
}

const void *kt_find(const void *in, size_t size, const void *what, size_t length) {
  return memmem(in, size, what, length);
}

static sigset_t termination_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

int kt_signals_prepare(void) {
  struct sigaction ignore;
  memset(&ignore, 0, sizeof ignore);
  ignore.sa_handler = SIG_IGN;
  if (sigaction(SIGPIPE, &ignore, NULL) != 0) return errno;
  sigset_t set = termination_signals();
  return pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int kt_signals_wait(int64_t nanoseconds) {
  struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  sigset_t set = termination_signals();
  return sigtimedwait(&set, NULL, nanoseconds < 0 ? NULL : &time);
}

static int unmap_clean(struct dl_phdr_info *object, size_t size, void *context) {
  (void)size;
  (void)context;
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
    uintptr_t begin = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
    uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz + page - 1) & ~(page - 1);
    (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
  }
  return 0;
}

void kt_release_memory_at_rest(void) {
  malloc_trim(0);
  dl_iterate_phdr(unmap_clean, NULL);
}

void kt_keep_memory_from_others(void) {
  const struct rlimit none = {0, 0};
  (void)setrlimit(RLIMIT_CORE, &none);
  (void)prctl(PR_SET_DUMPABLE, 0);
}

_Thread_local void *kt_runtime_of_thread;
