// SPDX-License-Identifier: Apache-2.0
// Sockets, pipes and descriptors to wait on, all close-on-exec. Each function returns a descriptor, or 0, or -1 with
// errno set.
#pragma once

/// A stream socket of an address family, non-blocking.
int kt_stream_socket(int family);

/// Accepts a connection as a non-blocking socket; writes the peer's address.
int kt_accept(int socket, void *address, unsigned *length);

/// TCP_NODELAY, and SO_KEEPALIVE with a first probe after a minute, so that a vanished peer is noticed.
int kt_tune_stream(int socket);

/// The user of the process at the other end of a local socket, when it connected.
int kt_peer_user(int socket, unsigned *user);

/// A new eventfd(2), non-blocking, not signalled.
int kt_eventfd(void);

/// A pipe: [0] to read, [1] to write.
int kt_pipe(int ends[2]);

/// A descriptor that becomes readable when the process ends.
int kt_pidfd_open(int pid);
