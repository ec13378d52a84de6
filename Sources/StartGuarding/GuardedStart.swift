// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import EnvironmentFile
internal import JSONCoding
package import Model
package import Rollout
internal import Threads

/// What the start guard needs of the host: files, and the environment that systemd hands over.
package protocol GuardedHost: Sendable {
  /// All of a file; nil if there is none.
  func content(of path: String, limitBytes: Int) throws(Refusal) -> [UInt8]?
  /// One of the agent's records, its checksum verified; nil if there is none.
  func record(_ path: String) throws(Refusal) -> [UInt8]?
  func isDirectory(_ path: String) throws(Refusal) -> Bool
  /// The path to a file, and who besides root and the user could change where it leads or what the
  /// file says; a nil user for root alone.
  func place(of path: String, user: String?) throws(Refusal) -> ConfigFilePlace
  /// Writes a record of a start that the start guard allowed, and removes the oldest beyond the limit.
  func leaveEvidence(_ path: String, _ bytes: [UInt8]) throws(Refusal)
  /// Of the process's environment.
  func variable(_ name: String) -> String?
}

/// The start guard. systemd runs it before the server's process, in the same environment, and gives
/// up the start if it does not exit with 0. Both programs that can be it, `keyturn-guard` and
/// `keyturn guard`, are this.
///
/// It compares the key in that environment with the seal in the agent's state directory. It needs
/// no agent, inventory, certificate or network, changes nothing, and is silent unless it refuses. Of
/// each start that it allows it leaves evidence, by which the agent knows that it ran.
/// It allows everything where nothing was sealed, or the seal was lifted, or the state directory is
/// not there and the unit does not name it. A seal that is damaged or was removed refuses.
package struct GuardedStart {
  /// Where the agent's records are, unless the unit names another directory.
  package static let state = "/var/lib/keyturn"

  private let host: any GuardedHost
  private let state: String?

  private static let key = "MINIO_KMS_SSE_KEY"
  private static let enclave = "MINIO_KMS_ENCLAVE"
  private static let config = "MINIO_CONFIG_ENV_FILE"

  /// - Parameter state: the agent's records, which must be there; nil for ``state``.
  package init(host: any GuardedHost, state: String?) {
    self.host = host
    self.state = state
  }

  /// Whether systemd has started this process, for a unit: it gives each the unit's invocation.
  package var isBySystemd: Bool { host.variable("INVOCATION_ID") != nil }

  /// What stands before a line of the journal that is an error.
  package var priority: String { host.variable("JOURNAL_STREAM") == nil ? "" : "<3>" }

  /// What to say besides a refusal; nil for nothing.
  package static let byHand =
    "systemd has not called it: this judges the environment that it was called with, and no server; keyturn status says whether the next start would be refused"

  /// Why the start is refused; nil if it is not. Then evidence of it was left. Blocks on the disk.
  package func refusal() -> String? {
    var found = Found()
    if let refusal = refusal(&found) { return refusal }
    do throws(Refusal) { try leaveEvidence(found) } catch {
      // Where nothing is sealed there is nothing to lose.
      if found.seal == nil { return nil }
      return
        "that the start guard has judged it cannot be written down, so the agent could not tell this start from one that went past it: \(error.message)"
    }
    return nil
  }

  private struct Found {
    var seal: Seal?
    /// What MINIO_CONFIG_ENV_FILE names; empty if nothing.
    var path = ""
    /// What is in that file; nil if it is not there.
    var file: [UInt8]?
    var key: KeyIdentity?
  }

  private func leaveEvidence(_ found: Found) throws(Refusal) {
    guard let invocation = host.variable("INVOCATION_ID"),
      let path = GuardEvidence.path(of: invocation)
    else { return }
    let evidence = GuardEvidence(
      invocation: invocation, key: found.key, config: found.path.isEmpty ? nil : found.path,
      configDigest: found.file.map { Digest.sha256($0) }, seal: found.seal?.digest,
      realtimeMicroseconds: Clock.realtimeMicroseconds())
    try host.leaveEvidence(path, JSON.encode(evidence))
  }

  private func refusal(_ found: inout Found) -> String? {
    if let named = state {
      do throws(Refusal) {
        if try !host.isDirectory(named) {
          return "which key is sealed on this node is not known: there is no directory \(named), "
            + "which --state in the unit's ExecStartPre= names. Mount it, or correct the path"
        }
      } catch { return "which key is sealed on this node is not known: \(error.message)" }
    }
    let directory = state ?? Self.state
    let record = SealRecord(cluster: nil) { file throws(Refusal) in
      try host.record("\(directory)/\(file.rawValue)")
    }
    let seal: Seal?
    switch record {
    case .unsealed: seal = nil
    case .sealed(let own): seal = own
    case .missing, .damaged:
      return "which key is sealed on this node is not known, so keys cannot be compared: "
        + "\(record.problem ?? "") (in \(directory)). `keyturn seal recover NODE` takes the seal "
        + "from the other nodes; docs/use/seal.md, \"The start guard\", says more"
    }
    let hold: StartHold?
    do throws(Refusal) { hold = try self.hold(directory) } catch {
      return
        "whether a rollback holds the server is not known: \(error.message) (in \(directory)); "
        + "docs/use/seal.md, \"The start guard\""
    }
    found.seal = seal
    if seal == nil, hold == nil { return nil }
    let path = (host.variable(Self.config) ?? "").trimmed
    found.path = path
    do throws(Refusal) {
      if let problem = try problem(with: path) {
        return "\(Self.config): \(problem), so which key the server would use cannot be relied on; "
          + ConfigFilePlace.remedy
      }
      found.file = try content(of: path)
    } catch {
      return "\(error.message) \(Self.config) names this file, whose values the server would take, "
        + "so which key it would use is not known; correct the file, or its path"
    }
    let file = EnvironmentDocument(found.file ?? []).minio.definitions.filter { !$0.isDropped }
    func variable(_ name: String) -> StartGuard.Variable {
      StartGuard.Variable(
        environment: host.variable(name).map {
          StartGuard.Definition(value: $0, place: "what systemd hands over")
        },
        file: file.filter { $0.name == name }.map {
          StartGuard.Definition(value: $0.value, place: "\(path) line \($0.line)")
        })
    }
    let (key, enclave) = (variable(Self.key), variable(Self.enclave))
    found.key = key.value.map { KeyIdentity(name: $0, enclave: enclave.value ?? "") }
    if let hold, let problem = StartGuard.problem(hold: hold, key: key, enclave: enclave) {
      return
        "\(problem), and rollback \(hold.rollout) takes that key back: a server that got past the "
        + "Key Manager with it now would encrypt with a key that is not there afterwards. `keyturn "
        + "watch \(hold.rollout)` shows how it ends; docs/use/seal.md, \"The start guard\""
    }
    guard let seal, let problem = StartGuard.problem(seal: seal, key: key, enclave: enclave) else {
      return nil
    }
    let since = CalendarTime.text(microseconds: seal.sealedAtMicroseconds)
    return "\(problem), but the key \"\(seal.keyName)\" in the enclave \"\(seal.enclave)\" is "
      + "sealed since \(since) (rollout \(seal.rollout)), and data written with it cannot be read "
      + "with another. Put back \(Self.key)=\"\(seal.keyName)\" and "
      + "\(Self.enclave)=\"\(seal.enclave)\" where the unit reads them (`keyturn explain "
      + "\(Self.key)` shows the places, `keyturn history` what was there before), then "
      + "`systemctl reset-failed` and start the unit again; docs/use/seal.md, \"The start guard\""
  }

  /// Of a rollback that is under way; nil if there is none.
  private func hold(_ directory: String) throws(Refusal) -> StartHold? {
    try StartHold.read(host.record("\(directory)/\(StartHold.record)"))
  }

  /// Why the server could read another file than this program, or another content; nil if it could
  /// not, or there is no file.
  private func problem(with path: String) throws(Refusal) -> String? {
    if path.isEmpty { return nil }
    if let obstacle = ConfigFilePlace.obstacle(to: path) { return obstacle }
    // systemd sets USER to the unit's user, also for a command with the prefix +.
    return try host.place(of: path, user: host.variable("USER")).problem
  }

  /// Nil if there is no file.
  private func content(of path: String) throws(Refusal) -> [UInt8]? {
    if path.isEmpty { return nil }
    return try host.content(of: path, limitBytes: Limits.environmentFileBytes)
  }
}
