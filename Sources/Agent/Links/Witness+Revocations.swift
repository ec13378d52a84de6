// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Linux
package import Model
internal import Threads

// A witness that was away while somebody was revoked learns it from the nodes, as they do from each other.

extension Witness {
  /// How many nodes are asked with each look.
  private static let asked = 3

  /// Looks from now on, on a thread of its own, as often as a node does.
  package func watch() throws(Refusal) {
    do throws(Errno) {
      try Thread.start("revocations") { [self] in
        InventoryWatch.repeatedly { look() }
      }
    } catch { throw Refusal(.failed, "\(name): \(error)") }
  }

  /// One look. Blocks while nodes are asked, at most the time for an answer of each.
  func look() {
    guard let number = revocations.number else { return }
    let nodes = inventory.nodes
    revocations.keep(nodes.map(\.name))
    var generator = RandomNumbers()
    for node in nodes.shuffled(using: &generator).prefix(Self.asked) {
      do throws(LinkFailure) {
        let known = try peers.call(
          .revocations(after: number), to: node,
          deadline: .inMilliseconds(HandedOnRevocations.askMilliseconds))
        revocations.take(known.list, of: node.name)
      } catch {
        // It is away, or an older agent: another one is asked the next time.
      }
    }
  }
}
