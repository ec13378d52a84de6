// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import Model
import Rollout
import Testing

@Suite struct UndoneGenerationsTests {
  @Test("rollouts that were taken back again and again do not push out the files that served")
  func undonePairs() throws {
    let history = History(port: FakeNodeHost(file: plainFile).ports().records)
    func keep(_ number: Int, undoes: String? = nil) throws {
      let bytes = Array("A=\(number)\n".utf8)
      try history.save(
        History.Kept(
          generation: Generation(
            number: number, path: "/etc/default/minio", digest: Digest.sha256(bytes),
            rollout: "r\(number)", kind: undoes == nil ? .apply : .rollback, undoes: undoes,
            createdBy: "a", confirmedAtMicroseconds: 1),
          bytes: bytes))
      try history.prune()
    }
    let served = Array(1...Limits.generations - 4)
    for number in served { try keep(number) }
    // Settings that fail: confirmed here, not elsewhere, and taken back.
    var number = Limits.generations
    for _ in 0..<15 {
      try keep(number)
      try keep(number + 1, undoes: "r\(number)")
      number += 2
    }
    var numbers = try history.numbers()
    #expect(numbers.count == Limits.generations)
    #expect(served.allSatisfy(numbers.contains), "\(numbers)")
    #expect(numbers.suffix(4) == Array(number - 4..<number), "\(numbers)")
    // What serves comes in their place, and what it may yet be taken back to stays.
    try keep(number)
    numbers = try history.numbers()
    #expect(served.allSatisfy(numbers.contains) && numbers.suffix(2) == [number - 1, number])
    for next in 1...3 { try keep(number + next) }
    numbers = try history.numbers()
    #expect(served.allSatisfy(numbers.contains) && numbers.count == Limits.generations)
    try keep(number + 4)
    #expect(try !history.numbers().contains(1) && history.numbers().contains(2))
  }
}
