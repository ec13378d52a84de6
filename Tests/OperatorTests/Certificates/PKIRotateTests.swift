// SPDX-License-Identifier: Apache-2.0
import API
import Model
@testable import Operator
import Testing
import Threads

@Suite("keyturn pki rotate-ca")
struct PKIRotateTests {
  private static let steps = ["pki rotate-ca", "pki rotate-ca --issue", "pki rotate-ca --finish"]

  private func expectDone(_ cas: FakeCAs, _ where: String = "") {
    let state = cas.state.withLock { $0 }
    #expect(state.violations.isEmpty, "\(`where`) \(state.violations.prefix(3))")
    for (name, host) in state.hosts {
      #expect(host.trusted == ["b"] && host.own == "b" && host.list == "b", "\(`where`) \(name)")
    }
    #expect(state.files["creds/ca.pem"] == "b" && state.files["creds/cert.pem"] == "b")
    #expect(state.files["./pki-new/trusted.pem"] == "b")
  }

  @Test("three steps, each says what is next, and nobody is refused at any moment")
  func all() {
    let cas = FakeCAs()
    let begun = cas.run(Self.steps[0])
    #expect(begun.code == .done, "\(begun.host.errors)")
    #expect(begun.host.output.contains("all 3 agents and witnesses trust both CAs"))
    #expect(begun.host.errors.contains("keyturn pki rotate-ca --issue"))
    let begunState = cas.state.withLock { $0 }
    #expect(begunState.hosts.values.allSatisfy { $0.trusted == ["a", "b"] && $0.own == "a" })
    #expect(begunState.files["./pki/trusted.pem"] == "ab")
    #expect(begunState.files["creds/ca.pem"] == "ab" && begunState.files["creds/cert.pem"] == "b")
    let issued = cas.run(Self.steps[1])
    #expect(issued.code == .done, "\(issued.host.errors)")
    #expect(cas.state.withLock { $0.hosts.values.allSatisfy { $0.own == "b" } })
    let finished = cas.run(Self.steps[2])
    #expect(finished.code == .done, "\(finished.host.errors)")
    expectDone(cas)
    // Each again changes nothing; the first finds that it is over.
    let before = cas.state.withLock { $0.hosts }
    #expect(cas.run(Self.steps[2]).code == .done && cas.run(Self.steps[1]).code == .done)
    let over = cas.run(Self.steps[0])
    #expect(over.code == .validationRefused && over.host.errors.contains("is finished"))
    #expect(cas.state.withLock { $0.hosts } == before)
  }

  @Test(
    "killed before any step of any of the three and run again, it comes to its end, and nobody is refused"
  )
  func killed() {
    var killed = 0
    for step in Self.steps.indices {
      for count in 0... {
        let cas = FakeCAs()
        for earlier in Self.steps[..<step] { _ = cas.run(earlier) }
        let before = cas.state.withLock { $0.steps }
        _ = cas.run(Self.steps[step], steps: count)
        let isWhole = cas.state.withLock { $0.steps } - before < count
        // The step itself, or all from the first on: a person may not know where it was.
        for again in Self.steps[step...] {
          let outcome = cas.run(again)
          #expect(outcome.code == .done, "\(again) after \(count): \(outcome.host.errors)")
        }
        expectDone(cas, "\(Self.steps[step]) killed after \(count):")
        if isWhole { break }
        killed += 1
      }
    }
    #expect(killed > 50, "\(killed)")
  }

  /// After the first two steps somebody is revoked with the old directory: who of the hosts has got that list.
  private func revokedLate(_ hosts: [String]) -> FakeCAs {
    let cas = FakeCAs()
    #expect(cas.run(Self.steps[0]).code == .done && cas.run(Self.steps[1]).code == .done)
    cas.state.update { state in
      state.files["./pki-new/revocations.json"] = nil
      for host in hosts { state.hosts[host]?.list = "a" }
      state.lists = 0
    }
    return cas
  }

  @Test(
    "what was revoked with the old directory after the second step is in the new one's list, and with all hosts, before the old CA goes",
    arguments: [[], ["minio-1"], ["kms-1", "minio-1", "minio-2"]])
  func late(_ hosts: [String]) {
    let cas = revokedLate(hosts)
    let finished = cas.run(Self.steps[2])
    #expect(finished.code == .done, "\(finished.host.errors)")
    #expect(
      finished.host.errors.contains(
        "./pki-new/revocations.json has taken over what ./pki/revocations.json revokes"))
    let state = cas.state.withLock { $0 }
    #expect(state.files["./pki-new/revocations.json"] == "list" && state.lists == 3)
    expectDone(cas)
  }

  @Test("a host that does not take the list holds up each step, unless it is given up")
  func listRefused() {
    for step in Self.steps.indices {
      let cas = FakeCAs()
      for earlier in Self.steps[..<step] { #expect(cas.run(earlier).code == .done) }
      cas.state.update { $0.hosts["minio-2"]?.listProblem = "the disk is full" }
      let stopped = cas.run(Self.steps[step])
      #expect(stopped.code == .unknown, "\(Self.steps[step]): \(stopped.host.errors)")
      #expect(stopped.host.errors.contains("minio-2: the disk is full"))
      #expect(cas.state.withLock { $0.hosts.values.allSatisfy { $0.trusted == ["a", "b"] } })
      if step > 0 {
        #expect(cas.run(Self.steps[step] + " --without minio-2").code == .done)
      }
      cas.state.update { $0.hosts["minio-2"]?.listProblem = nil }
      for again in Self.steps[step...] { #expect(cas.run(again).code == .done) }
      if step == 0 { expectDone(cas) }
    }
  }

  @Test("a step that is refused says what it wrote on this machine")
  func written() {
    let cas = revokedLate(["minio-1"])
    cas.state.update { $0.hosts["minio-2"]?.people = [Self.person("bob", "a", ago: 60)] }
    let refused = cas.run(Self.steps[2])
    #expect(refused.code == .validationRefused)
    #expect(refused.host.errors.contains("has taken over what ./pki/revocations.json revokes"))
    #expect(refused.host.errors.contains("no host was changed"))
    #expect(!refused.host.errors.contains("nothing was changed"))
    #expect(cas.state.withLock { $0.lists } == 0)
  }

  @Test(
    "where both directories have lost the list, no certificate is signed before all have said what they know"
  )
  func lostLists() {
    let cas = FakeCAs()
    #expect(cas.run(Self.steps[0]).code == .done)
    cas.state.update { state in
      state.files["./pki-new/revocations.json"] = nil
      state.hasFormerList = false
      state.hosts["minio-2"]?.isSilent = true
    }
    let refused = cas.run(Self.steps[1])
    #expect(refused.code == .unreachable, "\(refused.host.errors)")
    #expect(refused.host.errors.contains("whether there is a list on minio-2 is not known"))
    #expect(cas.state.withLock { $0.hosts.values.allSatisfy { $0.own == "a" } })
  }

  @Test("a host that says a number which no change comes to is named, and uses up no numbers")
  func numbers() {
    let cas = FakeCAs()
    cas.state.update { $0.hosts["minio-2"]?.number = Limits.authoritiesJump }
    #expect(cas.run(Self.steps[0]).code == .done)
    cas.state.update { $0.hosts["minio-2"]?.number += Limits.authoritiesJump + 1 }
    for step in Self.steps {
      let refused = cas.run(step)
      #expect(refused.code == .validationRefused, "\(step): \(refused.host.errors)")
      #expect(refused.host.errors.contains("minio-2 says \(2 * Limits.authoritiesJump + 2), and"))
    }
    // Given up, it counts no more.
    #expect(cas.run(Self.steps[1] + " --without minio-2").code == .done)
    #expect(cas.run(Self.steps[2] + " --without minio-2").code == .done)
    #expect(cas.state.withLock { $0.hosts["minio-1"]?.number } == Limits.authoritiesJump + 2)
  }

  @Test("a host that names people without end is said to be the one, and is given up with them")
  func inventedPeople() {
    let cas = FakeCAs()
    #expect(cas.run(Self.steps[0]).code == .done)
    cas.state.update { $0.hosts["minio-2"]?.people = [Self.person("x1", "a", ago: 60)] }
    let refused = cas.run(Self.steps[1])
    #expect(refused.code == .validationRefused)
    #expect(refused.host.errors.contains(", on minio-2)"), "\(refused.host.errors)")
    cas.state.update { $0.hosts["minio-2"]?.people = [Self.person("x2", "a", ago: 60)] }
    #expect(cas.run(Self.steps[1] + " --without x1").code == .validationRefused)
    #expect(cas.run(Self.steps[1] + " --without minio-2").code == .done)
  }

  @Test("steps in the wrong order are refused and change nothing", arguments: 1...2)
  func order(_ step: Int) {
    let cas = FakeCAs()
    let early = cas.run(Self.steps[step])
    #expect(early.code == .validationRefused && early.host.errors.contains("is the first step"))
    // With a CA that nobody trusts yet.
    cas.state.update { $0.files["./pki-new/ca.pem"] = "b" }
    let before = cas.state.withLock { $0.hosts }
    let refused = cas.run(Self.steps[step])
    #expect(refused.code == .validationRefused, "\(refused.host.errors)")
    #expect(cas.state.withLock { $0.hosts } == before)
    if step == 2 {
      #expect(cas.run(Self.steps[0]).code == .done)
      let late = cas.run(Self.steps[2])
      #expect(late.code == .validationRefused)
      #expect(late.host.errors.contains("kms-1, minio-[1-2] still depends on the old CA"))
    }
  }

  @Test("who does not answer is named, and neither certificates nor the end come before it does")
  func silent() {
    let cas = FakeCAs()
    func silence(_ isSilent: Bool) { cas.state.update { $0.hosts["minio-2"]?.isSilent = isSilent } }
    silence(true)
    let begun = cas.run(Self.steps[0])
    #expect(begun.code == .unknown, "\(begun.host.errors)")
    #expect(begun.host.errors.contains("1 of 3 do not trust both CAs: minio-2"))
    #expect(cas.state.withLock { $0.files["creds/cert.pem"] } == "a")
    let early = cas.run(Self.steps[1])
    #expect(early.code == .unreachable && early.host.errors.contains("minio-2"))
    silence(false)
    let unready = cas.run(Self.steps[1])
    #expect(unready.code == .validationRefused, "\(unready.host.errors)")
    #expect(cas.state.withLock { $0.hosts.values.allSatisfy { $0.own == "a" } })
    #expect(cas.run(Self.steps[0]).code == .done && cas.run(Self.steps[1]).code == .done)
    silence(true)
    #expect(cas.run(Self.steps[2]).code == .unreachable)
    #expect(cas.state.withLock { $0.hosts["minio-1"]?.trusted } == ["a", "b"])
    // Given up by name, the others come to the end.
    #expect(cas.run(Self.steps[2] + " --without minio-9").code == .validationRefused)
    #expect(cas.run(Self.steps[2] + " --without minio-2").code == .done)
    #expect(cas.state.withLock { $0.hosts["minio-1"]?.trusted } == ["b"])
  }

  @Test(
    "a host that has come with trust in the old CA alone holds up all certificates, and gets the trust first"
  )
  func late() {
    let cas = FakeCAs()
    #expect(cas.run(Self.steps[0]).code == .done)
    cas.state.update { $0.hosts["minio-2"] = FakeCAs.Host() }
    let refused = cas.run(Self.steps[1])
    #expect(refused.code == .validationRefused)
    #expect(refused.host.errors.contains("minio-2 does not trust the new CA"))
    #expect(cas.state.withLock { $0.hosts.values.allSatisfy { $0.own == "a" } })
    #expect(cas.run(Self.steps[0]).code == .done)
    cas.state.update { $0.violations = [] }
    #expect(cas.run(Self.steps[1]).code == .done && cas.run(Self.steps[2]).code == .done)
    expectDone(cas)
  }

  private static func person(
    _ name: String, _ ca: String, ago: Int64, until: Int64 = .max / 4
  ) -> AuthoritiesAnswer.Person {
    AuthoritiesAnswer.Person(
      role: .operator, name: name, authority: FakeCAs.key(ca),
      at: Clock.realtimeMicroseconds() / 1_000_000 - ago, validUntil: until)
  }

  @Test("people with certificates of the old CA are named, and hold up what would shut them out")
  func people() {
    let cas = FakeCAs()
    func see(_ people: [AuthoritiesAnswer.Person], on host: String = "minio-1") {
      cas.state.update { $0.hosts[host]?.people = people }
    }
    see([Self.person("bob", "a", ago: 5_000), Self.person("eve", "a", ago: 9_000, until: 1)])
    let begun = cas.run(Self.steps[0])
    #expect(begun.code == .done && begun.host.errors.contains("operator bob ("))
    #expect(begun.host.errors.contains("--role operator --name bob"))
    #expect(!begun.host.errors.contains("eve"), "her certificate has ended")
    let refused = cas.run(Self.steps[1])
    #expect(refused.code == .validationRefused && refused.host.errors.contains("operator bob ("))
    #expect(refused.host.errors.contains("give each another one"))
    #expect(!refused.host.errors.contains("two minutes"), "\(refused.host.errors)")
    #expect(cas.state.withLock { $0.hosts.values.allSatisfy { $0.own == "a" } })
    // He has shown another one since, elsewhere.
    see([Self.person("bob", "b", ago: 4_000)], on: "minio-2")
    #expect(cas.run(Self.steps[1]).code == .done)
    // Two programs of one name: the old one is still there.
    see([Self.person("bob", "a", ago: 60)])
    see([Self.person("bob", "b", ago: 5)], on: "minio-2")
    let last = cas.run(Self.steps[2])
    #expect(last.code == .validationRefused && last.host.errors.contains("operator bob ("))
    #expect(last.host.errors.contains("bob: has shown another one since: run it again two minutes"))
    #expect(!last.host.errors.contains("give each another one"), "\(last.host.errors)")
    #expect(cas.run(Self.steps[2] + " --without bob").code == .done)
    #expect(cas.state.withLock { $0.violations }.isEmpty)
  }

  @Test("who was revoked after the last use needs no other certificate, and holds up nothing")
  func revokedPeople() {
    let cas = FakeCAs()
    let bob = Self.person("bob", "a", ago: 60)
    cas.state.update { state in
      state.hosts["minio-1"]?.people = [bob]
      state.revoked = [.init(role: .observer, name: "bob", issuedUntil: bob.at + 1)]
    }
    // Another holder of that name; one who was seen after that, with a certificate that was issued later.
    #expect(cas.run(Self.steps[0]).host.errors.contains("operator bob ("))
    cas.state.update {
      $0.revoked = [.init(role: .operator, name: "bob", issuedUntil: bob.at - 30)]
    }
    #expect(cas.run(Self.steps[1]).code == .validationRefused)
    cas.state.update {
      $0.revoked = [.init(role: .operator, name: "bob", issuedUntil: bob.at + 1)]
    }
    let again = cas.run(Self.steps[0])
    #expect(again.code == .done && !again.host.errors.contains("bob"), "\(again.host.errors)")
    #expect(cas.run(Self.steps[1]).code == .done && cas.run(Self.steps[2]).code == .done)
  }

  @Test(
    "another program with this command's own old certificate is seen, the command itself is not")
  func own() {
    let cas = FakeCAs()
    #expect(cas.run(Self.steps[0]).code == .done)
    // Its certificate was issued at 1,000,300 s.
    func person(_ at: Int64) -> AuthoritiesAnswer.Person {
      AuthoritiesAnswer.Person(
        role: .operator, name: "alice", authority: FakeCAs.key("a"), at: at, validUntil: .max / 4)
    }
    cas.state.update { $0.hosts["minio-1"]?.people = [person(1_000_320)] }
    #expect(cas.run(Self.steps[1]).code == .validationRefused)
    cas.state.update { $0.hosts["minio-1"]?.people = [person(1_000_305)] }
    #expect(cas.run(Self.steps[1]).code == .done)
  }

  @Test("a new CA that is lost before any certificate is replaced by another; later it is refused")
  func lost() {
    let cas = FakeCAs()
    #expect(cas.run(Self.steps[0]).code == .done)
    cas.state.update {
      $0.files["creds/cert.pem"] = "a"
      $0.files["other/ca.pem"] = "c"
      for name in $0.hosts.keys { $0.hosts[name]?.list = "a" }
    }
    cas.state.update { $0.hosts["minio-2"]?.isSilent = true }
    let silent = cas.run(Self.steps[0] + " --new other")
    #expect(silent.code == .unreachable && silent.host.errors.contains("would lose the trust"))
    cas.state.update { $0.hosts["minio-2"]?.isSilent = false }
    #expect(cas.run(Self.steps[0] + " --new other").code == .done)
    let cases = cas.state.withLock { $0.hosts.values.map(\.trusted) }
    #expect(cases.allSatisfy { $0 == ["a", "c"] })
    #expect(cas.run(Self.steps[1] + " --new other").code == .done)
    cas.state.update { $0.files["third/ca.pem"] = "d" }
    let files = cas.state.withLock { $0.files }
    let late = cas.run(Self.steps[0] + " --new third")
    #expect(late.code == .validationRefused && late.host.errors.contains("is of neither CA"))
    #expect(cas.state.withLock { $0.files } == files, "nothing was written")
  }

  @Test(
    "while a change is under way its first step, run without the new CA's directory, changes nothing"
  )
  func underWay() {
    let cas = FakeCAs()
    #expect(cas.run(Self.steps[0]).code == .done)
    cas.state.update { $0.files["./pki-new/ca.pem"] = nil }
    let files = cas.state.withLock { $0.files }
    let again = cas.run(Self.steps[0])
    #expect(again.code == .validationRefused)
    #expect(again.host.errors.contains("a change of the CA is under way"))
    #expect(cas.state.withLock { $0.files } == files, "nothing was made")
  }

  @Test("a person with a certificate of a CA that would be dropped, and the own one, are counted")
  func dropped() {
    let cas = FakeCAs()
    #expect(cas.run(Self.steps[0]).code == .done)
    cas.state.update { $0.files["other/ca.pem"] = "c" }
    // The own certificate is of the CA that would be dropped.
    let own = cas.run(Self.steps[0] + " --new other")
    #expect(own.code == .validationRefused && own.host.errors.contains("is of neither CA"))
    cas.state.update {
      $0.files["creds/cert.pem"] = "a"
      $0.hosts["minio-1"]?.people = [
        AuthoritiesAnswer.Person(
          role: .operator, name: "bob", authority: FakeCAs.key("b"), at: 1, validUntil: .max / 4)
      ]
    }
    let bob = cas.run(Self.steps[0] + " --new other")
    #expect(bob.code == .validationRefused && bob.host.errors.contains("operator bob ("))
    #expect(bob.host.errors.contains("on minio-1): seen with"), "\(bob.host.errors)")
    // He has shown another one since; this command itself a moment ago, two programs of a name may both be there.
    func see(_ name: String, _ times: [(String, Int64)]) {
      cas.state.update {
        $0.hosts["minio-1"]?.people = times.map { Self.person(name, $0.0, ago: $0.1) }
      }
    }
    see("bob", [("b", 60), ("a", 5)])
    #expect(cas.run(Self.steps[0] + " --new other").code == .validationRefused)
    see("alice", [("b", 5), ("a", 60)])
    #expect(cas.run(Self.steps[0] + " --new other").code == .validationRefused)
    cas.state.update { state in for name in state.hosts.keys { state.hosts[name]?.list = "a" } }
    see("alice", [("b", 60), ("a", 5)])
    let again = cas.run(Self.steps[0] + " --new other")
    #expect(again.code == .done, "\(again.host.errors)")
  }

  @Test("the same directory twice, an inventory that lacks a node, both steps at once: refused")
  func refused() {
    let cas = FakeCAs()
    let same = cas.run(Self.steps[0] + " --new ./pki")
    #expect(same.code == .validationRefused && same.host.errors.contains("the same CA"))
    #expect(cas.run("pki rotate-ca --issue --finish").code == .usage)
    #expect(cas.run("pki rotate-ca --without minio-1").code == .usage)
    #expect(cas.run("pki rotate-ca --days 3").code == .usage)
    #expect(cas.run("pki rotate-ca --pki nowhere").code == .failed)
    let inventories = [
      FakeCAs.inventory.replacing(#", "witness": "kms-1.example.net""#, with: ""),
      FakeCAs.inventory.replacing(#"{"name": "minio-2", "address": "10.0.0.2"}"#, with: "")
        .replacing(#"7400"},"#, with: #"7400"}"#),
    ]
    for (inventory, name) in zip(inventories, ["kms-1", "minio-2"]) {
      let lacking = cas.run(Self.steps[0], inventory: inventory)
      #expect(lacking.code == .validationRefused, "\(lacking.host.errors)")
      #expect(lacking.host.errors.contains("lacks \(name), which would be forgotten"))
    }
    #expect(cas.state.withLock { $0.files["./pki-new/ca.pem"] } == nil)
  }
}
