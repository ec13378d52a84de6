// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// How the stand-in misbehaves: a JSON file that is read again for each connection and request, so
/// that a test can change it. Without the file the stand-in behaves.
struct Faults: Codable, Sendable {
  // The connection.
  /// It accepts and says nothing.
  var silent: Bool?
  /// It speaks HTTP without TLS.
  var plainHTTP: Bool?
  /// It speaks TLS 1.1 at most.
  var outdatedTLS: Bool?

  // Its state.
  var notAlive: Bool?
  var notReady: Bool?
  /// No writes; so no Key Manager of the cluster can write.
  var readOnly: Bool?
  /// Its release and its name for itself instead of the real ones.
  var release: String?
  var host: String?
  /// Commands that are denied to everyone, such as `KEY:STATUS`.
  var deny: Set<String>?
  /// The other Key Managers, instead of those of the command line.
  var peers: [String]?

  // Its answers.
  /// How long each answer waits.
  var slowMilliseconds: Int?
  /// The status and text of the answers to a command, or to all that are not named: `*`.
  var answers: [String: Answer]?
  /// `chunked`, `unframed` (without a length), `truncated`, `oversized` or `trailing` (something
  /// behind the frame).
  var framing: String?
  var contentType: String?
  /// How errors are written: `protobuf`, `json` or `text`.
  var errors: String?
  /// Every data key is this text, so that a test can look for it.
  var dataKey: String?

  struct Answer: Codable, Sendable {
    var status: Int
    var text: String
  }

  /// A missing file is no fault; one that cannot be read is a broken test.
  static func load(_ path: String?) -> Faults {
    guard let path, let data = FileManager.default.contents(atPath: path) else { return Faults() }
    do { return try JSONDecoder().decode(Faults.self, from: data) } catch {
      Main.log("minkms: \(path): \(error)")
      return Faults()
    }
  }
}
