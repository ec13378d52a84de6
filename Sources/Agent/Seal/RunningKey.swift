// SPDX-License-Identifier: Apache-2.0
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import StartWatch
internal import Threads

/// What can be told of the key that a running server uses, against the one that it must use.
enum RunningKeyAnswer: Equatable {
  /// It is that one, and what that is known from.
  case same(KeyEvidence)
  /// It is not; what was found, for people.
  case other(String)
  /// It cannot be told, and why.
  case unknown(String)
}

/// What a running server really uses, whatever the files say that a start would use now.
struct RunningKey {
  let ports: Ports
  let unit: UnitState
  /// What its process was started with.
  let process: [EnvironmentVariable]

  /// What the server itself says of the key that it encrypts with; nil if it cannot be asked. Only asked where the rest
  /// does not tell of another key already: a server that hangs must not put the alarm off.
  let word: () -> ServerKMSAnswer?

  private static let names = ["MINIO_KMS_SSE_KEY", "MINIO_KMS_ENCLAVE"]

  /// By its environment, by the file that it has read by itself, as it sees that, and by its own word. Blocks on the
  /// disk.
  func compare(with key: KeyIdentity) -> RunningKeyAnswer {
    let found = look(for: key)
    if case .other = found { return found }
    switch (found, word()) {
    case (_, .defaultKey(let name)):
      if !name.utf8.elementsEqual(key.name.utf8) {
        return .other("the server itself says that it encrypts with the key \"\(name)\"")
      }
      // It does not name the enclave: a key of the same name in another one is another key.
      if case .unknown(let why) = found {
        return .unknown("the server itself names the sealed key, and not its enclave: \(why)")
      }
      return .same(.word)
    case (.same, .some(.none)):
      return .unknown("the server itself says that it has no Key Manager")
    case (.same, .untold(let why)): return .same(.files(why))
    case (_, _): return found
    }
  }

  private func look(for key: KeyIdentity) -> RunningKeyAnswer {
    let seal = Seal(
      cluster: "", keyName: key.name, enclave: key.enclave, rollout: "", sealedAtMicroseconds: 0)
    do throws(Refusal) {
      let file = try definitions()
      let variables = Self.names.map { name in
        StartGuard.Variable(
          environment: process.last { $0.name == name }.map {
            StartGuard.Definition(
              value: $0.value, place: "the environment of its process (PID \(unit.mainPID))")
          }, file: file.filter { $0.name == name }.map(\.definition))
      }
      return StartGuard.problem(seal: seal, key: variables[0], enclave: variables[1])
        .map { .other($0) } ?? .same(.files("it was not asked"))
    } catch { return .unknown(error.message) }
  }

  /// What it has read of the file that its MINIO_CONFIG_ENV_FILE names, if that is what the file says still.
  private func definitions() throws(Refusal) -> [(name: String, definition: StartGuard.Definition)]
  {
    guard let path = try ServerEnvironment.configPath(of: process) else { return [] }
    guard let bytes = try ports.file.read(path, seenBy: unit.mainPID),
      let changed = try ports.file.changed(path, seenBy: unit.mainPID)
    else {
      throw Refusal(
        .file, "\(path), which MINIO_CONFIG_ENV_FILE of the process names, is not there")
    }
    if changed > unit.processStartMicroseconds {
      throw Refusal(
        .file,
        "\(path), which MINIO_CONFIG_ENV_FILE of the process names, was changed after its start")
    }
    return EnvironmentDocument(bytes).minio.definitions.filter { !$0.isDropped }.map {
      ($0.name, StartGuard.Definition(value: $0.value, place: "\(path) line \($0.line)"))
    }
  }
}
