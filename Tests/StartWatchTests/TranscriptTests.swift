// SPDX-License-Identifier: Apache-2.0
import Model
import StartWatch
import Testing

@Suite struct TranscriptTests {
  @Test("the corpus is there")
  func corpus() { #expect(Transcript.all.count >= 80) }

  @Test(
    "each recorded start gets the verdict, cause, phases and time that it must",
    arguments: Transcript.all)
  func verdict(_ transcript: Transcript) throws {
    let run = transcript.run()
    let outcome = try #require(run.outcome, "no outcome after the deadlines")
    let headers = transcript.headers
    let words = (headers["expect"] ?? "").split(separator: " ").map(String.init)
    switch outcome {
    case .confirmed(let evidence):
      #expect(words == ["confirmed"])
      #expect(evidence.marks.map(\.rawValue).joined(separator: " ") == headers["marks"] ?? "")
      #expect(Self.text(evidence.log) == headers["log"] ?? "journal")
      #expect(evidence.warnings.joined(separator: "|") == headers["warnings"] ?? "")
      #expect(evidence.saidReady == ((headers["type"] ?? "notify") == "notify"))
      #expect(evidence.warning == headers["but"])
    case .failed(let failure), .unknown(let failure):
      if case .unknown = outcome {
        #expect(words.first == "unknown")
      } else {
        #expect(words.first == "failed")
      }
      #expect(words.dropFirst().first == failure.kind.text)
      #expect(words.dropFirst(2).first == failure.patternID)
      if let reason = headers["reason"] {
        #expect(failure.reason == reason)
      }
      if let remedy = headers["remedy"] { #expect(failure.remedy == remedy) }
      #expect(Self.text(failure.passedKeyManager) == headers["passed"])
      if failure.patternID != nil {
        #expect(failure.cause != nil && failure.remedy != nil)
      }
    }
    #expect(run.endedAt.map(String.init) == headers["at"])
    if let since = headers["writes"] { #expect(run.takesWritesSince.map(String.init) == since) }
    if let phases = headers["phases"] {
      #expect(run.phaseNames.joined(separator: " ") == phases)
    }
    for detail in (headers["detail"] ?? "").split(separator: "|") {
      #expect(run.phases.contains { $0.detail == detail }, "\(run.phases.map(\.detail))")
    }
  }

  private static func text(_ log: StartEvidence.Log) -> String {
    switch log {
    case .journal: "journal"
    case .files(let directory): "files \(directory)"
    case .nowhere(let why): "nowhere \(why)"
    }
  }

  /// Whether it got past the Key Manager.
  private static func text(_ passed: Bool?) -> String { passed.map { $0 ? "yes" : "no" } ?? "?" }

  @Test("a fatal line is shown at the instant at which it is heard")
  func shownAtOnce() throws {
    let run = Transcript(file: "fatal-kms-refused.txt").run()
    let shown = try #require(run.phases.first { $0.phase == .failed })
    #expect(shown.milliseconds == 300)
    #expect(shown.detail.hasPrefix("FATAL Failed to connect to KMS: "))
  }

  @Test(
    "health is asked for every 250 ms from the moment the unit is active, once a second while the cluster's is bad or the start settles"
  )
  func healthRhythm() {
    let run = Transcript(file: "good-waits-for-health.txt").run()
    #expect(run.healthAskedAt.prefix(6) == [500, 751, 1752, 2003, 3004, 4005])
  }
}
