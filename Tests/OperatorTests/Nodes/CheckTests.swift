// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import JSONCoding
import Model
@testable import Operator
import Testing
import Threads

@Suite("keyturn check", .timeLimit(.minutes(1)))
struct CheckTests {
  /// A node's answer: for each Key Manager the stage that fails (nil: none), and the reverse path.
  private static func answer(
    _ name: String, _ links: [(keyManager: String, stage: ProbeStage?, back: ReverseAnswer?)],
    findings: [Finding] = [], drift: Drift = Drift()
  ) -> CheckAnswer {
    CheckAnswer(
      node: name,
      endpoints: links.map { link in
        let stages = [ProbeStage.dns, .tcp, .tls, .key]
        let failed = stages.firstIndex { $0 == link.stage } ?? stages.count
        return ProbeAnswer(
          endpoint: "https://\(link.keyManager).example.net:7373",
          stages: stages.enumerated().map { index, stage in
            ProbeStageAnswer(
              stage: .known(stage),
              verdict: .known(index < failed ? .fine : index == failed ? .failed : .notChecked),
              milliseconds: 1, detail: index == failed ? "certificate expired 3 days ago" : "")
          })
      }, drift: drift, findings: findings, back: links.compactMap(\.back))
  }

  private static func back(
    _ keyManager: String, _ verdict: ProbeVerdict = .fine, unverified: ReverseUnverified? = nil,
    detail: String = "", refused: String? = nil
  ) -> ReverseAnswer {
    ReverseAnswer(
      keyManager: keyManager, endpoint: "https://\(keyManager).example.net:7373",
      verdict: .known(verdict), unverified: unverified.map { .known($0) }, detail: detail,
      links: refused.map {
        [
          ReverseLinkAnswer(
            port: .known(.server), address: $0, verdict: .known(.failed), outcome: .known(.refused),
            milliseconds: 1, detail: detail)
        ]
      } ?? [])
  }

  @Test("an agent's certificate that ends soon fails --strict, and is a warning for Nagios")
  func certificate() throws {
    let certificate = OwnCertificate(
      principal: Principal(cluster: "prod", role: .node, name: "minio-3"), validFrom: -200_000,
      validUntil: 1)
    let finding = try #require(certificate.finding(at: 0))
    let agents = Sample.names.map { name in
      var answer = Self.fine(name)
      if name == "minio-3" { answer.findings = [finding] }
      return FakeAgent(name, check: answer)
    }
    #expect(Sample.run("check", agents).code == .done)
    let strict = Sample.run("check --strict", agents)
    #expect(strict.code == .failed && strict.host.errors.contains("minio-3: the certificate of"))
    let nagios = Sample.run("check --nagios", agents)
    #expect(nagios.code.rawValue == 1 && nagios.host.output.contains("within a day"))
  }

  private static func fine(_ name: String) -> CheckAnswer {
    answer(name, [("kms-1", nil, back("kms-1")), ("kms-2", nil, back("kms-2"))])
  }

  private static let refused = back(
    "kms-2", .failed, detail: "minio-3 reaches kms-2, but 10.0.0.3:9000 (MinIO) refuses kms-2",
    refused: "10.0.0.3:9000")

  private static func agents(
    _ names: [String] = Sample.names, _ other: [String: CheckAnswer] = [:]
  ) -> [FakeAgent] {
    names.map { FakeAgent($0, check: other[$0] ?? fine($0)) }
  }

  private static func inventory(_ names: [String]) -> [String: String] {
    let nodes = names.map { #"{"name": "\#($0)", "address": "\#($0)"}"# }.joined(separator: ",")
    return ["./inventory.json": #"{"cluster": "prod", "nodes": [\#(nodes)]}"#]
  }

  // MARK: the matrix

  @Test("a small cluster is a matrix: a row for each node, a column for each Key Manager")
  func matrix() {
    let other = Self.answer(
      "minio-3", [("kms-1", .tls, Self.back("kms-1")), ("kms-2", nil, Self.refused)])
    let (code, host) = Sample.run("check", Self.agents(Sample.names, ["minio-3": other]))
    #expect(code == .failed)
    #expect(
      host.lines == [
        "NODE     kms-1       kms-2", "minio-1  fine        fine", "minio-2  fine        fine",
        "minio-3  TLS failed  fine, back 9000 refused", "minio-4  fine        fine",
        "4 nodes: 3 fine, 1 not",
      ])
    #expect(host.errors.contains("minio-3: https://kms-1.example.net:7373: tls failed"))
    #expect(host.errors.contains("minio-3: from kms-2 back: minio-3 reaches kms-2, but"))
  }

  @Test("an operator whose certificate expires soon is warned, but not within one JSON object")
  func ownCertificate() {
    let soon = Clock.realtimeMicroseconds() / 1_000_000 + 5 * 86_400 + 100
    let (code, host) = Sample.run("check", Self.agents(), validUntil: soon)
    #expect(code == .done)
    #expect(
      host.errors.contains(
        "warning: the certificate of keyturn://prod/operator/alice expires in 5 days"))
    #expect(!Sample.run("check", Self.agents()).host.errors.contains("certificate"))
    #expect(Sample.run("check --json", Self.agents(), validUntil: soon).host.lines.count == 1)
    #expect(Sample.run("check --nagios", Self.agents(), validUntil: soon).host.errors.isEmpty)
    let status = Sample.run("status --json", Self.agents(), validUntil: soon).host
    #expect(status.lines[0].contains(#""event":"message""#), "\(status.lines)")
  }

  @Test("where no witness is, the cell says unverified, and the exit code stays 0")
  func unverified() {
    let none = Self.back("kms-1", .notChecked, unverified: .noWitness, detail: "no witness")
    let agents = Sample.names.map {
      FakeAgent($0, check: Self.answer($0, [("kms-1", nil, none)]))
    }
    let (code, host) = Sample.run("check", agents)
    #expect(code == .done)
    #expect(host.lines[1] == "minio-1  fine, back unverified")
    #expect(host.lines.last == "4 nodes: everything is fine that could be checked")
  }

  @Test("many nodes are folded: those that are alike in one line, what is not fine beside its node")
  func folded() {
    let names = (1...17).map { "minio-\($0)" }
    let other = Self.answer(
      "minio-16", [("kms-1", nil, Self.back("kms-1")), ("kms-2", .tls, Self.back("kms-2"))])
    let (code, host) = Sample.run(
      "check", Self.agents(names, ["minio-16": other]), files: Self.inventory(names))
    #expect(code == .failed)
    #expect(
      host.lines == [
        "minio-[1-15,17]: fine", "minio-16: kms-2: TLS failed", "17 nodes: 16 fine, 1 not",
      ])
    // What was seen is told once.
    #expect((host.output + host.errors).ranges(of: "certificate expired 3 days ago").count == 1)
  }

  @Test("a matrix that is wider than the terminal is folded too")
  func narrow() {
    let (_, host) = Sample.run(
      "check",
      Sample.names.map { name in
        FakeAgent(
          name, check: Self.answer(name, (1...9).map { ("kms-\($0)", nil, Self.back("kms-\($0)")) })
        )
      }, terminal: TerminalSize(columns: 60, rows: 24))
    #expect(host.output.contains("minio-[1-4]: "))
  }

  @Test("a node that does not answer has a row, and makes the exit code 3")
  func unreachable() {
    let agents = Sample.names.map {
      $0 == "minio-2" ? FakeAgent($0, .unreachable) : FakeAgent($0, check: Self.fine($0))
    }
    let (code, host) = Sample.run("check", agents)
    #expect(code == .unknown)
    #expect(host.lines[2] == "minio-2  unreachable")
  }

  @Test("colours only on a terminal, and not with NO_COLOR; the words are the same")
  func colour() {
    let terminal = TerminalSize(columns: 100, rows: 30)
    let coloured = Sample.run("check", Self.agents(), terminal: terminal).host.output
    #expect(coloured.contains("\u{1B}[32mfine\u{1B}[0m"))
    for host in [
      Sample.run("check", Self.agents()).host,
      Sample.run("check --no-color", Self.agents(), terminal: terminal).host,
      Sample.run("check", Self.agents(), terminal: terminal, variables: ["NO_COLOR": "1"]).host,
    ] {
      #expect(!host.output.contains("\u{1B}"))
      #expect(
        host.output
          == coloured.replacing("\u{1B}[32m", with: "").replacing("\u{1B}[0m", with: ""))
    }
  }

  @Test("what an agent says cannot drive the terminal, nor end the line early")
  func control() {
    let evil = Self.answer(
      "minio-1", [("kms-1", nil, Self.back("kms-1", .failed, detail: "x\u{1B}[2J\ny"))])
    let agents = Self.agents(Sample.names, ["minio-1": evil])
    let (_, host) = Sample.run("check", agents, terminal: TerminalSize(columns: 100, rows: 30))
    #expect(!(host.output + host.errors).contains("\u{1B}[2J"))
    #expect(Sample.run("check --nagios", agents).host.lines.count == 1)
  }

  @Test("what the judgement says already is not said twice")
  func once() {
    let finding = Finding(
      .error, rule: "reverse-path", refusal: .keyManager,
      message: "the reverse path from kms-2: \(Self.refused.detail)",
      link: Finding.Link(keyManager: "kms-2"))
    let other = Self.answer("minio-3", [("kms-2", nil, Self.refused)], findings: [finding])
    let (code, host) = Sample.run("check", Self.agents(Sample.names, ["minio-3": other]))
    #expect(code == .failed)
    #expect(host.errors.split(separator: "\n").count == 1)
  }

  // MARK: for programs

  @Test("--json prints one object, with the exit code and every node's links")
  func json() throws {
    struct Object: Decodable {
      struct Node: Decodable {
        struct Back: Decodable { var keyManager, verdict: String }
        var name, outcome, reason: String
        var back: [Back]?
        var kind: String?
      }
      var event, cluster, outcome: String
      var exitCode: Int32
      var keyManagers: [String]
      var nodes: [Node]
    }
    let other = Self.answer("minio-3", [("kms-1", nil, nil), ("kms-2", nil, Self.refused)])
    let agents = Sample.names.map {
      $0 == "minio-4"
        ? FakeAgent($0, .unreachable)
        : FakeAgent($0, check: $0 == "minio-3" ? other : Self.fine($0))
    }
    let (code, host) = Sample.run("check --json", agents)
    #expect(code == .failed && host.lines.count == 1 && host.errors.isEmpty)
    let object = try JSON.decode(Object.self, from: Array(host.output.utf8))
    #expect(object.event == "check" && object.exitCode == 1 && object.cluster == "prod")
    #expect(object.nodes.map(\.outcome) == ["fine", "fine", "failed", "unreachable"])
    #expect(object.nodes[2].back?.map(\.verdict) == ["failed"])
    #expect(object.nodes[3].kind == "unreachable")
  }

  @Test(
    "--nagios: one line, performance data, and Nagios' exit codes",
    arguments: [
      ("", 0, "KEYTURN OK - 4 nodes: everything is fine |"),
      ("unverified", 0, "KEYTURN OK - 4 nodes: everything is fine that could be checked |"),
      ("silent", 1, "KEYTURN WARNING - "),
      (
        "drift", 1,
        "KEYTURN WARNING - 4 nodes: nothing is wrong now, but look at minio-3; minio-3: drift: the environment file has changed |"
      ),
      ("back", 2, "KEYTURN CRITICAL - 4 nodes: 3 fine, 1 not; minio-3: from kms-2 back: "),
      ("gone", 3, "KEYTURN UNKNOWN - 4 nodes: 3 fine, 1 not known; minio-3: connect to"),
    ])
  func nagios(fault: String, exitCode: Int32, begins: String) throws {
    let bad: CheckAnswer? =
      switch fault {
      case "unverified":
        Self.answer(
          "minio-3", [("kms-1", nil, Self.back("kms-1", .notChecked, unverified: .noWitness))])
      case "silent":
        Self.answer(
          "minio-3",
          [("kms-1", nil, Self.back("kms-1", .notChecked, unverified: .silent, detail: "down"))])
      case "drift": Self.answer("minio-3", [], drift: Drift(fileChanged: true))
      case "back": Self.answer("minio-3", [("kms-2", nil, Self.refused)])
      default: nil
      }
    let agents = Sample.names.map { name in
      name == "minio-3" && fault == "gone"
        ? FakeAgent(name, .unreachable)
        : FakeAgent(name, check: name == "minio-3" ? bad ?? Self.fine(name) : Self.fine(name))
    }
    let (code, host) = Sample.run("check --nagios", agents)
    #expect(code.rawValue == exitCode)
    #expect(host.lines.count == 1 && host.errors.isEmpty)
    let line = try #require(host.lines.first)
    #expect(line.hasPrefix(begins), "\(line)")
    let parts = line.split(separator: "|", omittingEmptySubsequences: false)
    #expect(parts.count == 2)
    let data = try #require(parts.last).split(separator: " ").map {
      String($0.prefix { $0 != "=" })
    }
    #expect(data == ["nodes", "unreachable", "links", "failed", "degraded", "unverified", "time"])
    // It takes longer than its timeout where a node does not answer: there is no maximum that it keeps to.
    #expect(line.firstMatch(of: /time=[0-9.]+s;;;0$/) != nil, "\(line)")
  }

  @Test("--nagios without an inventory, without the right, or with a mistyped option is UNKNOWN, 3")
  func nagiosUnknown() {
    for line in [
      "check --nagios --inventory none.json", "check --nagios --wach",
      "check --nagios --timeout x", "check --nagios --watch",
    ] {
      let (code, host) = Sample.run(line, Self.agents())
      #expect(code.rawValue == 3 && host.lines.count == 1, "\(line)")
      #expect(host.output.hasPrefix("KEYTURN UNKNOWN - "), "\(host.output)")
    }
  }

  @Test(
    "--timeout takes 1 to 60 seconds",
    arguments: [("0", 64), ("61", 64), ("x", 64), ("1", 0), ("60", 0)])
  func timeout(text: String, exitCode: Int32) {
    #expect(Sample.run("check --timeout \(text)", Self.agents()).code.rawValue == exitCode)
    #expect(Sample.run("check --every 5", Self.agents()).code == .usage)
  }

  @Test("where unverified reverse paths are ignored nothing is said of them, and nothing degraded")
  func ignored() {
    let files = [
      "./inventory.json": Sample.files["./inventory.json"]?.replacing(
        #""cluster": "prod""#, with: #""cluster": "prod", "unverifiedDirection": "ignore""#) ?? ""
    ]
    func agents(_ back: ReverseAnswer) -> [FakeAgent] {
      Sample.names.map { FakeAgent($0, check: Self.answer($0, [("kms-1", nil, back)])) }
    }
    for reason in ReverseUnverified.allCases {
      let silent = agents(Self.back("kms-1", .notChecked, unverified: reason, detail: "down"))
      let (code, host) = Sample.run("check --strict", silent, files: files)
      #expect(code == .done, "\(host.errors)")
      #expect(host.lines[1] == "minio-1  fine" && host.lines.last == "4 nodes: everything is fine")
      let nagios = Sample.run("check --nagios", silent, files: files).host.output
      #expect(nagios.contains("degraded=0;0;;0 unverified=0"), "\(nagios)")
    }
    let bad = agents(
      Self.back("kms-1", .failed, detail: "refused", refused: "10.0.0.3:9000"))
    #expect(Sample.run("check", bad, files: files).host.output.contains("back 9000 refused"))
  }

  @Test(
    "--html writes the matrix as a page, the verdict first", .enabled(if: Browser.isThere),
    arguments: [1_200, 420])
  func page(width: Int) throws {
    let agents = Sample.names.map { name in
      FakeAgent(
        name,
        check: name == "minio-3"
          ? Self.answer(name, [("kms-1", .tls, Self.back("kms-1"))]) : Self.fine(name))
    }
    let (code, host) = Sample.run("check --html p.html", agents)
    #expect(code == .failed)
    let page = try #require(host.created["p.html"])
    #expect(page.contains("class=\"verdict bad\">4 nodes: 3 fine, 1 not"))
    #expect(page.contains("<td class=\"bad\">TLS failed</td>"))
    for word in ["<script", "src=", "href=", "url(", "@import"] { #expect(!page.contains(word)) }
    let sight = try Browser.show(page, width: width, isDark: false)
    #expect(sight.overlaps.isEmpty && sight.excess <= 0, "\(sight)")
    #expect(Sample.run("check --html - --watch", agents).code == .usage)
  }

  // MARK: watching

  /// Agents of which the third has a fault in the second round; the watch ends after the fourth.
  private static func changing(_ interruption: Interruption) -> [FakeAgent] {
    Sample.names.map { name in
      FakeAgent(
        name,
        onCheck: { round in
          if round == 3 { _ = interruption.interrupt() }
          return name == "minio-3" && round == 1
            ? answer(name, [("kms-1", .tls, back("kms-1"))]) : fine(name)
        })
    }
  }

  @Test("--watch off a terminal prints the whole, then what has changed")
  func watch() {
    let interruption = Interruption()
    let (code, host) = Sample.run(
      "check --watch --every 1", Self.changing(interruption), interruption: interruption)
    #expect(code == .done)
    // Each begins with its time.
    let lines = host.lines.map { $0.drop { $0 != " " }.dropFirst() }
    #expect(
      lines == [
        "minio-[1-4]: fine", "minio-3: kms-1: TLS: certificate expired 3 days ago",
        "minio-3: fine",
      ])
  }

  @Test("--watch on a terminal redraws in place")
  func redraw() {
    let interruption = Interruption()
    let (code, host) = Sample.run(
      "check --watch --every 1 --no-color", Self.changing(interruption),
      terminal: TerminalSize(columns: 100, rows: 30), interruption: interruption)
    #expect(code == .done)
    #expect(host.output.contains("\u{1B}[7A"))
    #expect(host.output.components(separatedBy: "NODE     kms-1").count == 5)
    #expect(host.output.contains("minio-3  TLS failed"))
  }
}

extension String {
  fileprivate func components(separatedBy separator: String) -> [Substring] {
    split(separator: separator, omittingEmptySubsequences: false)
  }
}
