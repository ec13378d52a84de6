// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import Linux
import Threads

/// What the Key Manager knows, as its state file holds it.
///
/// Each host has its own file and sends what it writes to all others (`Cluster`). A host whose file
/// is older than the others' is one that was restored from a backup.
struct State: Codable, Sendable {
  struct Enclave: Codable, Sendable {
    var created: Origin?
    /// By `h1:...`; policies and keys by name.
    var identities: [String: Member] = [:]
    var policies: [String: Policy]?
    var keys: [String: Key] = [:]
  }

  /// Who made a thing, and when.
  struct Origin: Codable, Sendable, Equatable {
    /// Nanoseconds since 1970-01-01 UTC.
    var at: Int64
    /// An identity; empty for none.
    var by: String
  }

  struct Member: Codable, Sendable {
    var created: Origin?
    /// `admin`: everything in the enclave; `user`: what the policy allows.
    var privilege: String
    /// The name of its policy. None: nothing is allowed.
    var policy: String?
  }

  /// What is not allowed is denied, and a denial wins (docs/facts.md, "Key Manager operation").
  struct Policy: Codable, Sendable {
    var created: Origin?
    /// Patterns of names (exact, `prefix*` or `*`) by action, for example `KEY:GENERATE`.
    var allow: [String: [String]]
    var deny: [String: [String]]?

    func allows(_ action: String, on name: String) -> Bool {
      func matches(_ rules: [String: [String]]) -> Bool {
        (rules[action] ?? []).contains { pattern in
          pattern.hasSuffix("*") ? name.hasPrefix(pattern.dropLast()) : name == pattern
        }
      }
      return matches(allow) && !matches(deny ?? [:])
    }
  }

  struct Key: Codable, Sendable, Equatable {
    /// By ascending number.
    var versions: [Version] = []

    /// That version, the latest for 0; nil if it is not there.
    subscript(number: UInt64) -> Version? {
      number == 0 ? versions.last : versions.first { UInt64($0.number) == number }
    }
  }

  /// The bytes that encrypt data keys. Those of one version never change.
  struct Version: Codable, Sendable, Equatable {
    var number: UInt32
    /// `AES256` or `ChaCha20`.
    var type: String
    /// 32 bytes.
    var bytes: Data
    var created: Origin

    init(number: UInt32, type: String, createdBy: String) {
      self.number = number
      self.type = type
      bytes = Data(Cipher.random(32))
      created = Origin(at: Clock.realtimeMicroseconds() * 1000, by: createdBy)
    }
  }

  /// By which the hosts of a cluster know one another.
  var clusterSecret: String
  /// Identities that may do everything, in every enclave and with enclaves themselves.
  var administrators: Set<String>?
  var enclaves: [String: Enclave]

  /// Blocks on the disk.
  static func load(_ path: String) throws -> State {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Errno(ENOENT, "read \(path)")
    }
    return try JSONDecoder().decode(State.self, from: data)
  }

  /// Blocks on the disk.
  func save(_ path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try encoder.encode(self).write(to: URL(filePath: path), options: .atomic)
  }

  /// One write, as the hosts send it to one another.
  struct Change: Codable, Sendable {
    var enclave: String
    /// Set where the enclave is created.
    var created: Origin?
    /// The key's name; none: it is about the enclave.
    var key: String?
    /// The version that the key gets; none: it is deleted with all of them.
    var version: Version?
  }

  /// Whether the change could be taken: another version of its number may have come first.
  mutating func apply(_ change: Change) -> Bool {
    var enclave = enclaves[change.enclave] ?? Enclave(created: change.created)
    if let name = change.key {
      if let version = change.version {
        var key = enclave.keys[name] ?? Key()
        if let present = key[UInt64(version.number)] { return present == version }
        key.versions.append(version)
        key.versions.sort { $0.number < $1.number }
        enclave.keys[name] = key
      } else {
        enclave.keys[name] = nil
      }
    }
    enclaves[change.enclave] = enclave
    return true
  }
}
