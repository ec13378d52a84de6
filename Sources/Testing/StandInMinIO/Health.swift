// SPDX-License-Identifier: Apache-2.0
import HTTP
import Model
import Threads

/// The health endpoints (docs/facts.md, "Health endpoints") and what they need to know.
final class Health: Sendable {
  /// How far the start has come.
  struct Progress {
    /// The object layer is there.
    var initialised = false
    /// Identities and policies could be read.
    var identitiesOnline = false
    /// The buckets' metadata is loaded.
    var bucketsOnline = false
  }

  let progress = Lock(Progress())
  private let peers: [Peer]
  private let client: KeyManagerClient?
  private let console: Console
  /// How long the peers' drives are missed once the server's own state is there, milliseconds.
  private let missesFor: Int
  private let missesUntil = Lock(Instant?.none)
  /// Drives that must answer for a read, and for a write.
  let (readQuorum, writeQuorum): (Int, Int)

  /// `drives` are all of the deployment's, one to a node.
  init(
    peers: [Peer], drives: Int, client: KeyManagerClient?, behaviour: Behaviour, console: Console
  ) {
    missesFor = behaviour.number("miss-drives")?.value ?? 0
    self.peers = peers
    self.client = client
    self.console = console
    let parity =
      switch drives {
      case ...1: 0
      case 2...3: 1
      case 4...5: 2
      case 6...7: 3
      default: 4
      }
    let data = drives - parity
    readQuorum = data
    writeQuorum = data == parity ? data + 1 : data
  }

  /// Nil if the request is for none of them. Blocks while the Key Manager or the peers are asked.
  func answer(_ request: HTTPRequest) -> HTTPResponse? {
    guard ["GET", "HEAD"].contains(request.method) else { return nil }
    let now = progress.withLock { $0 }
    let offline: HTTPHeaders = now.initialised ? [:] : ["x-minio-server-status": "offline"]
    switch request.path {
    case "/minio/health/live": return HTTPResponse(200, headers: offline)
    case "/minio/health/ready":
      if let failure = client?.healthFailure() {
        var answer = failure.answer(to: request)
        if !now.initialised { answer.headers.add("x-minio-server-status", "offline") }
        return answer
      }
      return HTTPResponse(200, headers: offline)
    case "/minio/health/cluster", "/minio/health/cluster/read":
      if !now.initialised { return HTTPResponse(503, headers: offline) }
      if !now.bucketsOnline {
        return HTTPResponse(503, headers: ["x-minio-server-status": "bucket-metadata-offline"])
      }
      if !now.identitiesOnline {
        return HTTPResponse(503, headers: ["x-minio-server-status": "iam-offline"])
      }
      let until = missesUntil.update { until in
        until = until ?? .inMilliseconds(missesFor)
        return until
      }
      let online = 1 + (until.map { Clock.now() < $0 } ?? false ? 0 : livePeers())
      let read = request.path.hasSuffix("/read")
      let quorum = read ? readQuorum : writeQuorum
      let headers: HTTPHeaders = [
        read ? "x-minio-read-quorum" : "x-minio-write-quorum": "\(quorum)"
      ]
      if online < quorum {
        if !read {
          // Not fatal, in spite of its level.
          console.error(
            "storage",
            "Write quorum could not be established on pool: 0, set: 0, expected write quorum: "
              + "\(quorum), drives-online: \(online) (*errors.errorString)", level: "FATAL")
        }
        return HTTPResponse(503, headers: headers)
      }
      let last = request.query("maintenance") == "true" && online - 1 < quorum
      return HTTPResponse(last ? 412 : 200, headers: headers)
    default: return nil
    }
  }

  /// How many peers are up. Blocks for at most a second.
  private func livePeers() -> Int {
    let deadline = Instant.inMilliseconds(1_000)
    let state = Lock((live: 0, left: peers.count))
    for peer in peers {
      let thread = try? Thread.start("live") {
        let live = peer.get("/minio/health/live", until: deadline)?.status == 200
        state.update {
          $0.left -= 1
          if live { $0.live += 1 }
        }
      }
      if thread == nil { state.update { $0.left -= 1 } }
    }
    let counted = state.wait(until: deadline) { $0.left == 0 ? $0.live : nil }
    return counted ?? state.withLock { $0.live }
  }
}
