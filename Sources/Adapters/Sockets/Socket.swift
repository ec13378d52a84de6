// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
internal import Linux
package import Model
internal import Threads

/// A connected TCP or local socket: non-blocking inside, blocking with a deadline outside.
///
/// Any thread may call ``interruptReading()`` and ``interrupt()``; one thread at a time reads, one
/// writes. It is closed when the last reference goes. No call raises SIGPIPE.
package final class Socket: Sendable {
  package let peer: SocketAddress
  private let descriptor: FileDescriptor

  init(_ descriptor: consuming FileDescriptor, peer: SocketAddress) {
    self.descriptor = descriptor
    self.peer = peer
  }

  /// Asks poll(2) whether it can be read.
  var pollEntry: pollfd { pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0) }

  /// Blocks until `address` accepts a connection, refuses it, or the deadline comes. From the
  /// host's own address `source`, if one is given.
  package static func connect(
    to address: SocketAddress, from source: SocketAddress? = nil, until deadline: Instant
  ) throws(SocketFailure) -> Socket {
    let attempt = "connect to \(address)"
    let raw: Int32
    do throws(Errno) {
      raw = try retrying(attempt) { kt_stream_socket(address.family) }
    } catch { throw SocketFailure(error.code, attempt) }
    let descriptor = FileDescriptor(owning: raw)
    _ = kt_tune_stream(raw)
    if let source {
      let (result, code) = source.withSockaddr { (Glibc.bind(raw, $0, $1), errno) }
      if result == -1 { throw SocketFailure(code, "\(attempt) from \(source.host)") }
    }
    let (result, code) = address.withSockaddr { (Glibc.connect(raw, $0, $1), errno) }
    if result == -1 {
      // The kernel goes on with the attempt after EINTR, too (connect(2)).
      guard code == EINPROGRESS || code == EINTR else { throw SocketFailure(code, attempt) }
      try waitFor(raw, Int16(POLLOUT), until: deadline, attempt)
      var outcome: Int32 = 0
      var size = socklen_t(MemoryLayout<Int32>.size)
      getsockopt(raw, SOL_SOCKET, SO_ERROR, &outcome, &size)
      if outcome != 0 { throw SocketFailure(outcome, attempt) }
    }
    return Socket(descriptor, peer: address)
  }

  /// Blocks until something has come, at most `count` bytes of it, or the deadline; empty at the
  /// end of the stream.
  ///
  /// Nothing is allocated before there is something to read.
  package func read(upTo count: Int, until deadline: Instant) throws(SocketFailure) -> [UInt8] {
    while true {
      try waitFor(descriptor.raw, Int16(POLLIN), until: deadline, "read from \(peer)")
      var code: Int32 = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
        let (result, number) = (recv(descriptor.raw, buffer.baseAddress, count, 0), errno)
        filled = max(0, result)
        if result == -1 { code = number }
      }
      if code == 0 { return bytes }
      if code != EAGAIN && code != EINTR { throw SocketFailure(code, "read from \(peer)") }
    }
  }

  /// Blocks until the kernel has taken all of `bytes`, or the deadline.
  package func write(
    _ bytes: UnsafeRawBufferPointer, until deadline: Instant
  ) throws(SocketFailure) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest)
      let (sent, code) = (
        send(descriptor.raw, part.baseAddress, part.count, Int32(MSG_NOSIGNAL)), errno
      )
      if sent >= 0 {
        rest = rest.dropFirst(sent)
      } else if code == EAGAIN {
        try waitFor(descriptor.raw, Int16(POLLOUT), until: deadline, "write to \(peer)")
      } else if code != EINTR {
        throw SocketFailure(code, "write to \(peer)")
      }
    }
  }

  /// What has come, at most `count` bytes of it; empty at the end of the stream, nil if nothing has
  /// come. Does not block.
  package func readNow(upTo count: Int) throws(SocketFailure) -> [UInt8]? {
    guard isReadable else { return nil }
    return try read(upTo: count, until: .inMilliseconds(1_000))
  }

  /// Blocks until the kernel has taken all of `bytes`, or the deadline.
  package func write(_ bytes: [UInt8], until deadline: Instant) throws(SocketFailure) {
    try bytes.withUnsafeBufferPointer { buffer throws(SocketFailure) in
      try write(UnsafeRawBufferPointer(buffer), until: deadline)
    }
  }

  /// The user of the process that connected to a local socket (SO_PEERCRED, unix(7)); nil if that
  /// is not known.
  package var peerUser: UInt32? {
    var user: UInt32 = 0
    return kt_peer_user(descriptor.raw, &user) == 0 ? user : nil
  }

  /// Whether there is something to read, be it the end of the stream. Does not block.
  package var isReadable: Bool {
    var entry = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) > 0
  }

  /// Makes this and every later read come to its end; what is being written still goes out. Does
  /// not block.
  package func interruptReading() { _ = shutdown(descriptor.raw, Int32(SHUT_RD)) }

  /// Says that nothing more will come from here. Does not block.
  package func endWriting() { _ = shutdown(descriptor.raw, Int32(SHUT_WR)) }

  /// Makes this and every later call come to its end. Does not block.
  package func interrupt() { _ = shutdown(descriptor.raw, Int32(SHUT_RDWR)) }

  /// Blocks until the other side has closed too, or the deadline: an end without a reset.
  ///
  /// A socket closed with unread bytes sends a reset, which can take away the last answer from the
  /// other side before it has read it (RFC 9112, 9.6). So: say that nothing more will come, then
  /// read and drop.
  package func finish(until deadline: Instant) {
    endWriting()
    while let bytes = try? read(upTo: 16 << 10, until: deadline), !bytes.isEmpty {}
  }
}

/// Blocks until one of `events` (or an error) is there on a descriptor, or throws at the deadline.
private func waitFor(
  _ descriptor: Int32, _ events: Int16, until deadline: Instant,
  _ attempt: @autoclosure () -> String
) throws(SocketFailure) {
  var entry = pollfd(fd: descriptor, events: events, revents: 0)
  while true {
    let milliseconds = deadline.remainingMilliseconds()
    // Before poll: a peer that never stops sending must not outrun the deadline.
    if milliseconds == 0 { throw .timedOut(attempt()) }
    let (ready, code) = (poll(&entry, 1, milliseconds), errno)
    if ready > 0 { return }
    if ready == -1 && code != EINTR { throw SocketFailure(code, attempt()) }
  }
}
