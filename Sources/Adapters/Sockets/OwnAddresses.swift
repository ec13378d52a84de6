// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Linux

/// What this host is called and reached by.
package enum OwnAddresses {
  /// The addresses of all its interfaces, as ``SocketAddress/host`` writes them.
  package static func hosts() throws(Errno) -> Set<String> {
    var first: UnsafeMutablePointer<ifaddrs>?
    _ = try retrying("list the addresses of this host") { getifaddrs(&first) }
    defer { freeifaddrs(first) }
    var hosts: Set<String> = []
    var next = first
    while let entry = next {
      next = entry.pointee.ifa_next
      guard let address = entry.pointee.ifa_addr else { continue }
      let size =
        Int32(address.pointee.sa_family) == AF_INET6
        ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
      if let known = SocketAddress(UnsafeRawBufferPointer(start: address, count: size)) {
        hosts.insert(known.host)
      }
    }
    return hosts
  }

  package static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
