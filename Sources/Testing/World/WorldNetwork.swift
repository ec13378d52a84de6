// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Agent
internal import Coordination
internal import Fibers
internal import HTTP
internal import JSONCoding
internal import Model
internal import Rollout
internal import Threads

/// The network between the hosts: it delays, loses and cuts, in one direction too. A question is answered by a fiber of the
/// agent that is asked.
final class WorldNetwork: @unchecked Sendable {
  /// From whom nothing gets to whom.
  var cuts: Set<[String]> = []
  private unowned let world: World

  init(_ world: World) { self.world = world }

  /// Of each sender, its messages in one second of the world.
  private var sent: [String: Int] = [:]
  private var second: Int64 = 0
  /// More than that in a second is a storm.
  private static let mostInASecond = 400

  private func count(from caller: String) {
    let now = world.runtime.now / 1_000_000_000
    if now != second { (second, sent) = (now, [:]) }
    sent[caller, default: 0] += 1
    if sent[caller, default: 0] > Self.mostInASecond {
      world.runtime.giveUp("\(caller) sends more than \(Self.mostInASecond) messages in a second")
    }
  }

  private final class Reply: @unchecked Sendable {
    enum Kind { case answered(HTTPResponse), refused, closed }
    var kind: Kind?
  }

  /// Asks an agent. The question goes its way by itself: it may arrive when its caller is dead, or has given up, and
  /// arrive twice, as the real links repeat what a connection has lost.
  func call<Answer>(
    _ request: AgentRequest<Answer>, to node: String, from caller: String, as principal: Principal,
    deadline: Instant
  ) throws(LinkFailure) -> Answer {
    let message = request.message
    let attempt = "\(message.method) \(message.path) of \(node)"
    count(from: caller)
    let reply = Reply()
    let copies = world.faults.lossOf256 > 0 && world.chance(4) ? 2 : 1
    for _ in 0..<copies {
      world.runtime.spawn("message", in: world.outside) { [self] in
        deliver(message, to: node, from: caller, as: principal, reply)
      }
    }
    while true {
      switch reply.kind {
      case nil:
        if Clock.now() >= deadline { throw .unreachable("\(attempt): timed out") }
        world.runtime.park(at: place(of: reply), until: deadline.nanoseconds)
      case .refused: throw .unreachable("\(attempt): connection refused")
      case .closed: throw .unreachable("\(attempt): the other side closed the connection")
      case .answered(let response):
        do throws(Refusal) { return try request.answer(in: response) } catch {
          throw .answered(error)
        }
      }
    }
  }

  /// Asks the agent of a host through its socket; nil if it is not there, or goes away.
  func askLocally(
    _ host: SimulatedHost, _ request: HTTPRequest, _ deadline: Instant
  ) -> HTTPResponse? {
    guard let program = host.program, let agent = host.agent else { return nil }
    let served = Reply()
    world.runtime.spawn("local", in: program) { [world] in
      served.kind = .answered(agent.answerLocally(request))
      world.runtime.wake(host.changed)
    }
    while served.kind == nil, program.isAlive, Clock.now() < deadline {
      world.runtime.park(at: host.changed, until: deadline.nanoseconds)
    }
    if case .answered(let response) = served.kind { return response }
    return nil
  }

  private func place(of reply: Reply) -> UnsafeRawPointer {
    UnsafeRawPointer(Unmanaged.passUnretained(reply).toOpaque())
  }

  private func deliver(
    _ message: HTTPRequest, to node: String, from caller: String, as principal: Principal,
    _ reply: Reply
  ) {
    func end(_ kind: Reply.Kind) {
      // The first of two answers counts.
      if reply.kind == nil { reply.kind = kind }
      world.runtime.wake(place(of: reply))
    }
    guard travel(from: caller, to: node), let host = world.host(node), !host.isOff else { return }
    guard let program = host.program, let agent = host.agent else { return end(.refused) }
    let served = Reply()
    let coordinator = host.promised?.active?.rollout.createdBy
    world.runtime.spawn("serve", in: program) { [world] in
      let response = agent.answer(message, from: principal)
      if message.path.hasSuffix("/break-off"), principal.author != coordinator,
        (try? JSON.decode(BreakOffAnswer.self, from: response.body))?.isBrokenOff == true
      {
        world.reached.insert(.brokenOffByMember)
      }
      world.checkNoSecret(response.body, "\(node): the answer to \(message.path)")
      served.kind = .answered(response)
      world.runtime.wake(host.changed)
    }
    while served.kind == nil {
      if !program.isAlive { return host.isOff ? () : end(.closed) }
      world.runtime.park(at: host.changed, until: nil)
    }
    if let kind = served.kind, travel(from: node, to: caller) { end(kind) }
  }

  /// Takes the time of the way; false if nothing arrives.
  private func travel(from sender: String, to receiver: String) -> Bool {
    let faults = world.faults
    let isLate = faults.lossOf256 > 0 && world.chance(2)
    let most = isLate ? 8_000_000 : faults.networkMicroseconds
    let microseconds = 50 + Int64(world.runtime.random() % UInt64(most))
    Clock.sleep(until: Instant(nanoseconds: Clock.now().nanoseconds + microseconds * 1_000))
    return !cuts.contains([sender, receiver]) && !world.chance(faults.lossOf256)
  }
}

/// The way from a command to one agent, with its operator's certificate.
struct WorldLink: AgentLink {
  let network: WorldNetwork
  let caller: String
  let principal: Principal
  let node: String

  func call<Answer>(
    _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    try network.call(request, to: node, from: caller, as: principal, deadline: deadline)
  }
}
