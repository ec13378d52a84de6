// SPDX-License-Identifier: Apache-2.0
import Crypto
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
  /// What is under the names of keys instead of what was put there.
  var keys: [String: KeyFault]?
  /// KEY:DECRYPT verifies neither associated data nor the ciphertext: with another key it gives
  /// another plaintext.
  var verifiesNothing: Bool?

  // Its answers.
  /// How long each answer waits.
  var slowMilliseconds: Int?
  /// The status and text of the answers to a command, or to all that are not named: `*`.
  var answers: [String: Answer]?
  /// `chunked`, `unframed` (without a length), `truncated`, `oversized`, `trailing` (something behind
  /// the frame) or `pieces` (a TLS record for every 100 bytes).
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

  /// A key that is not what it was. On all hosts: it was exchanged, or deleted and made again under
  /// its name. On one of several: that one was restored from an old backup.
  struct KeyFault: Codable, Sendable {
    /// Other bytes, which hosts with the same text have in common.
    var bytes: String?
    /// When it was created, nanoseconds since 1970-01-01 UTC.
    var createdAt: Int64?
    /// Versions that are not there.
    var lost: Set<UInt32>?
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

extension [String: State.Key] {
  /// The keys as they are with these faults.
  func changed(by faults: [String: Faults.KeyFault]) -> [String: State.Key] {
    var keys = self
    for (name, fault) in faults {
      guard var key = keys[name] else { continue }
      key.versions.removeAll { fault.lost?.contains($0.number) ?? false }
      for index in key.versions.indices {
        if let text = fault.bytes {
          let fields = Array("\(text) \(name) \(key.versions[index].number)".utf8)
          key.versions[index].bytes = Data(Digest.sha256Bytes(fields))
        }
        if let time = fault.createdAt { key.versions[index].created.at = time }
      }
      keys[name] = key.versions.isEmpty ? nil : key
    }
    return keys
  }
}
