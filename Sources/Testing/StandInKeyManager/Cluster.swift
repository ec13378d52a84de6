// SPDX-License-Identifier: Apache-2.0
import Crypto
import Files
import FoundationEssentials
internal import HTTP
import HTTPS
import JSONCoding
import Model
import StandInTransport
import TLS
internal import Threads

/// The other Key Managers of the cluster: each reads from itself and writes to all, which takes all
/// of them (docs/facts.md, "Key Manager operation"). Their links are TLS, and prove with the
/// cluster's secret that they belong.
struct Cluster: Sendable {
  static let secretField = "x-cluster"

  let secret: String
  /// Its place among the hosts, drawn at its start.
  let rank = UInt64.random(in: 1...(.max))
  private let context: ProbeTLSContext
  private let peers: [HostPort]

  /// One host of the cluster.
  struct Host {
    var rank: UInt64
    /// Nil for this one.
    var peer: HostPort?

    var name: String { peer?.text ?? "this host" }
  }

  /// Why the cluster cannot write.
  struct Obstacle: Error { var text: String }

  /// Blocks on the disk. `authorities` is the folder of certificates that verify the peers.
  init(secret: String, peers: [HostPort], authorities: String) throws {
    self.secret = Digest.ofFields(["cluster", secret]).hex
    let names = (try? FileManager.default.contentsOfDirectory(atPath: authorities)) ?? []
    let roots = try names.sorted().map { name in
      String(
        decoding: try FileReading.read("\(authorities)/\(name)", limitBytes: 1 << 20).bytes,
        as: UTF8.self)
    }
    context = try .verifying(extraRootsPEM: roots)
    self.peers = peers
  }

  /// All hosts in the order in which each of them writes, if all can. Blocks at most 1 s for each
  /// peer.
  func hosts(_ faults: Faults) -> Result<[Host], Obstacle> {
    if faults.readOnly == true { return .failure(Obstacle(text: "read-only")) }
    var hosts = [Host(rank: rank)]
    for peer in current(faults) {
      guard let answer = ask(peer, "vote", []) else {
        return .failure(Obstacle(text: "\(peer.text) does not answer"))
      }
      guard answer.status == 200, let rank = UInt64(String(decoding: answer.body, as: UTF8.self))
      else { return .failure(Obstacle(text: "\(peer.text) is not ready for writes")) }
      hosts.append(Host(rank: rank, peer: peer))
    }
    return .success(hosts.sorted { $0.rank < $1.rank })
  }

  /// Why the cluster cannot write now; nil if it can. Blocks as long.
  func obstacle(_ faults: Faults) -> String? {
    if case .failure(let obstacle) = hosts(faults) { obstacle.text } else { nil }
  }

  /// Whether a peer has taken the change; nil if it cannot. Blocks at most 1 s.
  func replicate(_ change: State.Change, to peer: HostPort) -> Bool? {
    switch ask(peer, "replicate", JSON.encode(change))?.status {
    case 200: true
    case 409: false
    default: nil
    }
  }

  private func current(_ faults: Faults) -> [HostPort] {
    faults.peers?.compactMap { HostPort($0) } ?? peers
  }

  private func ask(_ peer: HostPort, _ what: String, _ body: [UInt8]) -> HTTPResponse? {
    try? HTTPExchange.post(
      peer, "/v1/rpc/\(what)", body: body, security: .probe(context),
      headers: [Self.secretField: secret], until: .inMilliseconds(1_000))
  }
}
