// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import Linux

/// What the Key Manager knows, as its state file holds it.
///
/// Each host has its own file and sends what it writes to all others (`Cluster`). The bytes of a
/// key follow from `masterKey`, its enclave and its name: hosts with the same master key agree on
/// every key.
struct State: Codable, Sendable {
  struct Enclave: Codable, Sendable {
    /// By `h1:...`; policies and keys by name.
    var identities: [String: Member] = [:]
    var policies: [String: Policy]?
    var keys: [String: Key] = [:]
  }

  struct Member: Codable, Sendable {
    /// `admin`: everything in the enclave; `user`: what the policy allows.
    var privilege: String
    /// The name of its policy. None: nothing is allowed.
    var policy: String?
  }

  /// What is not allowed is denied, and a denial wins (docs/facts.md, "Key Manager operation").
  struct Policy: Codable, Sendable {
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
    var version: Int
    /// Nanoseconds since 1970-01-01 UTC.
    var createdAt: Int64
    var createdBy: String

    /// Decides between two that two hosts created at the same time, everywhere alike.
    func isBefore(_ other: Key) -> Bool {
      (createdAt, createdBy) < (other.createdAt, other.createdBy)
    }
  }

  var masterKey: String
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
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try encoder.encode(self).write(to: URL(filePath: path), options: .atomic)
  }

  /// One write, as the hosts send it to one another.
  struct Change: Codable, Sendable {
    var enclave: String
    /// The key's name; none: the enclave is created.
    var key: String?
    /// What it becomes; none: it is deleted.
    var value: Key?
  }

  mutating func apply(_ change: Change) {
    var enclave = enclaves[change.enclave] ?? Enclave()
    if let name = change.key {
      switch (enclave.keys[name], change.value) {
      case (let old?, let new?): enclave.keys[name] = old.isBefore(new) ? old : new
      case (_, let new): enclave.keys[name] = new
      }
    }
    enclaves[change.enclave] = enclave
  }
}
