// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import JSONCoding
import Model
@testable import Operator
import Rollout
import Testing

@Suite(.timeLimit(.minutes(1))) struct ApplyCommandTests {
  @Test("apply with --yes: every node confirmed, skew and recap printed, one line for each change")
  func apply() {
    let agents = Sample.agents()
    let (code, host) = Sample.run("apply --yes --settings kms.env", agents)
    #expect(code == .done)
    #expect(agents.map(\.restarts) == [1, 1, 1, 1])
    #expect(host.lines.contains("minio-2: confirmed"))
    #expect(host.errors.contains("keyturn: 4 of 4 starts confirmed\n"), "\(host.errors)")
    #expect(host.lines.contains("  in force  the new file, generation 1, on minio-[1-4]"))
    #expect(
      host.lines.contains { $0.hasPrefix("skew ") && $0.contains(" ms (restarts issued within ") })
  }

  @Test("the last JSON line is the result, keys sorted, one entry for each node")
  func json() throws {
    let (code, host) = Sample.run("restart --yes --json", Sample.agents())
    #expect(code == .done)
    let last = try #require(host.lines.last)
    #expect(last.hasPrefix(#"{"changed":true,"ending":{"inForce":["the files as they were, on"#))
    #expect(last.contains(#""message":"4 of 4 starts confirmed""#))
    #expect(
      last.contains(#","nodes":[{"name":"minio-1","outcome":"confirmed","reason":"""#))
    let result = try ResultLine(host)
    #expect(result.nodes.map(\.name) == Sample.names)
    #expect(result.skewMilliseconds != nil)
    #expect(host.lines.allSatisfy { $0.hasPrefix("{") && $0.contains(#""event":"#) })
    #expect(host.lines.allSatisfy { $0.contains(#""time":""#) })
    #expect(host.errors.isEmpty)
  }

  @Test("a fatal line is shown with its node, exit 9 where nothing is rolled back")
  func fatal() {
    let line = "FATAL Failed to connect to KMS"
    let (code, host) = Sample.run(
      "apply --yes --rollback never --settings kms.env",
      Sample.agents(third: FakeAgent("minio-3", .failsToStart(line))))
    #expect(code == .notConfirmed)
    #expect(host.lines.contains("minio-3: failed: \(line)"))
    #expect(host.errors.contains("3 of 4 starts confirmed, 1 not confirmed; the new files stay"))
  }

  @Test("no terminal and no --yes: exit 64; the wrong answer: exit 1; the cluster's name: on")
  func confirmation() {
    let first = Sample.agents()
    let (code, host) = Sample.run("restart", first)
    #expect(code == .usage)
    #expect(host.errors.contains("--yes"))
    #expect(Sample.run("restart", first, answer: "y").code == .failed)
    #expect(first.allSatisfy { $0.restarts == 0 && !$0.isActive })
    #expect(Sample.run("restart", Sample.agents(), answer: "prod").code == .done)
  }

  @Test("on a terminal the table is redrawn in place, without colours under NO_COLOR")
  func live() {
    let size = TerminalSize(columns: 100, rows: 24)
    let (_, colored) = Sample.run("restart --yes", Sample.agents(), terminal: size)
    #expect(colored.output.contains("\u{1B}[5A"))
    #expect(colored.output.contains("\u{1B}[32m"))
    let (_, plain) = Sample.run(
      "restart --yes", Sample.agents(), terminal: size, variables: ["NO_COLOR": "1"])
    #expect(!plain.output.contains("\u{1B}[32m"))
    let (_, dumb) = Sample.run(
      "restart --yes", Sample.agents(), terminal: size, variables: ["TERM": "dumb"])
    #expect(!dumb.output.contains("\u{1B}"))
  }

  @Test("what could not be written to standard output makes a command that went well fail")
  func fullDisk() {
    let full = "write: No space left on device"
    for command in ["status", "help", "--version", "status --json"] {
      let (code, host) = Sample.run(command, Sample.agents(), outputFailure: full)
      #expect(code == .failed && host.errors.hasSuffix("standard output: \(full)\n"), "\(command)")
    }
    #expect(Sample.run("restart", Sample.agents(), outputFailure: full).code == .usage)
  }

  @Test("what a plan adds is green and what it takes away red, on a terminal with colours only")
  func coloredPlan() {
    let agents = Sample.agents {
      FakeAgent($0, plan: .sample($0, difference: ["+MINIO_A=1", "-MINIO_B=2"]))
    }
    let size = TerminalSize(columns: 100, rows: 24)
    let colored = Sample.run("plan --settings kms.env", agents, terminal: size).host.output
    #expect(colored.contains("\u{1B}[32m    +MINIO_A=1\u{1B}[0m"), "\(colored)")
    #expect(colored.contains("\u{1B}[31m    -MINIO_B=2\u{1B}[0m"))
    for host in [
      Sample.run("plan --settings kms.env", agents).host,
      Sample.run("plan --settings kms.env --no-color", agents, terminal: size).host,
    ] {
      #expect(host.output.contains("    +MINIO_A=1\n") && !host.output.contains("\u{1B}"))
    }
  }

  @Test("the table of a rollout stands once on the screen when it is over, the last words below it")
  func onceOnScreen() throws {
    let size = TerminalSize(columns: 80, rows: 24)
    for agents in [
      Sample.agents(), Sample.agents(third: FakeAgent("minio-3", .failsToStart("FATAL x"))),
    ] {
      for command in ["restart --yes", "apply --yes --settings kms.env --rollback never"] {
        let host = Sample.run(command, agents, terminal: size).host
        let screen = Screen(host.output)
        for name in Sample.names {
          #expect(screen.lines.count { $0.hasPrefix("\(name)  ") } == 1, "\(screen.lines)")
        }
        let table = try #require(screen.lines.firstIndex { $0.hasPrefix("NODE ") })
        let end = try #require(screen.lines.firstIndex { $0.hasPrefix("  in force") })
        #expect(screen.lines.count { $0.hasPrefix("NODE ") } == 1 && table < end)
      }
    }
  }

  @Test("that encryption cannot be undone is said, also where nothing is asked")
  func irreversible() {
    let enabling = Sample.agents {
      FakeAgent($0, plan: .sample($0, key: KeyIdentity(name: "primary-key", enclave: "tenant-1")))
    }
    for command in ["apply --yes --settings kms.env", "apply --settings kms.env"] {
      let host = Sample.run(command, enabling, answer: "no").host
      #expect(host.errors.contains("enables encryption and cannot be undone"), "\(host.errors)")
    }
  }

  @Test("a node's own certificate is recognised: exit 77, whose it is and what to use")
  func nodeCertificate() {
    let agents = Sample.agents()
    for command in ["plan --settings kms.env", "apply --yes --settings kms.env", "restart --yes"] {
      let (code, host) = Sample.run(command, agents, role: .node, name: "minio-2")
      #expect(code == .notPermitted)
      #expect(host.errors.contains("node minio-2's own"), "\(host.errors)")
      #expect(agents.allSatisfy { $0.calls == 0 })
    }
  }

  @Test(
    "the API key is in no output",
    arguments: [
      "plan --settings kms.env", "plan --settings kms.env --json", "apply --yes --settings kms.env",
      "apply --yes --settings kms.env --json", "plan --api-key-file bad",
      "plan --settings twice.env", "lint kms.env", "lint kms.env --json", "lint quote.env --json",
      "plan --settings quote.env", "lint quote.env",
    ])
  func secret(_ arguments: String) {
    let key = Sample.apiKey
    let (_, host) = Sample.run(
      arguments, Sample.agents { FakeAgent($0, sealed: Sample.seal) },
      files: [
        "bad": "\(key)\n\(key)\n",
        "twice.env": "MINIO_KMS_API_KEY=\(key)\nMINIO_KMS_API_KEY=x\(key)\n",
        "quote.env": "MINIO_VOLUMES=\"http://a\nMINIO_KMS_API_KEY=\(key)\nMINIO_OPTS=\"\n",
      ])
    let body = key.dropFirst(3)
    #expect(!host.output.contains(body) && !host.errors.contains(body))
    #expect(!host.output.isEmpty || !host.errors.isEmpty)
  }
}
