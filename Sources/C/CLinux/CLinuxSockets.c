// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinuxSockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int kt_stream_socket(int family) {
  return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int kt_accept(int socket, void *address, unsigned *length) {
  return accept4(socket, address, length, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static int set(int socket, int level, int name, int value) {
  return setsockopt(socket, level, name, &value, sizeof value);
}

int kt_tune_stream(int socket) {
  if (set(socket, IPPROTO_TCP, TCP_NODELAY, 1)) return -1;
  if (set(socket, SOL_SOCKET, SO_KEEPALIVE, 1)) return -1;
  if (set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 60)) return -1;
  return set(socket, IPPROTO_TCP, TCP_KEEPINTVL, 10);
}

int kt_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }
int kt_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }
int kt_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int kt_peer_user(int socket, unsigned *user) {
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size)) return -1;
  // A socket of another host has no process behind it.
  if (size != sizeof credentials || credentials.pid <= 0) return -1;
  *user = credentials.uid;
  return 0;
}
