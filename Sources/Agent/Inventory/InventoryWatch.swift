// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout
internal import Threads

/// A node that was away while the members changed learns it from the others: each of them votes on a change but those
/// that were named as gone, so as a rule there is nothing to learn. By the same look it learns whose certificates were
/// revoked meanwhile.
final class InventoryWatch: Sendable {
  /// Between two looks, milliseconds; up to a sixth more or less.
  static let restMilliseconds = 60_000
  private static let firstMilliseconds = 3_000
  private static let askMilliseconds = HandedOnRevocations.askMilliseconds
  /// How many are asked where nothing says that anything has changed.
  private static let usual = 3

  private let site: Site
  private let rollouts: any RolloutState
  private let revocations: HandedOnRevocations
  private let adopted: @Sendable () -> Void

  /// - Parameter adopted: told when another inventory counts.
  init(
    _ site: Site, rollouts: any RolloutState, renewal: Renewal,
    adopted: @escaping @Sendable () -> Void
  ) {
    self.site = site
    revocations = HandedOnRevocations(renewal, cluster: site.inventory.cluster)
    self.rollouts = rollouts
    self.adopted = adopted
  }

  /// Looks from now on, on a thread of its own.
  func watch() throws(Refusal) {
    try site.startThread("inventory") { [self] in Self.repeatedly { look() } }
  }

  /// Does it soon, and again after each rest. Never returns.
  static func repeatedly(_ look: () -> Void) -> Never {
    Clock.sleep(until: .inMilliseconds(RandomNumbers.integer(in: 0...firstMilliseconds)))
    while true {
      look()
      let spread = restMilliseconds / 6
      Clock.sleep(
        until: .inMilliseconds(restMilliseconds + RandomNumbers.integer(in: -spread...spread)))
    }
  }

  /// One look. Blocks while the others are asked, at most twice the time for an answer, and as long for each of
  /// ``usual`` where one has a newer list of revoked certificates.
  func look() {
    let names = site.inventories.peers
    if names.isEmpty { return }
    let first = RandomNumbers.integer(in: 0...(names.count - 1))
    let some = (0..<min(Self.usual, names.count)).map { names[(first + $0) % names.count] }
    var heard = ask(some)
    takeRevocations(heard)
    // What could not be read is not written over.
    if site.inventories.isDamaged { return }
    let own = site.inventories.agreed
    guard heard.contains(where: { isNews($0, own) }) else {
      if !heard.isEmpty { site.inventories.note(isStranger: false) }
      return
    }
    if names.count > some.count { heard += ask(names.filter { !some.contains($0) }) }
    let isKnown = site.inventories.isRemembered
    if let next = Self.successor(of: own, told: heard)
      ?? (isKnown ? nil : Self.first(of: site.node, own, told: heard))
    {
      take(next, from: own)
    } else if !site.inventories.isRecorded {
      site.inventories.note(
        isStranger: heard.contains { $0.agreed.inventory.node(named: site.node) == nil })
    }
  }

  /// Takes the list of revoked certificates of who says that it has a newer one.
  private func takeRevocations(_ heard: [InventoryAnswer]) {
    revocations.keep(site.inventories.peers)
    for answer in heard.sorted(by: { $0.revocations ?? 0 > $1.revocations ?? 0 }) {
      guard let own = revocations.number else { return }
      guard answer.revocations ?? 0 > own else {
        revocations.take(nil, of: answer.node)
        continue
      }
      let known = try? site.peers.ask(
        AgentRequest<KnownRevocations>.revocations, of: answer.node, .later,
        deadline: .inMilliseconds(Self.askMilliseconds))
      if let list = known?.list { revocations.take(list, of: answer.node) }
    }
  }

  private func isNews(_ answer: InventoryAnswer, _ own: AgreedInventory) -> Bool {
    answer.agreed.number > own.number
      || answer.agreed.inventory.node(named: site.node) == nil
      || !site.inventories.isRemembered && answer.isRecorded
  }

  private func ask(_ names: [String]) -> [InventoryAnswer] {
    let answers = site.peers.ask(
      AgentRequest<InventoryAnswer>.inventory, of: names, .later,
      deadline: .inMilliseconds(Self.askMilliseconds))
    return zip(names, answers).compactMap { name, answer in
      guard let answer = try? answer.get(), answer.node == name, answer.agreed.problem == nil,
        answer.agreed.inventory.cluster == site.inventory.cluster
      else { return nil }
      return answer
    }
  }

  /// What more than half of the members of `own` go by, or by one that follows from it, if it follows from `own`:
  /// whoever they have agreed with since, they were the ones to agree. The newest of these.
  static func successor(
    of own: AgreedInventory, told answers: [InventoryAnswer]
  ) -> AgreedInventory? {
    let (digest, members) = (own.digest, Set(own.inventory.memberNames))
    let later = answers.filter {
      $0.agreed.number > own.number && $0.agreed.predecessors.contains(digest)
        && members.contains($0.node)
    }
    return newest(later, of: members.count)
  }

  private static func newest(_ answers: [InventoryAnswer], of count: Int) -> AgreedInventory? {
    Set(answers.map(\.agreed)).filter { candidate in
      let digest = candidate.digest
      let holders = answers.count {
        $0.agreed == candidate || $0.agreed.predecessors.contains(digest)
      }
      return 2 * holders > count
    }.max { $0.number < $1.number }
  }

  /// What a node without a record takes, whose host was replaced under its name: what more than half of the others in
  /// its file go by and have voted with, if it has this node.
  static func first(
    of node: String, _ own: AgreedInventory, told answers: [InventoryAnswer]
  ) -> AgreedInventory? {
    let others = Set(own.inventory.memberNames.filter { $0 != node })
    return newest(
      answers.filter {
        $0.isRecorded && $0.agreed.number >= own.number
          && $0.agreed.inventory.node(named: node) != nil && others.contains($0.node)
      }, of: others.count)
  }

  private func take(_ next: AgreedInventory, from own: AgreedInventory) {
    site.attempt(.error) { () throws(Refusal) in
      let isTaken = try rollouts.betweenTurns { () throws(Refusal) -> Bool in
        // In a change of its own, decided already, or one that was taken meanwhile.
        guard site.inventories.agreed == own, rollouts.now.record.active?.rollout.change == nil
        else { return false }
        return try site.inventories.adopt(next)
      }
      guard isTaken, next != own else { return }
      site.log(
        site.inventories.isRetired ? .error : .notice,
        site.inventories.findings().first { $0.rule == "node-retired" }?.message
          ?? "inventory number \(next.number) is taken from the other nodes, instead of number \(own.number)"
      )
      adopted()
    }
  }
}
