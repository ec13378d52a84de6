// SPDX-License-Identifier: Apache-2.0
import Files
import JSONCoding
import Model
import TestSupport
import Testing

extension Lab {
  /// The nodes and the witnesses agree on the lab's inventory with a change; its file says which agreed one it follows.
  func agree(_ change: (inout Inventory) -> Void = { _ in }) throws {
    let bytes = try FileReading.read(self.inventory, limitBytes: Limits.inventoryFileBytes).bytes
    var inventory = try JSON.decode(Inventory.self, from: bytes)
    let agreed = try keyturn("inventory", "show")
    inventory.number = try JSON.decode(Inventory.self, from: Array(agreed.stdout.utf8)).number
    change(&inventory)
    let file = try file(
      "edited.json", String(decoding: JSON.encode(inventory, pretty: true), as: UTF8.self))
    let outcome = try keyturn("inventory", "apply", file, "--yes")
    #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
  }
}
