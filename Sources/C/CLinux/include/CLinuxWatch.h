// SPDX-License-Identifier: Apache-2.0
// inotify(7) and fnmatch(3), for Adapters/Files/Watching/FileWatch.swift.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// A new inotify descriptor, non-blocking, close-on-exec; -1 and errno on failure.
int kt_watch_open(void);

/// Watches a directory for names that come, go or change in it, or a file for changes of itself, beside what the same
/// watch is for already. Its number, or -1 and errno.
int kt_watch_directory(int watch, const char *path);
int kt_watch_file(int watch, const char *path);

/// Ends a watch; -1 and errno on failure.
int kt_watch_remove(int watch, int number);

struct kt_watch_event {
  int number;       // of the directory or file
  uint32_t is_lost; // 0 or 1: events were lost, or the file system has gone: anything may have changed
  const char *name; // in the directory; empty for what happened to it or to a file; lives as long as the buffer
};

/// The event at `offset` of what read(2) put into the buffer; the offset of the next, which is `count` at its end.
size_t kt_watch_event(const void *buffer, size_t count, size_t offset, struct kt_watch_event *event);

/// Whether a name fits a pattern as in EnvironmentFile=, which glob(7) explains: a leading dot must be in the
/// pattern.
int kt_matches(const char *pattern, const char *name);
