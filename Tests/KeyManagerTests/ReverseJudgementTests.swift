// SPDX-License-Identifier: Apache-2.0
import Crypto
import KeyManager
import Model
import Testing

@Suite("Back direction: what the witnesses' reports come to")
struct ReverseJudgementTests {
  private static let own = ServerFace(
    publicKey: .sha256([1]), validUntil: 9, host: .sha256([2]), status: 200)

  private static func answered(
    agent: [ReverseOutcome] = [.reached], server: [ReverseOutcome] = [.reached],
    face: ServerFace? = own
  ) -> WitnessAnswer {
    func attempts(_ port: ReversePort, _ outcomes: [ReverseOutcome]) -> [ReverseAttempt] {
      outcomes.enumerated().map { index, outcome in
        ReverseAttempt(
          port, "10.0.0.\(index + 3):\(port == .agent ? 7377 : 9000)", outcome, detail: "seen",
          face: port == .server && outcome == .reached ? face : nil)
      }
    }
    return .answered(
      ReverseReport(
        witness: "kms-1", node: "minio-3",
        attempts: attempts(.agent, agent) + attempts(.server, server)))
  }

  private static func judge(
    _ answer: WitnessAnswer, own: OwnServer = .answers(own, port: 9000),
    forward: ProbeVerdict? = .fine
  ) throws -> ReverseDirection {
    try #require(
      ReverseJudgement.directions(
        [ReverseLook(keyManager: "kms-1", answer: answer, forward: forward)], node: "minio-3",
        own: own
      ).first)
  }

  @Test("both ports reached, by the server that the node itself sees: fine, and nothing is said")
  func fine() throws {
    let direction = try Self.judge(Self.answered())
    #expect(direction.verdict == .fine && direction.text.isEmpty)
    for policy in Inventory.UnverifiedDirection.allCases {
      #expect(ReverseJudgement.findings([direction], policy: policy).isEmpty)
    }
  }

  @Test(
    "a port that is not reached is a failure, and its words say where and why",
    arguments: [
      (ReversePort.server, ReverseOutcome.refused, "10.0.0.3:9000", "a firewall on minio-3"),
      (.server, .timedOut, "10.0.0.3:9000", "a firewall drops it, or there is no reverse path"),
      (.server, .noAnswer, "10.0.0.3:9000", "takes the connection of kms-1 and gives no answer"),
      (.server, .noRoute, "10.0.0.3:9000", "kms-1 has no route"),
      (.server, .noAddress, "10.0.0.3:9000", "kms-1 cannot resolve"),
      (.server, .anotherHost, "10.0.0.3:9000", "another host"),
      (.agent, .refused, "10.0.0.3:7377", "a firewall on minio-3"),
      (.agent, .timedOut, "10.0.0.3:7377", "a firewall drops it"),
      (.agent, .anotherHost, "10.0.0.3:7377", "another host"),
      (.agent, .failed, "10.0.0.3:7377", "seen"),
    ])
  func failures(port: ReversePort, outcome: ReverseOutcome, place: String, words: String) throws {
    let answer =
      port == .agent ? Self.answered(agent: [outcome]) : Self.answered(server: [outcome])
    let direction = try Self.judge(answer)
    #expect(direction.verdict == .failed)
    #expect(direction.text.contains(place) && direction.text.contains(words), "\(direction.text)")
    let findings = ReverseJudgement.findings([direction], policy: .warn)
    #expect(findings.map(\.severity) == [.error])
    #expect(findings.map(\.refusal) == [.keyManager])
  }

  @Test("who takes the connection and says nothing has no firewall before it")
  func overloaded() throws {
    let direction = try Self.judge(Self.answered(agent: [.noAnswer]))
    let finding = try #require(ReverseJudgement.findings([direction], policy: .warn).first)
    #expect(finding.remedy?.contains("MTU") == true, "\(finding)")
    // A port that is closed comes first, and the other one is not to be opened.
    let both = try Self.judge(Self.answered(agent: [.noAnswer], server: [.timedOut]))
    let remedy = try #require(ReverseJudgement.findings([both], policy: .warn).first?.remedy)
    #expect(remedy.contains("9000/tcp") && !remedy.contains("7377"), "\(remedy)")
  }

  @Test("an asymmetric failure says that the node itself reaches the Key Manager")
  func asymmetric() throws {
    let refused = Self.answered(server: [.refused])
    #expect(try Self.judge(refused).text.hasPrefix("minio-3 reaches kms-1, but 10.0.0.3:9000"))
    for forward in [ProbeVerdict.failed, .notChecked, nil] {
      #expect(try Self.judge(refused, forward: forward).text.hasPrefix("10.0.0.3:9000"))
    }
  }

  @Test("one of several addresses that does not answer is a warning; none that does a failure")
  func addresses() throws {
    let some = try Self.judge(Self.answered(server: [.reached, .timedOut]))
    #expect(some.verdict == .degraded && some.text.contains("10.0.0.4:9000"))
    #expect(ReverseJudgement.findings([some], policy: .refuse).map(\.severity) == [.warning])
    #expect(try Self.judge(Self.answered(server: [.refused, .timedOut])).verdict == .failed)
  }

  @Test("an address at which somebody else answers is a failure beside any number of good ones")
  func wrongAddressAmongThree() throws {
    let direction = try Self.judge(
      Self.answered(agent: [.reached, .anotherHost, .reached], server: [.reached]))
    #expect(direction.verdict == .failed && direction.text.contains("10.0.0.4:7377"))
  }

  @Test(
    "a server that answers and is not the one that the node sees is another host",
    arguments: [
      (ServerFace(publicKey: .sha256([9]), validUntil: 9, host: .sha256([2]), status: 200), true),
      (ServerFace(publicKey: .sha256([1]), validUntil: 9, host: .sha256([9]), status: 200), true),
      (ServerFace(publicKey: nil, validUntil: nil, host: .sha256([2]), status: 200), true),
      // What it does not say of itself tells nothing.
      (ServerFace(publicKey: .sha256([1]), validUntil: 9, host: nil, status: 200), false),
    ])
  func otherFace(face: ServerFace, isOther: Bool) throws {
    let direction = try Self.judge(Self.answered(face: face))
    #expect(direction.verdict == (isOther ? .failed : .fine), "\(direction.text)")
    #expect(direction.links.last?.outcome == (isOther ? .anotherHost : .reached))
  }

  @Test("while the own server does not answer its port says nothing; the agent's still counts")
  func serverDown() throws {
    let down = OwnServer.silent("connection refused")
    let direction = try Self.judge(Self.answered(server: [.refused]), own: down)
    #expect(direction.verdict == .notChecked && direction.unverified == .serverDown)
    #expect(direction.links.map(\.verdict) == [.fine, .notChecked])
    let agent = try Self.judge(Self.answered(agent: [.timedOut], server: [.refused]), own: down)
    #expect(agent.verdict == .failed && !agent.text.contains("9000"))
  }

  @Test("what is not verified warns or refuses, as the inventory says")
  func unverified() throws {
    let looks = [
      ReverseLook(keyManager: "kms-1", answer: .noWitness),
      ReverseLook(keyManager: "kms-2", answer: .noWitness),
      ReverseLook(keyManager: "kms-3", answer: .silent("connect to 10.0.1.3: connection refused")),
      ReverseLook(keyManager: "lb:7373", answer: .notInInventory),
    ]
    let directions = ReverseJudgement.directions(
      looks, node: "minio-3", own: .answers(Self.own, port: 9000))
    #expect(directions.allSatisfy { $0.verdict == .notChecked })
    #expect(
      directions.compactMap(\.unverified) == [.noWitness, .noWitness, .silent, .notInInventory])
    for (policy, severity) in [
      (Inventory.UnverifiedDirection.warn, Severity.warning), (.refuse, .error),
    ] {
      let findings = ReverseJudgement.findings(directions, policy: policy)
      #expect(findings.map(\.severity) == [severity, severity, severity])
      #expect(findings.allSatisfy { $0.refusal == .keyManager && $0.remedy != nil })
      #expect(findings[0].message.contains("kms-1, kms-2"))
      #expect(findings.contains { $0.message.contains("connection refused") })
      #expect(findings.allSatisfy { !$0.message.contains("minio-3") })
    }
  }

  @Test("a server that listens elsewhere than the inventory has it is told where it is not reached")
  func otherPort() throws {
    let own = OwnServer.answers(Self.own, port: 9443)
    let refused = try Self.judge(Self.answered(server: [.refused]), own: own)
    #expect(refused.text.contains("listens on port 9443"))
    #expect(try Self.judge(Self.answered(), own: own).verdict == .fine)
    #expect(try !Self.judge(Self.answered(agent: [.refused]), own: own).text.contains("9443"))
  }

  @Test("a report that leaves out a port verifies nothing")
  func incomplete() throws {
    let direction = try Self.judge(Self.answered(server: []))
    #expect(direction.verdict == .notChecked && direction.unverified == .silent)
  }
}
