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
/// of them (docs/facts.md, "Key Manager operation"). Their links are TLS, and prove with the master
/// key that they belong.
struct Cluster: Sendable {
  static let secretField = "x-cluster"

  let secret: String
  private let context: ProbeTLSContext
  private let peers: [HostPort]

  /// Blocks on the disk. `authorities` is the folder of certificates that verify the peers.
  init(masterKey: String, peers: [HostPort], authorities: String) throws {
    secret = Digest.ofFields(["cluster", masterKey]).hex
    let names = (try? FileManager.default.contentsOfDirectory(atPath: authorities)) ?? []
    let roots = try names.sorted().map { name in
      String(
        decoding: try FileReading.read("\(authorities)/\(name)", limitBytes: 1 << 20).bytes,
        as: UTF8.self)
    }
    context = try .verifying(extraRootsPEM: roots)
    self.peers = peers
  }

  /// Why the cluster cannot write now; nil if it can. Blocks at most 1 s for each peer.
  func obstacle(_ faults: Faults) -> String? {
    if faults.readOnly == true { return "read-only" }
    for peer in current(faults) {
      guard let status = ask(peer, "vote", []) else { return "\(peer.text) does not answer" }
      if status != 200 { return "\(peer.text) is not ready for writes" }
    }
    return nil
  }

  /// Whether every peer has taken the change. Blocks as long.
  func replicate(_ change: State.Change, _ faults: Faults) -> Bool {
    let body = JSON.encode(change)
    return current(faults).allSatisfy { ask($0, "replicate", body) == 200 }
  }

  private func current(_ faults: Faults) -> [HostPort] {
    faults.peers?.compactMap { HostPort($0) } ?? peers
  }

  private func ask(_ peer: HostPort, _ what: String, _ body: [UInt8]) -> Int? {
    let answer = try? HTTPExchange.post(
      peer, "/v1/rpc/\(what)", body: body, security: .probe(context),
      headers: [Self.secretField: secret], until: .inMilliseconds(1_000))
    return answer?.status
  }
}
