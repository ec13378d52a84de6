// SPDX-License-Identifier: Apache-2.0
internal import Secrets

/// A line of a server that runs with `--json`: its level, its message and its origin.
///
/// A fatal line is `{"level":"FATAL","message":"..."}`, an error
/// `{"level":"ERROR","api":{"name":"SYSTEM.iam"},"error":{"message":"..."}}`. An error may have the
/// level FATAL though the server goes on (`logger.LogIf` with `FatalKind`): it counts as an error.
/// Reads those four strings and `time`, and checks no more of the grammar than that needs. See
/// docs/facts.md, "Output of the server".
package struct JSONLogLine: Sendable, Hashable {
  package var level = LineLevel.plain
  /// `message`, or else `error.message`.
  package var text = ""
  /// `api.name`, if it is one of the server's own parts.
  package var subsystem: String?
  package var time: String?

  /// Objects within objects that are followed; a deeper line is taken as plain text.
  private static let depthLimit = 16

  /// Nil if it is no JSON object, or one without a level.
  package init?(_ line: String) {
    var reader = Reader(bytes: Array(line.utf8))
    guard reader.readValue(path: [], depthLimit: Self.depthLimit), let level = reader.level
    else { return nil }
    time = reader.time
    switch level.uppercased() {
    case "FATAL": self.level = .fatal
    case "ERROR": self.level = .error
    case "WARNING", "WARN": self.level = .warning
    case "INFO": self.level = .info
    default: self.level = .plain
    }
    if self.level == .fatal, reader.name != nil, reader.message == nil { self.level = .error }
    text = reader.message ?? reader.errorMessage ?? line
    if let name = reader.name, name.hasPrefix("SYSTEM") || name.hasPrefix("INTERNAL") {
      subsystem = name
    }
  }

  /// Walks once over the bytes and keeps what is at five paths.
  private struct Reader {
    let bytes: [UInt8]
    var position = 0
    var level: String?
    var message: String?
    var errorMessage: String?
    var name: String?
    var time: String?

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipBlanks() {
      while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
        position += 1
      }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
      skipBlanks()
      guard next == byte else { return false }
      position += 1
      return true
    }

    /// Reads one value; false if there is none.
    mutating func readValue(path: [String], depthLimit: Int) -> Bool {
      skipBlanks()
      switch next {
      case UInt8(ascii: "{"):
        return readList(end: UInt8(ascii: "}"), depthLimit: depthLimit) { reader in
          guard let key = reader.readString(), reader.take(UInt8(ascii: ":")) else { return false }
          return reader.readValue(path: path + [key], depthLimit: depthLimit - 1)
        }
      case UInt8(ascii: "["):
        return readList(end: UInt8(ascii: "]"), depthLimit: depthLimit) { reader in
          reader.readValue(path: path + ["[]"], depthLimit: depthLimit - 1)
        }
      case UInt8(ascii: "\""):
        guard let text = readString() else { return false }
        switch path {
        case ["level"]: level = text
        case ["time"]: time = text
        case ["message"]: message = text
        case ["error", "message"]: errorMessage = text
        case ["api", "name"]: name = text
        default: break
        }
        return true
      default:
        let start = position
        while let byte = next, byte > 0x20, byte != UInt8(ascii: ","), byte != UInt8(ascii: "]"),
          byte != UInt8(ascii: "}")
        { position += 1 }
        if path == ["time"] { time = String(decoding: bytes[start..<position], as: UTF8.self) }
        return position > start
      }
    }

    private mutating func readList(
      end: UInt8, depthLimit: Int, element: (inout Reader) -> Bool
    ) -> Bool {
      guard depthLimit > 0 else { return false }
      position += 1
      if take(end) { return true }
      while true {
        skipBlanks()
        guard element(&self) else { return false }
        if take(end) { return true }
        guard take(UInt8(ascii: ",")) else { return false }
      }
    }

    private mutating func readString() -> String? {
      guard take(UInt8(ascii: "\"")) else { return nil }
      var text: [UInt8] = []
      while let byte = next {
        position += 1
        switch byte {
        case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
        case UInt8(ascii: "\\"):
          guard let escape = BackslashEscape(bytes, at: position) else { return nil }
          text += escape.decoded
          position += escape.length
        default: text.append(byte)
        }
      }
      return nil
    }
  }
}

/// The severity that a line claims: its prefix, or the `level` of a JSON line.
package enum LineLevel: String, Sendable, Codable, Hashable {
  /// `FATAL `; before 2024-07-12 `ERROR `.
  case fatal
  /// `ERRO: `, `Error: `.
  case error
  /// `WARN: `.
  case warning
  /// `INFO: `.
  case info
  /// No prefix: the banner, lines of old versions, and everything of the service manager.
  case plain
}
