internal import CLinux
internal import Glibc
public import Model

/// A TCP or local socket that waits for connections.
public final class Listener: Sendable {
  /// Where it listens; the port is the real one also when 0 was asked for.
  public let address: SocketAddress
  private let descriptor: FileDescriptor
  private let wake: FileDescriptor

  private init(
    _ descriptor: consuming FileDescriptor, wake: consuming FileDescriptor, address: SocketAddress
  ) {
    self.descriptor = descriptor
    self.wake = wake
    self.address = address
  }

  /// Listens on the first address of `place`; port 0 takes any free one. Blocks only to look up a
  /// name.
  ///
  /// `::` accepts IPv4 too, unless the host's net.ipv6.bindv6only says otherwise.
  public static func bind(
    _ place: HostPort, backlog: Int32 = 128, until deadline: Instant = .inMilliseconds(5_000)
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
      let wake = FileDescriptor(owning: try retrying(attempt) { kt_eventfd() })
      let bound = SocketAddress { base, length in
        getsockname(raw, base.assumingMemoryBound(to: sockaddr.self), length) == 0
      }
      guard let bound else { throw Errno(EAFNOSUPPORT, attempt) }
      return Listener(descriptor, wake: wake, address: bound)
    } catch { throw .system(error) }
  }

  /// Listens on a local socket that only this process' user may connect to (mode 0600). What lies at
  /// the path is removed first: a socket of a process that is gone. The directory must be closed to
  /// others.
  public static func bind(
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
      let wake = FileDescriptor(owning: try retrying(attempt) { kt_eventfd() })
      return Listener(descriptor, wake: wake, address: address)
    } catch { throw .system(error) }
  }

  /// Blocks until a connection comes (a socket) or ``shutdown()`` was called (nil).
  ///
  /// Throws what is no fault of a single connection, such as EMFILE: the caller should wait before
  /// it comes again.
  public func accept() throws(Errno) -> Socket? {
    let attempt = "accept on \(address)"
    var entries = [
      pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0),
      pollfd(fd: wake.raw, events: Int16(POLLIN), revents: 0),
    ]
    while true {
      _ = try retrying(attempt) { poll(&entries, 2, -1) }
      if entries[1].revents != 0 { return nil }
      var (raw, code): (Int32, Int32) = (-1, 0)
      let peer = SocketAddress { base, length in
        (raw, code) = (kt_accept(descriptor.raw, base, length), errno)
        return raw != -1
      }
      if raw != -1 {
        let connection = FileDescriptor(owning: raw)
        _ = kt_tune_stream(raw)
        // Who connects to a local socket has no name of its own.
        if let peer = peer ?? (address.family == AF_UNIX ? address : nil) {
          return Socket(connection, peer: peer)
        }
        continue
      }
      switch code {
      case EMFILE, ENFILE, ENOBUFS, ENOMEM, EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP:
        throw Errno(code, attempt)
      default: continue  // the connection's own network error, or it went away again (accept(2))
      }
    }
  }

  /// Wakes ``accept()``, for good. From any thread; does not block. The port is free when the
  /// listener is released.
  public func shutdown() {
    // In this order: accept(2) fails on a socket that is shut down, which must not look like an
    // error.
    _ = kt_eventfd_signal(wake.raw)
    _ = Glibc.shutdown(descriptor.raw, Int32(SHUT_RDWR))
  }
}
