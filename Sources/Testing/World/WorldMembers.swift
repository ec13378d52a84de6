// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Agent
internal import Crypto
internal import Fibers
internal import JSONCoding
internal import Model
internal import Rollout
internal import TestSupport
internal import Threads

// Nodes that join, leave, die and come back, and what must hold of the inventories that they agree on.

/// What the world has seen of inventories.
struct SeenInventories {
  /// By their numbers.
  var agreed: [Int: AgreedInventory] = [:]
  /// The digests of those whose change was committed somewhere.
  var committed: Set<Digest> = []
  /// The highest number of these.
  var highest = 1
}

extension World {
  /// How many hosts there are beside the first members, where members change.
  static let outsiders = 2

  /// An inventory of these nodes.
  static func inventory(of names: [String], outside: [String]) -> Inventory {
    Inventory(
      cluster: cluster, nodes: names.map { .init(name: $0, address: $0) },
      environmentFile: SimulatedHost.environmentFile,
      timeouts: .init(startSeconds: 20, settleSeconds: 1), rollback: .whenSafe,
      outsideNodes: outside)
  }

  /// What an operator gets of `keyturn inventory show`: the highest that anybody goes by.
  var agreedNow: AgreedInventory {
    inventories.agreed.max { $0.key < $1.key }?.value ?? AgreedInventory(first: inventory)
  }

  func isMember(_ host: SimulatedHost) -> Bool {
    !changesMembers || agreedNow.inventory.node(named: host.name) != nil
  }

  /// Sends an operator with one change after the other.
  func changeMembers() {
    let process = SimulatedProcess(
      "operator-members",
      SimulatedClock(bootOffset: 7, realOffset: 1_700_000_000_000_000_000, driftMillionths: 0))
    operators[process.name] = process
    runtime.spawn("main", in: process) { [self] in
      for _ in 0..<6 where isStormy {
        pause(upToMilliseconds: 6_000)
        let present = agreedNow.inventory.memberNames
        var wanted = Set(present)
        let others = hosts.map(\.name).filter { !wanted.contains($0) }
        if !others.isEmpty, draw(3) > 0 { wanted.insert(others[draw(others.count)]) }
        var gone: [String] = []
        if !isStormy { return }
        if wanted.count > 2, draw(2) == 0 {
          let name = present[draw(present.count)]
          wanted.remove(name)
          // As a rule because its host is dead; now and then it is not as dead as was thought.
          if draw(2) == 0 { gone = [name] }
          if !gone.isEmpty, draw(4) > 0, let host = host(name), !host.isOff {
            trace("\(name): its host is lost")
            host.powerCut()
          }
        }
        if wanted == Set(present) { continue }
        let names = wanted.sorted()
        let outside = hosts.map(\.name).filter { !names.contains($0) }
        var file = Self.inventory(of: names, outside: outside)
        file.number = agreedNow.number
        let command = WorldCommand(
          world: self, name: process.name,
          files: operatorsFiles([
            "members.json": String(decoding: JSON.encode(file), as: UTF8.self)
          ]))
        let words =
          ["inventory", "apply", "members.json"] + gone.flatMap { ["--without", $0] }
          + ["--yes", "--json"]
        for _ in 0..<2 {
          trace(
            "\(process.name): keyturn \(words.joined(separator: " ")) (\(names.joined(separator: " ")))"
          )
          let begun = command.events.count
          let status = command.run(words)
          trace("\(process.name): exit status \(status)")
          told(status, Array(command.events.dropFirst(begun)), process.name)
          if status == 0 { break }
          pause(upToMilliseconds: 4_000)
        }
      }
    }
    if draw(3) == 0 {
      pause(upToMilliseconds: 40_000)
      trace("\(process.name) killed")
      runtime.kill(process)
    }
  }

  /// An agent has written down which inventory it goes by.
  func goesBy(_ host: SimulatedHost) {
    guard let agreed = host.agreed else { return }
    let number = agreed.number
    if agreed.problem != nil { violate("\(host.name): its inventory cannot be used") }
    if let known = inventories.agreed[number] {
      if known != agreed {
        violate("\(host.name): another inventory number \(number) than others have")
      }
    } else {
      inventories.agreed[number] = agreed
      if number > 1 { reached.insert(.membersChanged) }
    }
    if number > 1 {
      if let before = inventories.agreed[number - 1], agreed.predecessors.last != before.digest {
        violate("\(host.name): inventory number \(number) does not follow from the one before")
      }
      if !inventories.committed.contains(agreed.digest) {
        violate("\(host.name): inventory number \(number) was never committed")
      }
      if agreed.inventory.node(named: host.name) == nil { reached.insert(.memberRetired) }
    }
    if number < host.history.inventory, host.history.isUntouched {
      violate(
        "\(host.name): its inventory falls from number \(host.history.inventory) to \(number)")
    }
    host.history.inventory = max(host.history.inventory, number)
  }

  /// Somebody knows that a rollout was committed.
  func committed(_ rollout: Rollout) {
    if let change = rollout.change {
      inventories.committed.insert(change.next.digest)
      inventories.highest = max(inventories.highest, change.next.number)
      if !change.joining.isEmpty { reached.insert(.memberJoined) }
      if !change.without.isEmpty { reached.insert(.memberLeftOut) }
    }
  }

  /// The first who knows of a commit: the rollout's members are those that were agreed on, and nobody has agreed on
  /// others since.
  func checkMembers(of rollout: Rollout) {
    guard rollout.change == nil, let reference = rollout.inventory else { return }
    if reference.number < inventories.highest {
      violate(
        "rollout \(rollout.id) of inventory number \(reference.number) is committed, and number \(inventories.highest) was before"
      )
    }
    if let agreed = inventories.agreed[reference.number],
      agreed.inventory.memberNames != rollout.members
    {
      violate("rollout \(rollout.id) has other members than inventory number \(reference.number)")
    }
  }

  /// A member has voted yes.
  func checkVoter(_ host: SimulatedHost, _ rollout: Rollout) {
    guard rollout.change == nil, let agreed = host.agreed else { return }
    if agreed.inventory.node(named: host.name) == nil {
      violate("\(host.name): votes for \(rollout.id), and was retired by number \(agreed.number)")
    }
  }

  /// When everything is at rest: who is a member goes by the last inventory, who was one knows that it is none.
  func inspectMembers() {
    let last = agreedNow
    for host in hosts where host.history.isUntouched {
      guard let agreed = host.agreed, last.number > 1 else { continue }
      if last.inventory.node(named: host.name) != nil {
        if agreed != last {
          violate(
            "\(host.name): goes by inventory number \(agreed.number), the last is \(last.number)")
        }
      } else if agreed.inventory.node(named: host.name) != nil {
        violate(
          "\(host.name): takes itself for a member by number \(agreed.number), and was retired")
      }
    }
  }
}

extension SimulatedHost {
  /// The inventory that it goes by, as its disk says; nil if it goes by its file.
  var agreed: AgreedInventory? {
    damaged.contains("inventory")
      ? nil
      : records["inventory"].flatMap { try? JSON.decode(Kept.self, from: $0).agreed }
  }

  private struct Kept: Decodable { var agreed: AgreedInventory }
}
