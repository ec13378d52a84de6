// SPDX-License-Identifier: Apache-2.0

/// What a walk is like from its begin to its healing.
package struct WalkOptions: Sendable, Hashable {
  package var members = 3
  package var rollouts = 1
  /// Nothing goes wrong, and time passes as it does; only checks are slow.
  package var isClean = false
  /// Nothing goes wrong before commit is proposed.
  package var isDirected = false
  /// How many events come before everything heals.
  package var events = 100
  /// How often a timer's patience ends instead of another event, in ten thousand.
  package var impatience = 0
  /// Whose patience may end at all, a bit for each member and the highest for the coordinators.
  package var impatient: UInt8 = 0
  /// How often what an agent or a host is at ends, likewise.
  package var haste = 0
  /// Of messages, in ten thousand.
  package var loss = 0
  package var repetition = 0
  /// Of events of a member: that its agent dies in it, and that a record cannot be written.
  package var death = 0
  package var badWrite = 0
  /// Before an event: that something else happens (``Walk``).
  package var mischief = 0
  /// That a vote is no.
  package var no = 0
  /// That a file cannot be put in place.
  package var fireFailure = 0
  package var replacements = 0
  var flaw = CoordinatorHost.Flaw.none
  package var links = Links.even
  /// How often the links become others, in ten thousand.
  package var restlessness = 0

  /// What the links are like.
  package enum Links: Sendable, Hashable, CaseIterable {
    case even
    /// Each link and direction for itself: even, slow or cut.
    case lopsided
    /// Two parts.
    case parted
    /// One node hears late, or is heard late.
    case deaf
  }

  /// Nothing goes wrong.
  init(healing members: Int) { self.members = members }

  init(_ random: inout Random) {
    members = [1, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 5, 5, 6, 7][random.below(17)]
    if random.below(16) == 0 {
      isClean = true
      return
    }
    isDirected = random.below(2) == 0
    rollouts = random.below(3) == 0 ? 2 : 1
    events = random.pick(20...60 * members)
    impatience = [0, 50, 300, 1_000, 4_000][random.below(5)]
    impatient = UInt8(random.below(1 << 8))
    haste = [300, 1_500, 4_000][random.below(3)]
    loss = [0, 0, 300, 1_500][random.below(4)]
    repetition = [0, 0, 300, 1_500][random.below(4)]
    death = [0, 0, 100, 600][random.below(4)]
    badWrite = [0, 0, 0, 300][random.below(4)]
    mischief = [0, 50, 200][random.below(3)]
    no = [0, 0, 300][random.below(3)]
    fireFailure = [0, 0, 0, 1_000][random.below(4)]
    if members > 2, random.below(4) == 0 {
      replacements = (members - 1) / 2
      mischief = [200, 800][random.below(2)]
    }
    links = Links.allCases[random.below(4)]
    restlessness = [0, 0, 300, 1_000][random.below(4)]
    if random.below(32) == 0 {
      let member = random.below(members)
      flaw = [.clock(member), .noClock(member)][random.below(2)]
      if members > 1, random.below(2) == 0 {
        flaw = [.environment(member), .keyManager(member)][random.below(2)]
      }
    }
  }
}
