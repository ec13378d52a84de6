internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Rollout
internal import Wire

/// `keyturn guard`: the last door. systemd runs it before the server's process, with the very
/// environment that the process will get, and gives the start up if it does not exit with 0.
///
/// It compares the key in that environment with the seal in the agent's state directory. It needs
/// no agent, inventory, certificate or network, changes nothing, and is silent unless it refuses.
/// Where nothing was ever sealed, or was lifted, it allows everything; what it cannot read, or was
/// removed, it does not take for nothing. Without its directory the agent never was on this node;
/// but one that is named in the unit must be there.
struct GuardCommand: Sendable {
  let context: CommandContext

  private static let key = "MINIO_KMS_SSE_KEY"
  private static let enclave = "MINIO_KMS_ENCLAVE"
  private static let config = "MINIO_CONFIG_ENV_FILE"

  /// Blocks on the disk only.
  func run() -> CommandResult {
    guard let refusal = refusal() else { return CommandResult(.done) }
    guard context.console.format == .text else {
      context.console.message(.error, "the last door: this start is refused: \(refusal)")
      return CommandResult(.startRefused)
    }
    // journald takes the priority from the head of a line; a journal line is one line.
    let head = context.host.variable("JOURNAL_STREAM") == nil ? "" : "<3>"
    context.host.write(
      "\(head)\(LastDoorLine.head)\(Console.visible(refusal))\n", to: .standardError)
    // systemd gives every process that it starts for a unit the unit's invocation.
    if context.host.variable("INVOCATION_ID") == nil {
      context.console.message(
        .note,
        "systemd has not called it: this judges the environment that it was called with, and no server; keyturn status says whether the next start would be refused"
      )
    }
    return CommandResult(.startRefused)
  }

  private func refusal() -> String? {
    let named = context.invocation.value("state")
    if let named {
      do throws(ReadFailure) {
        if try !context.host.isDirectory(named) {
          return "which key is sealed on this node is not known: there is no directory \(named), "
            + "which --state in the unit's ExecStartPre= names. Mount it, or correct the path"
        }
      } catch { return "which key is sealed on this node is not known: \(error.message)" }
    }
    let directory = named ?? "/var/lib/keyturn"
    let record = SealRecord(cluster: nil) { file throws(Refusal) in
      do throws(ReadFailure) {
        return try context.host.record("\(directory)/\(file.rawValue)")
      } catch { throw Refusal(.file, error.message) }
    }
    let seal: Seal?
    switch record {
    case .unsealed: seal = nil
    case .sealed(let own): seal = own
    case .missing, .damaged:
      return "which key is sealed on this node is not known, so no key can be told from another: "
        + "\(record.problem ?? "") (in \(directory)). `keyturn seal recover NODE` takes the seal "
        + "from the other nodes; docs/operations.md, \"The last door\", says more"
    }
    let hold: StartHold?
    do throws(Refusal) { hold = try self.hold(directory) } catch {
      return
        "whether a rollback holds the server is not known: \(error.message) (in \(directory)); "
        + "docs/operations.md, \"The last door\""
    }
    if seal == nil, hold == nil { return nil }
    let file: [EnvironmentDocument.Variable]
    let path = (context.host.variable(Self.config) ?? "").trimmed
    do throws(ReadFailure) { file = try definitions(in: path) } catch {
      return "\(error.message) \(Self.config) names this file, whose values the server would take, "
        + "so which key it would use is not known; mend the file, or its path"
    }
    func variable(_ name: String) -> LastDoor.Variable {
      LastDoor.Variable(
        environment: context.host.variable(name).map {
          LastDoor.Definition(value: $0, place: "what systemd hands over")
        },
        file: file.filter { $0.name == name }.map {
          LastDoor.Definition(value: $0.value, place: "\(path) line \($0.line)")
        })
    }
    let (key, enclave) = (variable(Self.key), variable(Self.enclave))
    if let hold, let problem = LastDoor.problem(hold: hold, key: key, enclave: enclave) {
      return
        "\(problem), and rollback \(hold.rollout) takes that key back: a server that got past the "
        + "Key Manager with it now would encrypt with a key that is not there afterwards. `keyturn "
        + "watch \(hold.rollout)` shows how it ends; docs/operations.md, \"The last door\""
    }
    guard let seal, let problem = LastDoor.problem(seal: seal, key: key, enclave: enclave) else {
      return nil
    }
    let since = CalendarTime.text(microseconds: seal.sealedAtMicroseconds)
    return "\(problem), but the key \"\(seal.keyName)\" in the enclave \"\(seal.enclave)\" is "
      + "sealed since \(since) (rollout \(seal.rollout)), and data written with it cannot be read "
      + "with another. Put back \(Self.key)=\"\(seal.keyName)\" and "
      + "\(Self.enclave)=\"\(seal.enclave)\" where the unit reads them (`keyturn explain "
      + "\(Self.key)` shows the places, `keyturn history` what was there before), then "
      + "`systemctl reset-failed` and start the unit again; docs/operations.md, \"The last door\""
  }

  /// The agent's word that a rollback is under way; nil if it is not.
  private func hold(_ directory: String) throws(Refusal) -> StartHold? {
    let bytes: [UInt8]?
    do throws(ReadFailure) {
      bytes = try context.host.record("\(directory)/\(StartHold.record)")
    } catch { throw Refusal(.file, error.message) }
    return try StartHold.read(bytes)
  }

  /// What MinIO makes of the file that MINIO_CONFIG_ENV_FILE names; nothing of one that is not
  /// there, as MinIO does. What it would not start with at all is left to it.
  private func definitions(in path: String) throws(ReadFailure) -> [EnvironmentDocument.Variable] {
    // `-` is a file here like any other.
    let file = path == "-" ? "./-" : path
    guard !path.isEmpty,
      let content = try context.host.read(file, limitBytes: Limits.environmentFileBytes)
    else { return [] }
    return EnvironmentDocument(content.bytes).minio.definitions.filter { !$0.isDropped }
  }
}
