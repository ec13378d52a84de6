internal import KeyManager
internal import LinuxIO
internal import Model

/// A TCP connection to every address of a name, all at once. The server may take any of them, so
/// each must answer.
struct ConnectionAttempt {
  /// The connection to the first address, in the resolver's order, that took one.
  let socket: Socket?
  /// Fine if all answered, degraded if some, failed if none.
  let verdict: ProbeVerdict
  let reason: ProbeReason?
  /// What happened at which address.
  let detail: String

  /// More addresses of one name than these are left out.
  private static let addressLimit = 16

  /// Blocks until every address has answered, or the deadline; with several addresses until half of
  /// the time is over, so that one which swallows everything leaves time for what comes after.
  init(to addresses: [SocketAddress], until deadline: Instant) {
    let halfway = Instant.inMilliseconds(Int(deadline.remainingMilliseconds()) / 2)
    let end = addresses.count > 1 ? halfway : deadline
    let addresses = Array(addresses.prefix(Self.addressLimit))
    let results = InParallel.map(
      addresses, thread: "probe-tcp", until: end.advanced(byMilliseconds: 250)
    ) { address in
      Result { () throws(SocketFailure) in try Socket.connect(to: address, until: end) }
    }
    var sockets: [Socket] = []
    var failures: [ProbeFailure] = []
    for (address, result) in zip(addresses, results) {
      switch result {
      case .success(let socket): sockets.append(socket)
      case .failure(let failure): failures.append(ProbeFailure(failure))
      case nil: failures.append(ProbeFailure(.timedOut("connect to \(address)")))
      }
    }
    socket = sockets.first
    let connected = "connected to " + sockets.map(\.peer.text).joined(separator: ", ")
    let failed = failures.map(\.text).joined(separator: "; ")
    if sockets.isEmpty {
      verdict = .failed
      reason = failures.allSatisfy(\.isTimeout) ? .timeout : nil
      detail = failed
    } else {
      verdict = failures.isEmpty ? .fine : .degraded
      reason = nil
      detail = failures.isEmpty ? connected : "\(connected), but: \(failed)"
    }
  }
}
