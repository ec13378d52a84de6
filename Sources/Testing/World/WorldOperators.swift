// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Agent
internal import Coordination
internal import Crypto
internal import Fibers
internal import JSONCoding
internal import Model
internal import Rollout
internal import Secrets
internal import Threads

/// What a request for settings is made of.
struct WorldSettings {
  let changes: [SettingChange]

  /// - Parameter key: the key that encryption is enabled with; nil to leave it as it is.
  init(_ number: Int, key: String?) {
    let enabling =
      key.map { key in
        [
          ("MINIO_KMS_SERVER", "https://kms-1.example.net:7373"), ("MINIO_KMS_ENCLAVE", "store"),
          ("MINIO_KMS_SSE_KEY", key), ("MINIO_KMS_API_KEY", World.apiKey),
        ]
      } ?? []
    changes = (enabling + [("MINIO_REGION", "region-\(number)")])
      .map { SettingChange(name: $0.0, value: Secret($0.1)) }
  }

  /// The file that a command is given.
  var text: String {
    changes.map { "\($0.name)=\($0.value?.reveal() ?? "")\n" }.joined()
  }

  /// What they are as a proposal.
  var digest: Digest {
    RolloutRequest(kind: .apply, changes: changes).proposal(cluster: World.cluster)
  }
}

extension World {
  /// Has created nothing.
  static let stranger = Principal(cluster: cluster, role: .operator, name: "stranger")
  static let apiKey = "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw"

  /// What an operator's machine has.
  func operatorsFiles(_ more: [String: String]) -> [String: String] {
    [
      "/etc/keyturn/inventory.json": String(
        decoding: JSON.encode(agreedNow.inventory), as: UTF8.self),
      "/etc/keyturn/credentials/ca.pem": "ca", "/etc/keyturn/credentials/cert.pem": "cert",
      "/etc/keyturn/credentials/key.pem": "key",
    ].merging(more) { $1 }
  }

  /// Sends operators, one after the other; some are killed, some give up.
  func sendOperators() {
    for number in 1...(1 + draw(3)) {
      let process = SimulatedProcess(
        "operator-\(number)",
        SimulatedClock(bootOffset: 7, realOffset: 1_700_000_000_000_000_000, driftMillionths: 0))
      operators[process.name] = process
      let (words, settings) = drawCommand(number)
      let command = command(of: process.name, settings)
      runtime.spawn("main", in: process) { [self] in
        for _ in 0..<3 {
          trace("\(process.name): keyturn \(words.joined(separator: " "))")
          let begun = command.events.count
          let status = command.run(words + ["--yes", "--json"])
          trace("\(process.name): exit status \(status)")
          told(status, Array(command.events.dropFirst(begun)), process.name)
          if status == 0, faults.isPutRight, words.first == "apply" {
            editRegion()
            pause(upToMilliseconds: 1_000)
            continue
          }
          if [0, 9, 10, 11].contains(status) { return }
          pause(upToMilliseconds: 10_000)
        }
      }
      if draw(3) < faults.dyingOperators {
        pause(upToMilliseconds: 8_000)
        trace("\(process.name) killed")
        runtime.kill(process)
      } else if draw(3) < faults.dyingOperators {
        pause(upToMilliseconds: 8_000)
        runtime.spawn("interrupt", in: process) { [self] in
          trace("\(process.name): Ctrl-C")
          if !command.interruption.interrupt() { runtime.kill(process) }
        }
      }
      pause(upToMilliseconds: 20_000)
    }
  }

  /// Sends one more, with one command and no patience.
  func sendOperator(_ name: String, _ words: [String]) {
    let process = SimulatedProcess(
      name,
      SimulatedClock(bootOffset: 7, realOffset: 1_700_000_000_000_000_000, driftMillionths: 0))
    let command = command(of: name, nil)
    runtime.spawn("main", in: process) { [self] in
      trace("\(name): keyturn \(words.joined(separator: " "))")
      let status = command.run(words + ["--yes", "--json"])
      trace("\(name): exit status \(status)")
      told(status, command.events, name)
    }
  }

  private func command(of name: String, _ settings: WorldSettings?) -> WorldCommand {
    WorldCommand(
      world: self, name: name,
      files: operatorsFiles(["kms.env": settings?.text ?? ""]))
  }

  func inspectorsCommand() -> WorldCommand { command(of: "inspector", nil) }

  private func drawCommand(_ number: Int) -> (words: [String], settings: WorldSettings) {
    let key = faults.enables ? "key-\(draw(6) == 0 ? 2 : 1)" : nil
    let settings = WorldSettings(number, key: key)
    if faults.isDirected || draw(4) < faults.badStarts { spoil(settings) }
    if faults.isDirected, number == 1 { return (["apply", "--settings", "kms.env"], settings) }
    switch draw(8) {
    case 0: return (["restart"], settings)
    case 1: return (["rollback"], settings)
    default: return (["apply", "--settings", "kms.env"], settings)
    }
  }

  /// Some hosts cannot start with the settings, each in its own way.
  private func spoil(_ settings: WorldSettings) {
    guard let region = settings.changes.last?.value?.reveal() else { return }
    let directed: BadStart = draw(4) == 0 ? .withoutKeyManagerAtFirst : .withoutKeyManager
    for host in hosts where faults.isDirected || draw(2) == 0 {
      host.badRegions[region] =
        faults.isDirected ? directed : BadStart.allCases[draw(BadStart.allCases.count)]
    }
  }

  /// Somebody with a certificate who has created no rollout tells the hosts how theirs have ended.
  func lie() {
    while isStormy {
      pause(upToMilliseconds: 1_000)
      let host = hosts[draw(hosts.count)]
      guard let last = host.promised?.lastCommitted else { continue }
      let link = WorldLink(
        network: network, caller: Self.stranger.name, principal: Self.stranger, node: host.name)
      let result = RolloutResult(
        rollout: last.rollout.id, kind: draw(2) == 0 ? .held : .confirmed, reason: "a lie",
        by: Self.stranger.author)
      do throws(LinkFailure) {
        _ = try link.call(.know(result), lane: .control, deadline: .inMilliseconds(2_000))
      } catch {
        if error.refusal.code == .notPermitted { reached.insert(.strangerRefused) }
      }
    }
  }

  /// Some of what configuration management has comes to failed starts.
  func spoilProposals() {
    for number in 0..<faults.proposals where draw(4) < faults.badStarts {
      spoil(WorldSettings(100 + number, key: nil))
    }
  }

  /// Configuration management on one host: it proposes the same again and again, changes its mind, and withdraws.
  func manage(_ host: SimulatedHost) {
    let proposed = (0..<faults.proposals).map {
      WorldSettings(100 + $0, key: faults.enables ? "key-1" : nil)
    }
    if proposed.isEmpty { return }
    for round in 0..<8 {
      pause(upToMilliseconds: 8_000)
      // One run after the other: of two at once nobody knows which the agent heard last.
      if host.isOff || host.history.isProposing { continue }
      let settings = proposed[round / 4 % faults.proposals]
      let isWithdrawn = draw(8) == 0
      let command = WorldCommand(host: host, files: ["kms.env": settings.text], variables: [:])
      let wanted = isWithdrawn ? ProposalTold.nothing : .settings(settings.digest)
      if !isWithdrawn { host.history.handed.insert(settings.digest) }
      // What a command that runs on may still do.
      if host.history.proposal != wanted { host.history.proposal = .unknown }
      host.history.isProposing = true
      runtime.spawn("propose", in: host.manager) { [self] in
        defer { host.history.isProposing = false }
        let words =
          isWithdrawn ? ["propose", "--withdraw"] : ["propose", "--settings", "kms.env"]
        let status = command.run(words + ["--json"])
        trace("\(host.name): \(words.joined(separator: " ")): exit status \(status)")
        if status != 0 { return }
        host.history.proposal = wanted
        if isWithdrawn { reached.insert(.withdrawn) }
      }
      // One after the other, as its runs are.
      pause(upToMilliseconds: 4_000)
    }
  }
}
