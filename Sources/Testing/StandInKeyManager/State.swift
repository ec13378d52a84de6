import FoundationEssentials
import Glibc
import LinuxIO

/// What the Key Manager knows, as its state file holds it.
///
/// A real cluster of Key Managers replicates its keys. Here each host has a file of its own, and
/// the bytes of a key follow from `masterKey`, its enclave and its name: two hosts with the same
/// master key agree on every key.
struct State: Codable, Sendable {
  struct Enclave: Codable, Sendable {
    /// By `h1:...`.
    var identities: [String: Member]
    /// The names of the keys that exist.
    var keys: Set<String>
  }

  struct Member: Codable, Sendable {
    /// `admin`: everything in the enclave; `user`: what the policy allows.
    var privilege: String
    /// None: nothing is allowed.
    var policy: Policy?
  }

  /// What is not allowed is denied, and a denial wins (facts, section H).
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

  var masterKey: String
  var enclaves: [String: Enclave]

  /// Blocks until the file is read.
  static func load(_ path: String) throws -> State {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Errno(ENOENT, "read \(path)")
    }
    return try JSONDecoder().decode(State.self, from: data)
  }

  /// Blocks until the file is replaced.
  func save(_ path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try encoder.encode(self).write(to: URL(filePath: path), options: .atomic)
  }
}
