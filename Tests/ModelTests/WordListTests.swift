// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Model

@Suite("Words that were probably meant") struct WordListTests {
  @Test(
    "typing errors are counted",
    arguments: [("plan", "plan", 0), ("plna", "plan", 1), ("pan", "plan", 1), ("", "plan", 4)])
  func distance(_ a: String, _ b: String, _ errors: Int) {
    func distance(atMost limit: Int) -> Int? {
      WordList.distance(Array(a.utf8), Array(b.utf8), atMost: limit)
    }
    #expect(distance(atMost: 4) == errors)
    #expect(errors == 0 || distance(atMost: errors - 1) == nil)
  }

  @Test("the nearest word is found in any case, and none beyond the limit")
  func nearest() {
    let list = WordList(["apply", "plan", "plans", "status"])
    #expect(list.nearest(to: Array("PLAM".utf8), within: 1) == "plan")
    #expect(list.nearest(to: Array("pland".utf8), within: 2) == "plan")
    #expect(list.nearest(to: Array("stat".utf8), within: 1) == nil)
    #expect(list.nearest(to: Array(String(repeating: "A", count: 100_000).utf8), within: 6) == nil)
    let shortBelow5 = list.nearest(to: Array("pla".utf8), within: 1, shortBelow: 5)
    #expect(shortBelow5 == nil)
    #expect(list.contains(Array("plan".utf8)[...]) && !list.contains(Array("Plan".utf8)[...]))
  }
}
