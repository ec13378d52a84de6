// SPDX-License-Identifier: Apache-2.0
import KeyManager
import Model
import Testing

/// How long another key that was seen stays an alarm.
@Suite struct KeyProofAlarmTests {
  private let finding = Finding(.error, rule: KeyProofJudgement.rule, message: "another key")

  /// A look that met these hosts, each behind an endpoint of its own. Nil: it did not say its name.
  private func look(
    _ hosts: (name: String?, verdict: ProbeVerdict)..., reason: ProbeReason = .otherKey
  ) -> [EndpointReport] {
    hosts.enumerated().map { index, host in
      let address = AddressReport(
        address: "192.0.2.\(index):7373",
        stages: [
          StageResult(.tcp, .fine, detail: ""),
          StageResult(
            .proof, host.verdict, reason: host.verdict == .failed ? reason : nil, detail: ""),
        ],
        sight: KeyManagerSight(host: host.name))
      return EndpointReport(
        endpoint: "https://kms-\(index):7373", proxy: nil,
        resolution: StageResult(.dns, .fine, detail: ""), addresses: [address])
    }
  }

  private func alarm(
    _ reports: [EndpointReport], before: KeyProofAlarm? = nil
  ) -> KeyProofAlarm { KeyProofAlarm(finding, reports, before: before) }

  @Test("it is over when the host that had another key opens the proofs")
  func mended() {
    let alarm = alarm(look(("kms-1", .fine), ("kms-2", .failed)))
    #expect(alarm.after(look(("kms-1", .fine), ("kms-2", .fine))) == nil)
  }

  @Test(
    "that another host has the right key does not end it, until some looks have met no wrong one")
  func loadBalancer() {
    var alarm: KeyProofAlarm? = alarm(look(("kms-2", .failed)))
    for number in 1..<Limits.keyProofAlarmLooks {
      alarm = alarm?.after(look(("kms-1", .fine)))
      #expect(alarm != nil, "\(number)")
    }
    #expect(alarm?.after(look(("kms-1", .fine))) == nil)
  }

  @Test("meeting a wrong one again begins the count again")
  func again() {
    var alarm = alarm(look(("kms-2", .failed)))
    for _ in 0..<3 {
      for _ in 1..<Limits.keyProofAlarmLooks {
        alarm = alarm.after(look(("kms-1", .fine))) ?? alarm
      }
      alarm = self.alarm(look(("kms-2", .failed)), before: alarm)
    }
    #expect(alarm.after(look(("kms-1", .fine))) != nil)
  }

  @Test("of several each must open them")
  func several() {
    var alarm = alarm(look(("kms-2", .failed)))
    alarm = self.alarm(look(("kms-3", .failed)), before: alarm)
    let left = alarm.after(look(("kms-3", .fine)))
    #expect(left != nil)
    #expect(left?.after(look(("kms-2", .fine))) == nil)
  }

  @Test("a look that opens nothing changes nothing")
  func nothingOpened() {
    let alarm = alarm(look(("kms-2", .failed)))
    for _ in 0...Limits.keyProofAlarmLooks {
      #expect(alarm.after(look(("kms-2", .notChecked))) == alarm)
      #expect(alarm.after([]) == alarm)
    }
  }

  @Test("where hosts do not say their names a look that is right ends it")
  func nameless() {
    #expect(alarm(look((nil, .failed))).after(look((nil, .fine))) == nil)
  }

  @Test("who only denies or fails has no other key, and is not waited for")
  func denied() {
    let wrong = look(("kms-2", .failed)) + look(("kms-1", .failed), reason: .denied)
    #expect(alarm(wrong).after(look(("kms-2", .fine))) == nil)
  }
}
