// SPDX-License-Identifier: Apache-2.0
@testable import Operator
import Testing

@Suite struct CommandParserTests {
  private let parser = CommandParser(table: KeyturnCommands.table)

  private func invocation(_ line: String) -> Invocation? {
    guard case .run(let invocation) = try? parser.parse(words(line)) else { return nil }
    return invocation
  }

  private func problem(_ line: String) -> String? {
    do throws(UsageProblem) {
      _ = try parser.parse(words(line))
      return nil
    } catch { return error.message }
  }

  private func words(_ line: String) -> [String] { line.split(separator: " ").map(String.init) }

  @Test(
    "an option's value follows it or stands behind its =",
    arguments: ["plan --settings f --json", "plan --json --settings=f"])
  func values(_ line: String) throws {
    let plan = try #require(invocation(line))
    #expect(plan.command.name == "plan")
    #expect(plan.value("settings") == "f")
    #expect(plan.has("json"))
    #expect(!plan.has("quiet"))
  }

  @Test("a repeated option keeps its values in order")
  func repeated() throws {
    let plan = try #require(invocation("plan --unset A --unset B"))
    #expect(plan.values("unset") == ["A", "B"])
  }

  @Test("a list takes all words up to the next option, and may be repeated")
  func list() throws {
    let issue = try #require(
      invocation("pki issue --role node --address a b --name n --address c"))
    #expect(issue.command.name == "pki issue")
    #expect(issue.values("address") == ["a", "b", "c"])
    #expect(issue.value("name") == "n")
  }

  @Test("short options stand alone, with their value in the next word")
  func short() throws {
    let logs = try #require(invocation("logs -f -n 20 -q"))
    #expect(logs.has("follow") && logs.has("quiet"))
    #expect(logs.value("lines") == "20")
  }

  @Test("a lone dash is an operand, and behind -- everything is")
  func operands() throws {
    #expect(invocation("lint -")?.operands == ["-"])
    #expect(invocation("lint --strict -- --x")?.operands == ["--x"])
    #expect(invocation("plan --settings -")?.value("settings") == "-")
  }

  @Test(
    "what cannot be understood is refused with what to do",
    arguments: [
      ("", "a command is missing; keyturn --help lists them"),
      ("plann", "there is no command \"plann\"; did you mean plan?"),
      ("xyzzy", "there is no command \"xyzzy\"; keyturn --help lists the commands"),
      ("pl", "there is no command \"pl\"; keyturn --help lists the commands"),
      ("pki", "pki needs a further word; there are: pki init, pki issue, pki show"),
      ("pki isue", "pki has no command \"isue\"; there are: pki init, pki issue, pki show"),
      (
        "--json plan",
        "--json stands before the command; options come after it: keyturn COMMAND --json"
      ),
      ("plan --setings f", "plan has no option --setings; did you mean --settings?"),
      ("plan --set f", "plan has no option --set; keyturn help plan lists them"),
      ("plan --api-key k1:x", "plan has no option --api-key; keyturn help plan lists them"),
      ("plan -x", "plan has no option -x; keyturn help plan lists them"),
      ("logs -fn 5", "logs has no option -fn; keyturn help logs lists them"),
      ("plan --settings", "--settings needs a value: --settings FILE"),
      ("plan --settings --json", "--settings needs a value: --settings FILE"),
      ("plan --settings a --settings b", "--settings is given twice"),
      ("plan --json=1", "--json takes no value"),
      ("plan f", "plan does not take \"f\"; keyturn help plan"),
      ("lint", "lint needs FILE; keyturn help lint"),
      ("lint a b", "lint does not take \"b\"; keyturn help lint"),
      ("pki init", "pki init needs --cluster NAME; keyturn help pki init"),
      ("help plann", "there is no command \"plann\"; did you mean plan?"),
      ("help plan x", "help takes one command, not also \"x\""),
    ])
  func problems(_ line: String, _ message: String) {
    #expect(problem(line) == message)
  }

  @Test("help is asked for in four ways, version in one")
  func help() throws {
    for line in ["--help", "-h", "help"] {
      guard case .help(nil) = try parser.parse(words(line)) else {
        Issue.record("\(line)")
        continue
      }
    }
    for line in ["help pki init", "pki init --help", "pki init -h"] {
      guard case .help(let command?) = try parser.parse(words(line)) else {
        Issue.record("\(line)")
        continue
      }
      #expect(command.name == "pki init")
    }
    for line in ["help pki", "pki --help", "pki -h"] {
      guard case .group(let commands) = try parser.parse(words(line)) else {
        Issue.record("\(line)")
        continue
      }
      #expect(commands.map(\.name) == ["pki init", "pki issue", "pki show"])
    }
    guard case .version = try parser.parse(["--version"]) else {
      Issue.record("--version")
      return
    }
  }

  @Test("no option of a command is declared twice, and none has a common option's short form")
  func table() {
    for command in KeyturnCommands.table.commands {
      let rules = command.options + KeyturnCommands.table.commonOptions
      #expect(Set(rules.map(\.name)).count == rules.count, "\(command.name)")
      let shorts = rules.compactMap(\.short)
      #expect(Set(shorts).count == shorts.count, "\(command.name)")
      #expect(!command.examples.isEmpty, "\(command.name)")
    }
  }
}
