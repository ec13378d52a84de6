// SPDX-License-Identifier: Apache-2.0
internal import Model

/// A release of the server, which is named for the time it was built:
/// `RELEASE.2025-09-07T16-13-09Z`.
package struct ServerRelease: Sendable, Hashable, Comparable {
  package let text: String

  /// Finds one in a line of the banner or of `minio --version`; nil if there is none.
  package init?(in line: String) {
    let mark = "RELEASE."
    guard let range = line.firstRange(of: mark) else { return nil }
    let time = line[range.upperBound...].prefix("2025-09-07T16-13-09Z".utf8.count)
    let form = "dddd-dd-ddTdd-dd-ddZ"
    guard time.utf8.count == form.utf8.count,
      zip(time.utf8, form.utf8).allSatisfy({ byte, wanted in
        wanted == UInt8(ascii: "d") ? byte.isDigit : byte == wanted
      })
    else { return nil }
    text = mark + time
  }

  private init(_ text: String) { self.text = text }

  /// The release that a line of the server's banner names, in text or as JSON; nil if it is none of
  /// the banner's.
  package init?(ofBanner message: String) {
    let text = message.utf8.first == UInt8(ascii: "{") ? JSONLogLine(message)?.text : message
    let line = text?.split(separator: "\n").first { $0.hasPrefix("Version: ") }
    guard let line, let release = ServerRelease(in: String(line)) else { return nil }
    self = release
  }

  /// The first that sends READY=1 (docs/facts.md, "The server's unit").
  package static let firstToSayReady = ServerRelease("RELEASE.2023-05-04T21-44-30Z")

  /// The first that knows the Key Manager.
  package static let firstWithKeyManager = ServerRelease("RELEASE.2024-05-10T01-41-38Z")
  /// The first that takes API keys of the kind `k2:`.
  package static let firstToTakeECDSAKeys = ServerRelease("RELEASE.2025-05-24T17-08-30Z")

  package static func < (a: ServerRelease, b: ServerRelease) -> Bool { a.text < b.text }
}
