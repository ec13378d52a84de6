// SPDX-License-Identifier: Apache-2.0
internal import KeyManager
internal import Model
internal import Secrets
internal import ServerUnit
internal import StartWatch
internal import Threads

/// One look after the other at whether the new server serves: the answers to
/// ``StartEffect/askHealth``. Each question is asked only if what comes before it is good, since a
/// server that is asked for the cluster's health too early logs errors.
struct HealthLook: Sendable {
  /// How long one question may take, milliseconds.
  private static let questionMilliseconds = 5_000

  let arguments: ServerArguments
  let ports: Ports

  /// Blocks until all that is to be asked is answered, or the deadlines. `unit` is the unit as it is
  /// now.
  func answers(_ unit: UnitState?) -> HealthAnswers {
    let ready = ask(.ready)
    guard ready.isGood else { return HealthAnswers(ready: ready) }
    let writes = takesWrites(unit)
    if case .refused = writes { return HealthAnswers(ready: ready, writes: writes) }
    return HealthAnswers(ready: ready, writes: writes, cluster: ask(.cluster))
  }

  private func ask(_ endpoint: HealthEndpoint) -> HealthAnswer {
    ports.probe.health(
      endpoint, of: arguments, deadline: .inMilliseconds(Self.questionMilliseconds))
  }

  private func takesWrites(_ unit: UnitState?) -> WriteAnswer {
    guard let unit, unit.mainPID > 0 else { return .refused("there is no main process") }
    switch arguments.volumes.pools {
    case .known(let count) where count > 1:
      return .untold(
        "a server with several pools finds a bucket missing before it looks for a write quorum")
    case .known: break
    case .unknown(let why): return .untold("it may have several pools: \(why)")
    }
    let credentials: AccessCredentials
    do throws(Refusal) {
      let process = try ports.process.environment(of: unit.mainPID)
      if let federated = process.last(where: { $0.name == "MINIO_ETCD_ENDPOINTS" }),
        !federated.value.trimmed.isEmpty
      {
        return .untold("MINIO_ETCD_ENDPOINTS is set: buckets are looked for elsewhere first")
      }
      credentials = try ServerEnvironment.rootCredentials(
        process, of: unit.mainPID, ports.file)
    } catch { return .untold("its root user is not known: \(error.message)") }
    return ports.probe.takesWrites(
      arguments, as: credentials, bucket: Self.bucket(of: unit.invocationID),
      objects: arguments.volumes.writeQuestions,
      deadline: .inMilliseconds(Self.questionMilliseconds))
  }

  /// A bucket that nobody has made: the name is as random as the invocation's.
  static func bucket(of invocation: String) -> String {
    "keyturn-write-check-\(invocation.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber) }.prefix(32))"
  }
}
