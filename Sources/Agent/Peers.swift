internal import LinuxIO
internal import Model
internal import Rollout

/// The agents of all other nodes.
struct Peers: Sendable {
  let port: any PeerPort
  /// Their names, those behind the own one first: when all nodes ask all others, no agent is asked
  /// by everybody at once.
  let names: [String]

  init(_ port: any PeerPort, inventory: Inventory, except node: String) {
    self.port = port
    let all = inventory.memberNames
    names = all.filter { $0 > node } + all.filter { $0 < node }
  }

  /// What each says of its seal, sorted by name. Blocks until all have answered, at most
  /// until the deadline; who has not been asked by then is silent too.
  func seals(deadline: Instant) -> [PeerSeal] {
    struct Round {
      var next = 0
      var missing: Int
      var answers: [PeerSeal?]
    }
    let (port, names) = (port, names)
    let round = Lock(
      Round(missing: names.count, answers: [PeerSeal?](repeating: nil, count: names.count)))
    let work: @Sendable () -> Void = {
      while let index = round.withLock({ (round) -> Int? in
        guard round.next < names.count else { return nil }
        defer { round.next += 1 }
        return round.next
      }) {
        let answer = Self.ask(port, names[index], deadline)
        round.update {
          $0.answers[index] = answer
          $0.missing -= 1
        }
      }
    }
    for _ in 0..<min(names.count, Limits.peersAtOnce) {
      // No more threads to be had: one after the other, then.
      do throws(Errno) { try Thread.start("peer", work) } catch { work() }
    }
    _ = round.wait(until: nil) { $0.missing == 0 ? true : nil }
    return round.withLock { $0.answers.compactMap(\.self).sorted { $0.node < $1.node } }
  }

  private static func ask(_ port: any PeerPort, _ name: String, _ deadline: Instant) -> PeerSeal {
    do throws(Refusal) {
      let view = try port.seal(of: name, deadline: deadline)
      return view.node == name
        ? .answered(view) : .silent(node: name, reason: "it answers as \(view.node)")
    } catch {
      return .silent(node: name, reason: error.message)
    }
  }
}
