// SPDX-License-Identifier: Apache-2.0
import Files
import JSONCoding
import Model
import TestSupport
import Testing

extension Lab {
  /// The nodes and the witnesses agree on the lab's inventory with a change; its file says which agreed one it follows.
  func agree(_ change: (inout Inventory) -> Void = { _ in }) throws {
    let outcome = try keyturn("inventory", "apply", edited(change), "--yes")
    #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
  }

  /// The lab's inventory with a change, as a file that `inventory apply` takes.
  func edited(_ change: (inout Inventory) -> Void) throws -> String {
    let bytes = try FileReading.read(self.inventory, limitBytes: Limits.inventoryFileBytes).bytes
    var inventory = try JSON.decode(Inventory.self, from: bytes)
    let agreed = try keyturn("inventory", "show")
    inventory.number = try JSON.decode(Inventory.self, from: Array(agreed.stdout.utf8)).number
    change(&inventory)
    return try file(
      "edited.json", String(decoding: JSON.encode(inventory, pretty: true), as: UTF8.self))
  }
}
