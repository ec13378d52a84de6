// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
package import Linux
package import Model
internal import Threads

/// A TCP or local socket that waits for connections.
package final class Listener: Sendable {
  /// Where it listens; the port is the real one also when 0 was asked for.
  package let address: SocketAddress
  private let descriptor: FileDescriptor
  private let wake: Wakeup
  /// Whether another process, the service manager, holds the same socket.
  private let isShared: Bool

  private init(
    _ descriptor: consuming FileDescriptor, wake: Wakeup, address: SocketAddress,
    isShared: Bool = false
  ) {
    self.descriptor = descriptor
    self.wake = wake
    self.address = address
    self.isShared = isShared
  }

  /// Takes over a TCP socket that already listens, and that another process holds too: connections
  /// wait there even after this listener is closed. Throws if it is not such a socket.
  static func adopting(_ descriptor: consuming FileDescriptor) throws(Errno) -> Listener {
    let raw = descriptor.raw
    let attempt = "use descriptor \(raw), handed over by the service manager"
    _ = try retrying(attempt) { fcntl(raw, F_SETFD, FD_CLOEXEC) }
    let flags = try retrying(attempt) { fcntl(raw, F_GETFL) }
    _ = try retrying(attempt) { fcntl(raw, F_SETFL, flags | O_NONBLOCK) }
    var (listens, size): (Int32, socklen_t) = (0, socklen_t(MemoryLayout<Int32>.size))
    _ = try retrying(attempt) { getsockopt(raw, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) }
    let bound = SocketAddress { base, length in
      getsockname(raw, base.assumingMemoryBound(to: sockaddr.self), length) == 0
    }
    guard listens == 1, let bound else { throw Errno(EINVAL, attempt) }
    return Listener(descriptor, wake: try Wakeup(), address: bound, isShared: true)
  }

  /// Listens on the first address of `place`; port 0 takes any free one. Blocks only to look up a
  /// name.
  ///
  /// `::` accepts IPv4 too, unless the host's net.ipv6.bindv6only says otherwise.
  package static func bind(
    _ place: HostPort, backlog: Int32 = 4096, until deadline: Instant = .inMilliseconds(5_000)
  ) throws(SocketFailure) -> Listener {
    let attempt = "listen on \(place.text)"
    let addresses = try Resolver.resolve(place.host, port: place.port, until: deadline)
    guard let wanted = addresses.first else { throw .noSuchHost(attempt) }
    do throws(Errno) {
      let raw = try retrying(attempt) { kt_stream_socket(wanted.family) }
      let descriptor = FileDescriptor(owning: raw)
      var on: Int32 = 1
      setsockopt(raw, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
      _ = try retrying(attempt) { wanted.withSockaddr { Glibc.bind(raw, $0, $1) } }
      _ = try retrying(attempt) { listen(raw, backlog) }
      let bound = SocketAddress { base, length in
        getsockname(raw, base.assumingMemoryBound(to: sockaddr.self), length) == 0
      }
      guard let bound else { throw Errno(EAFNOSUPPORT, attempt) }
      return Listener(descriptor, wake: try Wakeup(), address: bound)
    } catch { throw .system(error) }
  }

  /// Listens on a local socket that only this process' user may connect to (mode 0600). What lies
  /// at the path is removed first: a socket of a process that is gone. The directory must be closed
  /// to others.
  package static func bind(
    local path: String, backlog: Int32 = 16
  ) throws(SocketFailure) -> Listener {
    let attempt = "listen on \(path)"
    guard let address = SocketAddress.local(path) else {
      throw .system(Errno(ENAMETOOLONG, attempt))
    }
    do throws(Errno) {
      let raw = try retrying(attempt) { kt_stream_socket(AF_UNIX) }
      let descriptor = FileDescriptor(owning: raw)
      _ = unlink(path)
      // On Linux the socket's file gets the descriptor's mode, whatever the umask.
      _ = try retrying(attempt) { fchmod(raw, 0o600) }
      _ = try retrying(attempt) { address.withSockaddr { Glibc.bind(raw, $0, $1) } }
      _ = try retrying(attempt) { chmod(path, 0o600) }
      _ = try retrying(attempt) { listen(raw, backlog) }
      return Listener(descriptor, wake: try Wakeup(), address: address)
    } catch { throw .system(error) }
  }

  /// Blocks until a connection comes (a socket) or ``shutdown()`` was called (nil).
  ///
  /// Throws what is no fault of a single connection, such as EMFILE: the caller should wait before
  /// it comes again.
  package func accept() throws(Errno) -> Socket? {
    while true {
      if try wait(with: [], until: nil).isShutDown { return nil }
      if let socket = try acceptNow() { return socket }
    }
  }

  package struct Events: Sendable {
    /// ``Listener/shutdown()`` was called.
    package var isShutDown: Bool
    package var hasConnection: Bool
    /// Which of the sockets can be read, by their place in the list.
    package var readable: [Int]
  }

  /// Blocks until something happens here or on one of `sockets`, or until the deadline (nil: none).
  package func wait(with sockets: [Socket], until deadline: Instant?) throws(Errno) -> Events {
    var entries = [descriptor.raw, wake.descriptor].map {
      pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
    }
    entries += sockets.map(\.pollEntry)
    _ = try retrying("accept on \(address)") {
      poll(&entries, nfds_t(entries.count), deadline?.remainingMilliseconds() ?? -1)
    }
    return Events(
      isShutDown: entries[1].revents != 0, hasConnection: entries[0].revents != 0,
      readable: sockets.indices.filter { entries[$0 + 2].revents != 0 })
  }

  /// A connection that has come; nil if there is none now. Does not block. Throws as ``accept()``.
  package func acceptNow() throws(Errno) -> Socket? {
    while true {
      var (raw, code): (Int32, Int32) = (-1, 0)
      let peer = SocketAddress { base, length in
        (raw, code) = (kt_accept(descriptor.raw, base, length), errno)
        return raw != -1
      }
      if raw != -1 {
        let connection = FileDescriptor(owning: raw)
        _ = kt_tune_stream(raw)
        // A client of a local socket has no address.
        if let peer = peer ?? (address.family == AF_UNIX ? address : nil) {
          return Socket(connection, peer: peer)
        }
        continue
      }
      switch code {
      case EAGAIN: return nil
      case EMFILE, ENFILE, ENOBUFS, ENOMEM, EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP:
        throw Errno(code, "accept on \(address)")
      default: continue  // the connection's own network error, or it went away again (accept(2))
      }
    }
  }

  /// Ends ``accept()`` permanently. From any thread; does not block. The port is free when the
  /// listener is released, unless the service manager holds it.
  package func shutdown() {
    // First: accept(2) fails on a socket that is shut down, which must not look like an error.
    wake.signal()
    // shutdown(2) ends listening for every holder of the socket. The service manager's must go on.
    if !isShared { _ = Glibc.shutdown(descriptor.raw, Int32(SHUT_RDWR)) }
  }
}
