// SPDX-License-Identifier: Apache-2.0

/// A host (name, IPv4 or IPv6 address) and a port.
package struct HostPort: Sendable, Hashable, Codable {
  /// The name or address; an IPv6 address without its brackets.
  package var host: String
  package var port: UInt16

  package init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// Parses `host`, `host:port`, `[v6]` or `[v6]:port`; nil if it is none of them or there is no
  /// port.
  package init?(_ text: String, defaultPort: UInt16? = nil) {
    var host = Substring(text)
    var port: Substring?
    if text.hasPrefix("[") {
      guard let close = text.firstIndex(of: "]") else { return nil }
      host = text[text.index(after: text.startIndex)..<close]
      let rest = text[text.index(after: close)...]
      if !rest.isEmpty {
        guard rest.first == ":" else { return nil }
        port = rest.dropFirst()
      }
      // Without a colon it is no IPv6 address, and would not be written in brackets.
      guard host.contains(":"),
        host.utf8.allSatisfy({ $0.hexValue != nil || $0 == 0x3A || $0 == 0x2E || $0 == 0x25 })
      else { return nil }
    } else {
      if let colon = text.lastIndex(of: ":") {
        host = text[..<colon]
        port = text[text.index(after: colon)...]
      }
      guard host.utf8.allSatisfy({ $0.isLetterOrDigit || $0 == 0x2D || $0 == 0x2E || $0 == 0x5F })
      else { return nil }
    }
    guard !host.isEmpty, host.utf8.count <= 253 else { return nil }
    if let port {
      guard let number = UInt16(port), number > 0, port.isDigits else { return nil }
      self.init(host: String(host), port: number)
    } else {
      guard let defaultPort else { return nil }
      self.init(host: String(host), port: defaultPort)
    }
  }

  /// `host:port`, an IPv6 address in brackets.
  package var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
