// SPDX-License-Identifier: Apache-2.0
internal import Agreement

/// What may happen in one run, drawn from its seed. Chances are in ten thousand.
package struct Options: Sendable, Hashable {
  package var members = 3
  package var operators = 1
  /// The most rollouts that they begin together, rollbacks not counted.
  package var rollouts = 2
  /// How long faults happen, milliseconds; then everything heals.
  package var faultMilliseconds = 20_000
  /// A message or an answer is lost.
  package var drop = 0
  package var duplicate = 0
  /// A message takes up to 4 s instead of up to `latencyMicroseconds`.
  package var slow = 0
  /// The usual delay of a message is up to this.
  package var latencyMicroseconds = 2_000
  /// Cuts of links, one way or both, in the run.
  package var partitions = 0
  /// An agent dies before an effect is carried out.
  package var crash = 0
  /// A crash takes the whole host with it, in ten thousand crashes.
  package var hostCrash = 0
  /// A record or a file cannot be written; half of the time it is written all the same.
  package var diskFailure = 0
  /// Times in which the disk of a member is full.
  package var diskFull = 0
  /// The clocks' rates differ from true time by up to this, in millionths.
  package var driftPerMillion = 0
  /// A clock jumps ahead by up to 2 s, times in the run.
  package var clockSteps = 0
  /// An operator's program is killed, in ten thousand of what happens to it.
  package var kill = 0
  package var interrupt = 0
  /// A start ends before the server has asked the Key Manager, after it, or not at all.
  package var startFailure = 0
  /// The server dies, and systemd starts it again, times in the run.
  package var flaps = 0
  /// Times in which the Key Manager is away.
  package var outages = 0
  /// Edits of the file by hand, in the run.
  package var handEdits = 0
  /// A check takes longer than the prepare deadline.
  package var slowCheck = 0
  /// The coordinator is cut off from some members just as it proposes commit.
  package var cutAtProposal = 0
  /// A member is asked to end a rollout in doubt, times in the run.
  package var resolves = 0
  /// A member is asked to end the rollout as soon as it has voted, and reaches one other only.
  package var hasty = 0
  /// The coordinator is cut off from all just as it knows that commit is decided.
  package var cutAtCommit = 0

  /// Whether outcomes are collected and a result is worked out after the rollout's end.
  package var settles = 0
  /// Whether the policy is "when-safe"; 0: "never".
  package var rollsBack = 0
  /// How often configuration management hands the members something, while faults happen; and once
  /// afterwards.
  package var proposals = 0
  /// A member's proposal is withdrawn soon.
  package var withdraw = 0
  /// One member's checks take at least so long, milliseconds: its vote comes last.
  package var laggard = 0

  /// A member is cut off from some others just as its own part of a committed rollout has ended.
  package var cutAtEnd = 0
  /// The coordinator is killed when it has told all that commit is decided: the members work out
  /// the result.
  package var killAtCommit = 0
  /// Times in which a stranger reports the result of a rollout.
  package var lies = 0
  /// Hosts that are replaced, in the run: the same name, and an empty state directory. Always fewer
  /// than half of the members: when a majority of the voters is gone, nobody can tell the decision.
  package var replacements = 0

  /// No faults.
  package init() {}

  /// The options of a seed. Each kind of fault is in about half of the runs: all at once would
  /// leave few rollouts that get anywhere.
  init(_ random: inout Random) {
    func some(_ random: inout Random, _ values: [Int], of odds: Int = 2) -> Int {
      let index = random.below(values.count)
      return random.below(odds) == 0 ? values[index] : 0
    }
    // Most of the protocol's corners need no more than three.
    members = [1, 2, 3, 3, 3, 4, 5, 5, 7, 9][random.below(10)]
    operators = [1, 1, 1, 2, 2, 3][random.below(6)]
    rollouts = random.pick(1...4)
    faultMilliseconds = random.pick(5_000...25_000)
    drop = some(&random, [30, 100, 300, 1_000])
    duplicate = some(&random, [100, 500])
    slow = some(&random, [30, 100, 500])
    latencyMicroseconds = [300, 2_000, 20_000][random.below(3)]
    partitions = some(&random, [1, 2, 4])
    crash = some(&random, [20, 60, 200, 500])
    hostCrash = some(&random, [2_000, 5_000, 10_000])
    diskFailure = some(&random, [50, 200, 600], of: 3)
    diskFull = some(&random, [1, 2], of: 4)
    driftPerMillion = some(&random, [50, 200])
    clockSteps = some(&random, [1, 3], of: 4)
    kill = some(&random, [50, 200, 600])
    interrupt = some(&random, [50, 200], of: 4)
    startFailure = some(&random, [300, 1_500, 4_000])
    flaps = some(&random, [1, 4], of: 3)
    outages = some(&random, [1, 2], of: 3)
    handEdits = some(&random, [1, 2], of: 4)
    slowCheck = some(&random, [200, 1_000], of: 4)
    cutAtProposal = some(&random, [1_000, 5_000])
    resolves = some(&random, [1, 4], of: 4)
  }

  /// The options of a seed. What was added later is drawn separately, so that seeds without it keep
  /// their history.
  init(seed: UInt64, _ random: inout Random) {
    self.init(rolloutsAlone: seed, &random)
    drawWhatFollows(seed)
    drawReplacements(seed)
    drawLies(seed)
  }

  private mutating func drawLies(_ seed: UInt64) {
    var random = Random(seed: seed ^ 0x11E5_11E5)
    if settles > 0, random.below(4) == 0 { lies = random.pick(1...4) }
  }

  /// Drawn separately too.
  private mutating func drawReplacements(_ seed: UInt64) {
    var random = Random(seed: seed ^ 0x1FE5_1FE5)
    // A replaced member's earlier proposals are no part of this world.
    guard members >= 3, proposals == 0, random.below(3) == 0 else { return }
    replacements = random.pick(1...(members - 1) / 2)
  }

  /// Without what follows a commit: the draw of seeds before that was added.
  init(rolloutsAlone seed: UInt64, _ random: inout Random) {
    self.init(&random)
    var later = Random(seed: ~seed)
    if later.below(4) == 0 { hasty = [300, 2_000][later.below(2)] }
    if later.below(4) == 0 { cutAtCommit = [2_000, 6_000][later.below(2)] }
  }

  /// Results, proposals, and faults that make them meet.
  private mutating func drawWhatFollows(_ seed: UInt64) {
    var latest = Random(seed: seed ^ 0x5E77_1E00)
    if latest.below(4) == 0 {
      laggard = latest.pick(200...1_500)
      // A member that is asked too early has often not voted yet.
      if latest.below(2) == 0 { hasty = [1_000, 4_000][latest.below(2)] }
    }
    if latest.below(4) != 0 {
      settles = 1
      rollsBack = latest.below(4) == 0 ? 0 : 1
      if latest.below(3) == 0 { cutAtEnd = [2_000, 6_000][latest.below(2)] }
      if latest.below(3) == 0 {
        killAtCommit = [2_000, 8_000][latest.below(2)]
        // And a result that is worked out without a coordinator is often a rollback.
        if latest.below(2) == 0 { startFailure = [1_500, 6_000][latest.below(2)] }
      }
      if latest.below(2) == 0 {
        proposals = latest.pick(1...3)
        withdraw = [0, 500, 2_000][latest.below(3)]
        // Often no operator is at it.
        if latest.below(2) == 0 { rollouts = 0 }
      }
    }
  }

  /// One line: what is not 0.
  package var line: String {
    let all: [(String, Int)] = [
      ("members", members), ("operators", operators), ("rollouts", rollouts),
      ("faultMilliseconds", faultMilliseconds), ("drop", drop), ("duplicate", duplicate),
      ("slow", slow), ("latencyMicroseconds", latencyMicroseconds), ("partitions", partitions),
      ("crash", crash), ("hostCrash", hostCrash), ("diskFailure", diskFailure),
      ("diskFull", diskFull), ("driftPerMillion", driftPerMillion), ("clockSteps", clockSteps),
      ("kill", kill), ("interrupt", interrupt), ("startFailure", startFailure), ("flaps", flaps),
      ("outages", outages), ("handEdits", handEdits), ("slowCheck", slowCheck),
      ("cutAtProposal", cutAtProposal), ("resolves", resolves), ("hasty", hasty),
      ("cutAtCommit", cutAtCommit), ("settles", settles), ("rollsBack", rollsBack),
      ("proposals", proposals), ("withdraw", withdraw), ("laggard", laggard),
      ("cutAtEnd", cutAtEnd), ("killAtCommit", killAtCommit), ("replacements", replacements),
      ("lies", lies),
    ]
    return all.filter { $0.1 != 0 }.map { "\($0.0)=\($0.1)" }.joined(separator: " ")
  }

  /// Everything that a run can do without, one at a time: what minimising tries.
  static let reductions: [(name: String, apply: @Sendable (inout Options) -> Void)] = [
    ("drop", { $0.drop = 0 }), ("duplicate", { $0.duplicate = 0 }), ("slow", { $0.slow = 0 }),
    ("partitions", { $0.partitions = 0 }), ("hostCrash", { $0.hostCrash = 0 }),
    ("crash", { $0.crash = 0 }), ("diskFailure", { $0.diskFailure = 0 }),
    ("diskFull", { $0.diskFull = 0 }), ("driftPerMillion", { $0.driftPerMillion = 0 }),
    ("clockSteps", { $0.clockSteps = 0 }), ("kill", { $0.kill = 0 }),
    ("interrupt", { $0.interrupt = 0 }), ("startFailure", { $0.startFailure = 0 }),
    ("flaps", { $0.flaps = 0 }), ("outages", { $0.outages = 0 }),
    ("handEdits", { $0.handEdits = 0 }), ("slowCheck", { $0.slowCheck = 0 }),
    ("cutAtProposal", { $0.cutAtProposal = 0 }), ("resolves", { $0.resolves = 0 }),
    ("hasty", { $0.hasty = 0 }), ("cutAtCommit", { $0.cutAtCommit = 0 }),
    ("proposals", { $0.proposals = max(0, $0.proposals - 1) }), ("withdraw", { $0.withdraw = 0 }),
    ("killAtCommit", { $0.killAtCommit = 0 }), ("cutAtEnd", { $0.cutAtEnd = 0 }),
    ("rollsBack", { $0.rollsBack = 0 }), ("laggard", { $0.laggard = 0 }),
    ("lies", { $0.lies = 0 }), ("replacements", { $0.replacements = max(0, $0.replacements - 1) }),
    ("operators", { $0.operators = max(1, $0.operators - 1) }),
    ("rollouts", { $0.rollouts = max(0, $0.rollouts - 1) }),
    ("members", { $0.members = max(1, $0.members - 1) }),
    ("members", { $0.members = max(1, $0.members - 2) }),
    ("faultMilliseconds", { $0.faultMilliseconds = max(1_000, $0.faultMilliseconds / 2) }),
    ("latencyMicroseconds", { $0.latencyMicroseconds = 300 }),
  ]
}
