internal import Rollout

/// Every order of events of one rollout, with at most one fault: no time and no chance. What is on
/// its way may come in any order or not at all; every timer may come at any moment.
public struct Exhaustive {
  /// What came of it.
  public struct Result: Sendable {
    /// Different states that were seen.
    public var states = 0
    /// The depth that was gone through completely.
    public var depth = 0
    /// Whether nothing was left to try.
    public var isComplete = false
    /// What was broken, and the events that led there.
    public var violation: Violation?
    /// One line for each event on the way to the violation.
    public var lines: [String] = []
  }

  /// How often one member's patience may end in one run: each makes the space several times larger.
  private static let wakes = 2
  /// The deepest effect at which an agent may die.
  private static let effects = 4

  /// One state: the world, whether the fault is still to come, and how it came about.
  fileprivate struct Node {
    var world: World
    var mayFault: Bool
    var wakes: Int
    var path: Int
  }

  /// Breadth first: after `depth` steps every order of so many events was tried.
  ///
  /// - Parameters:
  ///   - members: 1 to 3.
  ///   - bug: a mistake that is to be found.
  ///   - depth: how many events at the most.
  ///   - isOver: asked now and then; true ends the search.
  ///   - progress: told after each depth.
  public static func run(
    members: Int, bug: Bug? = nil, depth: Int, isOver: () -> Bool,
    progress: (Result) -> Void = { _ in }
  ) -> Result {
    var options = Options()
    options.members = members
    options.operators = 1
    options.rollouts = 1
    var world = World(
      options, random: Random(seed: 1), bug: bug, trace: false, exhaustive: true)
    // The plan and the clocks come first, in one order: nothing depends on it.
    while let index = world.pending.firstIndex(where: { world.isPreliminary($0) }) {
      world.handle(world.pending.remove(at: index))
    }
    var result = Result()
    var seen: Set<Int> = []
    var paths: [(from: Int, line: String)] = [(-1, "")]
    var front = [Node(world: world, mayFault: true, wakes: 0, path: 0)]
    while !front.isEmpty, result.depth < depth {
      var next: [Node] = []
      for node in front {
        for (child, line) in successors(node) {
          if let violation = child.world.violation {
            result.violation = violation
            result.lines = [line]
            var path = node.path
            while path > 0 {
              result.lines.insert(paths[path].line, at: 0)
              path = paths[path].from
            }
            return result
          }
          if !seen.insert(child.fingerprint).inserted { continue }
          var child = child
          paths.append((node.path, line))
          child.path = paths.count - 1
          next.append(child)
        }
        if isOver() {
          result.states = seen.count
          return result
        }
      }
      front = next
      result.depth += 1
      result.states = seen.count
      progress(result)
    }
    result.isComplete = front.isEmpty
    return result
  }

  private static func successors(_ node: Node) -> [(Node, String)] {
    var all: [(Node, String)] = []
    for index in node.world.pending.indices {
      let event = node.world.pending[index]
      // A sign of life only puts off what may come at any moment here.
      if case .timer(_, _, .beat) = event { continue }
      var taken = node
      taken.world.pending.remove(at: index)
      if case .wake = event {
        guard node.wakes < wakes else { continue }
        taken.wakes += 1
      }
      var plain = taken
      plain.world.handle(event)
      all.append((plain, "\(event)"))
      guard node.mayFault else { continue }
      taken.mayFault = false
      switch event {
      case .request, .answer:
        // Lost: whoever waits for it is not told.
        all.append((taken, "lost: \(event)"))
      default: break
      }
      // The agent that handles it dies before one of its effects.
      for effect in 0..<effects {
        var dying = taken
        dying.world.crashCountdown = effect
        dying.world.handle(event)
        if dying.world.crashCountdown != nil { break }
        all.append((dying, "dies before effect \(effect): \(event)"))
      }
    }
    // The coordinator is killed, at any moment.
    if node.mayFault, node.world.operators[0].isBusy {
      var killed = node
      killed.mayFault = false
      killed.world.operators[0].isBusy = false
      killed.world.operators[0].coordinator = nil
      all.append((killed, "the operator is killed"))
    }
    return all
  }
}

extension World {
  /// Whether an event comes before everything that members promise.
  fileprivate func isPreliminary(_ event: Event) -> Bool {
    switch event {
    case .begin: return true
    case .request(let call, _), .answer(let call, _, _):
      switch calls[call].request {
      case .plan, .clock(isAfterVote: false): return true
      default: return false
      }
    default: return false
    }
  }
}

extension Exhaustive.Node {
  /// Equal for states that have the same future. What is pending counts in whatever order.
  fileprivate var fingerprint: Int {
    var hasher = Hasher()
    hasher.combine(world.members)
    hasher.combine(world.operators)
    hasher.combine(world.histories)
    hasher.combine(mayFault)
    hasher.combine(wakes)
    var sum = 0
    for event in world.pending {
      var one = Hasher()
      switch event {
      case .request(let call, _):
        one.combine(0)
        one.combine(world.calls[call].to)
        one.combine(world.calls[call].from)
        one.combine(world.calls[call].request)
      case .answer(let call, _, let answer):
        one.combine(1)
        one.combine(world.calls[call].to)
        one.combine(world.calls[call].from)
        one.combine(world.calls[call].request)
        one.combine(answer)
      case .wake(let member, let serial):
        // An outdated wake does nothing.
        if world.members[member].wakeSerial != serial { continue }
        one.combine(2)
        one.combine(member)
      default: one.combine(event)
      }
      sum &+= one.finalize()
    }
    hasher.combine(sum)
    return hasher.finalize()
  }
}
