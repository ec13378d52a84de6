// SPDX-License-Identifier: Apache-2.0
import Glibc
import Model

/// `server [FLAGS] VOLUME...`, the only command.
struct ServerArguments: Sendable {
  var address = HostPort(host: "0.0.0.0", port: 9000)
  var certificatesDirectory: String
  var logDirectory: String?
  var json = false
  var quiet = false
  /// As they stand in the arguments: one pool each.
  var pools: [String] = []

  struct Problem: Error { var text: String }

  init(_ arguments: [String], home: String) throws(Problem) {
    certificatesDirectory = "\(home)/.minio/certs"
    guard arguments.first == "server" else { throw Problem(text: "no command 'server'") }
    var rest = arguments.dropFirst()
    while let argument = rest.popFirst() {
      guard argument.hasPrefix("-"), argument != "-" else {
        pools.append(argument)
        continue
      }
      let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
      func value() throws(Problem) -> String {
        if parts.count == 2 { return parts[1] }
        guard let next = rest.popFirst() else {
          throw Problem(text: "flag needs an argument: \(argument)")
        }
        return next
      }
      switch parts[0] {
      case "--certs-dir", "-S": certificatesDirectory = try value()
      case "--config-dir", "-C": certificatesDirectory = try value() + "/certs"
      case "--log-dir": logDirectory = try value()
      case "--json": json = true
      case "--quiet": quiet = true
      case "--anonymous": break
      case "--console-address": _ = try value()
      case "--address":
        let text = try value()
        let full = text.hasPrefix(":") ? "0.0.0.0" + text : text
        guard let place = HostPort(full) else {
          throw Problem(text: "invalid value \"\(text)\" for flag --address")
        }
        address = place
      default: throw Problem(text: "flag provided but not defined: \(parts[0])")
      }
    }
  }

  /// Every pool with its `{1...4}` expanded.
  func endpoints() throws(Problem) -> [Drive] {
    var drives: [Drive] = []
    for pool in pools {
      for text in try Self.expand(pool) {
        guard let drive = Drive(text) else { throw Problem(text: "invalid drive \"\(text)\"") }
        drives.append(drive)
      }
    }
    return drives
  }

  private static func expand(_ text: String) throws(Problem) -> [String] {
    guard let open = text.firstIndex(of: "{"), let close = text[open...].firstIndex(of: "}") else {
      return [text]
    }
    let inside = text[text.index(after: open)..<close]
    guard let dots = inside.firstRange(of: "..."), let from = Int(inside[..<dots.lowerBound]),
      let to = Int(inside[dots.upperBound...]), from <= to, to - from < 1024
    else { throw Problem(text: "invalid ellipsis format in (\(text))") }
    let tails = try expand(String(text[text.index(after: close)...]))
    return (from...to).flatMap { number in tails.map { text[..<open] + "\(number)" + $0 } }
  }
}

/// One drive of the deployment: a directory here or on a peer.
struct Drive: Sendable, Hashable {
  /// Nil in a deployment of one node, whose drives are plain paths.
  var host: HostPort?
  var path: String

  init?(_ text: String) {
    guard let scheme = text.firstRange(of: "://") else {
      guard text.hasPrefix("/") else { return nil }
      path = text
      return
    }
    let rest = text[scheme.upperBound...]
    guard let slash = rest.firstIndex(of: "/"),
      let host = HostPort(String(rest[..<slash]), defaultPort: 9000)
    else { return nil }
    self.host = host
    path = String(rest[slash...])
  }
}
