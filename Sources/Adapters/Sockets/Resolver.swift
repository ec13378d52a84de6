// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Linux
package import Model
internal import Threads

/// Host names to addresses, by the C library, so that /etc/hosts and nsswitch.conf count.
package enum Resolver {
  /// Blocks until the addresses of `host` are known, in the order in which they should be tried, or
  /// the deadline.
  ///
  /// Each name is looked up on a new thread: getaddrinfo(3) takes no deadline. When the
  /// deadline comes first, that thread ends by the C library's own timeouts. Numeric addresses need
  /// neither thread nor network.
  package static func resolve(
    _ host: String, port: UInt16, until deadline: Instant
  ) throws(SocketFailure) -> [SocketAddress] {
    let attempt = "look up \(host)"
    if case .success(let addresses) = lookUp(host, port, attempt, flags: AI_NUMERICHOST) {
      return addresses
    }
    let answer = Lock<Result<[SocketAddress], SocketFailure>?>(nil)
    do throws(Errno) {
      try Thread.start("resolve") {
        let result = lookUp(host, port, attempt, flags: 0)
        answer.update { $0 = result }
      }
    } catch { throw .system(error) }
    guard let result = answer.wait(until: deadline, { $0 }) else { throw .timedOut(attempt) }
    return try result.get()
  }

  private static func lookUp(
    _ host: String, _ port: UInt16, _ attempt: String, flags: Int32
  ) -> Result<[SocketAddress], SocketFailure> {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = flags | AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let (code, number) = (getaddrinfo(host, String(port), &hints, &list), errno)
    guard code == 0 else {
      switch code {
      // EAI_NODATA (-5) is hidden behind _GNU_SOURCE.
      case EAI_NONAME, -5: return .failure(.noSuchHost(attempt))
      case EAI_SYSTEM: return .failure(.system(Errno(number, attempt)))
      default: return .failure(.lookupFailed(attempt, String(cString: gai_strerror(code))))
      }
    }
    defer { freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var next = list
    while let entry = next?.pointee {
      let raw = UnsafeRawBufferPointer(start: entry.ai_addr, count: Int(entry.ai_addrlen))
      if let address = SocketAddress(raw), !addresses.contains(address) {
        addresses.append(address)
      }
      next = entry.ai_next
    }
    return addresses.isEmpty ? .failure(.noSuchHost(attempt)) : .success(addresses)
  }
}
