// SPDX-License-Identifier: Apache-2.0
@testable import ServerUnit
@testable import StartWatch
import Testing

/// Lines of a unit's journal after a rollout's restart.
@Suite("KeyManagerPassage")
struct KeyManagerPassageTests {
  private static let refused =
    "FATAL Failed to connect to KMS: failed to generate data key with KMS key: \"kms-1:7373\": "
    + "dial tcp 10.0.0.5:7373: connect: connection refused"
  private static let peers =
    "INFO: Waiting for at least 3 remote servers with valid configuration to be online"

  private func entry(
    _ message: String, _ invocation: String?, pid: Int32 = 100, identifier: String = "minio"
  ) -> JournalEntry {
    JournalEntry(
      cursor: "c", realtimeMicroseconds: 1, monotonicMicroseconds: 1, bootID: "b",
      invocationID: invocation, pid: pid, priority: 6, identifier: identifier, message: message)
  }

  private func started(_ invocation: String) -> JournalEntry {
    entry("Starting MinIO...", invocation, pid: 1, identifier: "systemd")
  }

  private func answer(_ entries: [JournalEntry]) -> KeyManagerPassage.Answer {
    var passage = KeyManagerPassage(previousInvocation: "old")
    for entry in entries { passage.take(entry) }
    return passage.answer
  }

  @Test("starts that all ended at the Key Manager have not got past it")
  func refused() {
    #expect(
      answer([
        entry("Exiting on signal: TERMINATED", "old", pid: 50), started("1"),
        entry(Self.refused, "1"), started("2"), entry(Self.refused, "2", pid: 101),
      ]) == .refused)
  }

  @Test("one start that waits for its peers has a data key, whatever the others did")
  func passed() {
    let lines = [
      started("1"), entry(Self.refused, "1"), started("2"), entry(Self.peers, "2", pid: 101),
      started("3"), entry(Self.refused, "3", pid: 102),
    ]
    #expect(answer(lines) == .passed(Self.peers))
  }

  @Test("what the old process says counts for nothing")
  func old() {
    #expect(
      answer([entry(Self.peers, "old", pid: 50), started("1"), entry(Self.refused, "1")])
        == .refused)
  }

  @Test(
    "a last word that journald read too late, without an invocation, counts for a start that is silent"
  )
  func late() {
    #expect(answer([started("1"), entry(Self.refused, nil)]) == .refused)
    #expect(answer([started("1"), entry("Exiting on signal: TERMINATED", nil)]) != .refused)
  }

  @Test(
    "the old process' last word counts for nothing, also when journald gives it to the next start")
  func misread() {
    func answer(_ entries: [JournalEntry]) -> KeyManagerPassage.Answer {
      var passage = KeyManagerPassage(previousInvocation: "old", previousPID: 50)
      for entry in entries { passage.take(entry) }
      return passage.answer
    }
    let last = entry("INFO: Exiting on signal: TERMINATED", "1", pid: 50)
    #expect(answer([started("1"), last, entry(Self.refused, "1")]) == .refused)
    // It does not stand for a start, and hides none that got past the Key Manager.
    #expect(answer([started("1"), last]) != .refused)
    let again = entry(Self.peers, "2", pid: 50)
    #expect(answer([started("1"), last, entry(Self.refused, "1"), again]) == .passed(Self.peers))
    #expect(
      answer([
        started("1"), entry(Self.refused, "1"), started("2"), entry("MinIO AIStor", "2", pid: 50),
      ]) != .refused)
  }

  @Test("a start that the start guard refused got nowhere")
  func refusedByDoor() {
    let line = "keyturn: the start guard: this start is refused: MINIO_KMS_SSE_KEY is \"k\""
    #expect(
      answer([
        started("1"), entry(Self.refused, "1"), started("2"),
        entry(line, "2", pid: 102, identifier: "keyturn"),
      ]) == .refused)
  }

  @Test("what began behind a closed door counts for nothing, what began before it does")
  func door() {
    func at(_ time: UInt64, _ message: String, _ invocation: String) -> JournalEntry {
      var entry = entry(message, invocation, pid: 1, identifier: "systemd")
      entry.monotonicMicroseconds = time
      return entry
    }
    let killed = "minio.service: Control process exited, code=killed, status=15/TERM"
    for (time, boot, expected) in [(50, "b", true), (49, "b", false), (50, "other", false)] {
      var passage = KeyManagerPassage(previousInvocation: "old", held: (boot, 50))
      for entry in [
        started("1"), entry(Self.refused, "1"), at(UInt64(time), "Starting MinIO...", "2"),
        at(60, killed, "2"),
      ] { passage.take(entry) }
      #expect((passage.answer == .refused) == expected, "\(time) \(boot)")
    }
  }

  @Test("nothing is taken for granted: no start, a silent one, one that does not say why it ended")
  func unknown() {
    let cases: [[JournalEntry]] = [
      [], [started("1")], [started("1"), entry(Self.refused, "1"), started("2")],
      [started("1"), entry("MinIO AIStor", "1")],
      [started("1"), entry("FATAL something new", "1")],
    ]
    for lines in cases {
      if case .unknown = answer(lines) { continue }
      Issue.record("\(lines.map(\.message)): \(answer(lines))")
    }
  }
}
