// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Model

/// An IPv4 or IPv6 address and a port, as the kernel writes them, or the path of a local socket.
package struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
  /// A sockaddr_in, a sockaddr_in6 or a sockaddr_un.
  private let bytes: [UInt8]

  /// A local socket (unix(7)); nil if the path is too long for one.
  package static func local(_ path: String) -> SocketAddress? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let text = Array(path.utf8)
    let fits = withUnsafeMutableBytes(of: &address.sun_path) { room in
      // The last byte stays zero.
      guard !text.isEmpty, text.count < room.count, !text.contains(0) else { return false }
      room.copyBytes(from: text)
      return true
    }
    return fits ? SocketAddress(bytes: withUnsafeBytes(of: address) { Array($0) }) : nil
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  /// Copies a socket address; nil if it is neither IPv4 nor IPv6.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= MemoryLayout<sa_family_t>.size else { return nil }
    let size: Int
    switch Int32(bytes.loadUnaligned(as: sa_family_t.self)) {
    case AF_INET: size = MemoryLayout<sockaddr_in>.size
    case AF_INET6: size = MemoryLayout<sockaddr_in6>.size
    default: return nil
    }
    guard bytes.count >= size else { return nil }
    self.bytes = Array(bytes[..<size])
  }

  /// Has the kernel write an address (accept, getsockname) by `fill`; nil if it wrote none that we
  /// know.
  init?(filledBy fill: (UnsafeMutableRawPointer, UnsafeMutablePointer<UInt32>) -> Bool) {
    var storage = sockaddr_storage()
    var length = UInt32(MemoryLayout<sockaddr_storage>.size)
    let address: SocketAddress? = withUnsafeMutableBytes(of: &storage) { storage in
      guard let base = storage.baseAddress, fill(base, &length) else { return nil }
      return SocketAddress(
        UnsafeRawBufferPointer(rebasing: storage[..<min(Int(length), storage.count)]))
    }
    guard let address else { return nil }
    self = address
  }

  var family: Int32 { Int32(bytes.withUnsafeBytes { $0.loadUnaligned(as: sa_family_t.self) }) }

  private var isLocal: Bool { family == AF_UNIX }

  /// What connections are counted by: an IPv4 address, whichever way it is written, or an IPv6
  /// network of 64 bits, of which a host may use every address.
  package var sourceNetwork: SourceNetwork {
    switch family {
    case AF_INET: return SourceNetwork(bytes: Array(bytes[4..<8]))
    case AF_INET6:
      return SourceNetwork(bytes: Array(mapped ?? bytes[8..<16]))
    default: return SourceNetwork(bytes: [])
    }
  }

  /// The IPv4 address in ::ffff:a.b.c.d, by which an IPv4 host is known at a socket for both (RFC
  /// 4291, 2.5.5.2).
  private var mapped: ArraySlice<UInt8>? {
    let prefix = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]
    return family == AF_INET6 && bytes[8..<20].elementsEqual(prefix) ? bytes[20..<24] : nil
  }

  /// The port; it stands at the same place in both families, and a local socket has none.
  package var port: UInt16 { UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }

  /// The address in figures, for example `10.0.0.1` or `fe80::1%eth0`; an IPv4 address as such,
  /// however the kernel writes it.
  package var host: String {
    if let mapped { return mapped.map(String.init).joined(separator: ".") }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(NI_MAXHOST)) { host in
      let code = withSockaddr { address, length in
        getnameinfo(
          address, length, host.baseAddress, socklen_t(host.count), nil, 0, NI_NUMERICHOST)
      }
      guard code == 0, let base = host.baseAddress else { return "?" }
      return String(cString: base)
    }
  }

  /// `10.0.0.1:7377`, `[fd00::1]:7377`.
  package var text: String {
    if !isLocal { return HostPort(host: host, port: port).text }
    return String(decoding: bytes.dropFirst(2).prefix { $0 != 0 }, as: UTF8.self)
  }

  package var description: String { text }

  /// Lends the address to a system call.
  func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    bytes.withUnsafeBytes { raw in
      let address = raw.assumingMemoryBound(to: sockaddr.self)
      guard let base = address.baseAddress else {
        preconditionFailure("a socket address is never empty")
      }
      return body(base, socklen_t(raw.count))
    }
  }
}

/// Where a connection comes from, as far as one host can be told from another.
package struct SourceNetwork: Sendable, Hashable {
  fileprivate let bytes: [UInt8]

  /// A network of a number's own, for tests of what counts by source.
  package init(number: UInt32) { bytes = withUnsafeBytes(of: number.bigEndian) { Array($0) } }

  fileprivate init(bytes: [UInt8]) { self.bytes = bytes }
}
