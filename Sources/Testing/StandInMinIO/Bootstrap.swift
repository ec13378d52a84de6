// SPDX-License-Identifier: Apache-2.0
internal import HTTP
import Linux
internal import Model
import Threads

/// What every node must have in common (docs/facts.md, "Comparison of environments"), and the wait
/// until enough peers have it.
struct SystemConfiguration: Sendable, Equatable {
  var checksum: String
  var endpointCount: Int
  var commandLine: String
  /// Digests of the values of the MINIO_* variables.
  var environment: [String: String]

  /// Where the stand-ins exchange it; the real servers have their own protocol for that.
  static let path = "/minio/stand-in/bootstrap"

  var text: String {
    "\(checksum)\n\(endpointCount)\n\(commandLine)\n"
      + environment.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)\n" }.joined()
  }

  /// How a peer's differs, in the server's words; nil if it does not.
  func difference(to seen: SystemConfiguration) -> String? {
    if checksum != seen.checksum {
      return "Expected MinIO binary checksum: \(checksum), seen: \(seen.checksum)"
    }
    if endpointCount != seen.endpointCount {
      return "Expected number of endpoints \(endpointCount), seen \(seen.endpointCount)"
    }
    if commandLine != seen.commandLine {
      return "Expected command line argument \(commandLine), seen \(seen.commandLine)"
    }
    let missing = environment.keys.filter { seen.environment[$0] == nil }
    let other = environment.keys.filter {
      seen.environment[$0] != nil && seen.environment[$0] != environment[$0]
    }
    let extra = seen.environment.keys.filter { environment[$0] == nil }
    var parts: [String] = []
    for (what, names) in [("Missing", missing), ("Mismatching", other), ("Extra", extra)]
    where !names.isEmpty {
      parts.append("\(what) environment values: [\(names.sorted().joined(separator: " "))].")
    }
    if parts.isEmpty { return nil }
    return "Expected MINIO_* environment name and values across all servers to be same: "
      + parts.joined(separator: " ")
  }
}

extension SystemConfiguration {
  init?(_ text: String) {
    let lines = text.split(separator: "\n").map(String.init)
    guard lines.count >= 3, let count = Int(lines[1]) else { return nil }
    var environment: [String: String] = [:]
    for line in lines.dropFirst(3) {
      let words = line.split(separator: " ").map(String.init)
      guard words.count == 2 else { return nil }
      environment[words[0]] = words[1]
    }
    self.init(
      checksum: lines[0], endpointCount: count, commandLine: lines[2], environment: environment)
  }
}

/// Waits for as many peers with the same configuration as the server does: half of them, rounded
/// down.
struct Bootstrap {
  private enum View: Equatable {
    case unknown, offline, same
    case different(String)
  }
  private struct State {
    var views: [View]
    var finished = false
  }

  let configuration: SystemConfiguration
  let peers: [Peer]
  let console: Console

  /// Blocks until enough peers agree, without a deadline.
  func wait() throws(Errno) {
    let needed = peers.count / 2
    if needed == 0 { return }
    let state = Lock(State(views: peers.map { _ in .unknown }))
    for (index, peer) in peers.enumerated() {
      try Thread.start("bootstrap") { [self] in
        // Jitter, so that the nodes' questions do not come all at once.
        var pause = 20 + Int.random(in: 0..<20)
        while true {
          let view = look(at: peer)
          let (before, finished) = state.update { state in
            let before = state.views[index]
            state.views[index] = view
            return (before, state.finished)
          }
          if case .different(let difference) = view, before != view {
            console.error(
              "bootstrap", "\(peer.place.text) has incorrect configuration: \(difference)")
          }
          if finished || view == .same { return }
          Clock.sleep(until: .inMilliseconds(pause))
          pause = min(pause * 2, 100 + Int.random(in: 0..<25))
        }
      }
    }
    while true {
      let enough = state.wait(until: .inMilliseconds(2_000)) { state -> Bool? in
        guard state.views.count(where: { $0 == .same }) >= needed else { return nil }
        state.finished = true
        return true
      }
      if enough == true { return }
      report(needed, state.withLock { $0.views })
    }
  }

  private func look(at peer: Peer) -> View {
    guard let answer = peer.get(SystemConfiguration.path, until: .inMilliseconds(1_000)),
      answer.status == 200,
      let seen = SystemConfiguration(String(decoding: answer.body, as: UTF8.self))
    else { return .offline }
    return configuration.difference(to: seen).map(View.different) ?? .same
  }

  private func report(_ needed: Int, _ views: [View]) {
    func places(_ wanted: (View) -> Bool) -> String {
      zip(peers, views).filter { wanted($0.1) }.map(\.0.place.text).joined(separator: " ")
    }
    console.info(
      "Waiting for at least \(needed) remote servers with valid configuration to be online")
    let offline = places { $0 == .offline || $0 == .unknown }
    if !offline.isEmpty {
      console.info("Following servers are currently offline or unreachable [\(offline)]")
    }
    let different = places { if case .different = $0 { true } else { false } }
    if !different.isEmpty {
      console.info("Following servers have mismatching configuration [\(different)]")
    }
  }
}
