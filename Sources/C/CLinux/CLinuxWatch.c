// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinuxWatch.h"

#include <fnmatch.h>
#include <string.h>
#include <sys/inotify.h>

int kt_watch_open(void) { return inotify_init1(IN_CLOEXEC | IN_NONBLOCK); }

int kt_watch_directory(int watch, const char *path) {
  return inotify_add_watch(watch, path,
                           IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MODIFY | IN_MOVED_FROM |
                               IN_MOVED_TO | IN_MASK_ADD | IN_ONLYDIR);
}

int kt_watch_file(int watch, const char *path) {
  return inotify_add_watch(watch, path, IN_ATTRIB | IN_CLOSE_WRITE | IN_MODIFY | IN_MASK_ADD | IN_DONT_FOLLOW);
}

int kt_watch_remove(int watch, int number) { return inotify_rm_watch(watch, number); }

size_t kt_watch_event(const void *buffer, size_t count, size_t offset, struct kt_watch_event *event) {
  struct inotify_event head;
  *event = (struct kt_watch_event){.number = -1, .is_lost = 1, .name = ""};
  if (count - offset < sizeof head) return count;
  memcpy(&head, (const char *)buffer + offset, sizeof head);
  size_t next = offset + sizeof head + head.len;
  if (next > count) return count;
  event->number = head.wd;
  event->is_lost = (head.mask & (IN_Q_OVERFLOW | IN_UNMOUNT)) != 0;
  if (head.len > 0) event->name = (const char *)buffer + offset + sizeof head;
  return next;
}

int kt_matches(const char *pattern, const char *name) {
  return fnmatch(pattern, name, FNM_PATHNAME | FNM_PERIOD) == 0;
}
