// SPDX-License-Identifier: Apache-2.0
import Model
@testable import Operator
import Testing

@Suite struct CommandParserTests {
  private func invocation(_ line: String) -> Invocation? {
    guard case .run(let invocation) = try? CommandParser.parse(words(line)) else { return nil }
    return invocation
  }

  private func options<C: Command>(_ line: String, of command: C.Type) -> C.Options? {
    invocation(line)?.options as? C.Options
  }

  private func problem(_ line: String) -> String? {
    do throws(UsageProblem) {
      guard case .run(let invocation) = try CommandParser.parse(words(line)) else { return nil }
      return invocation.problem
    } catch { return error.message }
  }

  private func words(_ line: String) -> [String] { line.split(separator: " ").map(String.init) }

  @Test(
    "an option's value follows it or stands behind its =",
    arguments: ["plan --settings f --json", "plan --json --settings=f"])
  func values(_ line: String) throws {
    let given = try #require(invocation(line))
    #expect(given.command == PlanCommand.self && given.common.isJSON && !given.common.isQuiet)
    #expect((given.options as? PlanCommand.Options)?.settings.settings == "f")
  }

  @Test("a repeated option keeps its values in order")
  func repeated() throws {
    let plan = try #require(options("plan --unset A --unset B", of: PlanCommand.self))
    #expect(plan.settings.removals == ["A", "B"])
  }

  @Test("a list takes all words up to the next option, and may be repeated")
  func list() throws {
    let issue = try #require(
      options(
        "pki issue --role node --address a b --name n --address c", of: PKIIssueCommand.self))
    #expect(issue.addresses == ["a", "b", "c"])
    #expect(issue.name == "n" && issue.role == .node)
  }

  @Test("options of every command may stand before it, with their values")
  func leading() throws {
    for line in [
      "--json --inventory i plan --settings f", "--inventory=i plan --json --settings f",
      "-q --json --credentials c --inventory i plan --settings f",
    ] {
      let given = try #require(invocation(line), "\(line)")
      #expect(given.command == PlanCommand.self && given.common.isJSON)
      let plan = try #require(given.options as? PlanCommand.Options)
      #expect(plan.cluster.inventory == "i" && plan.settings.settings == "f")
    }
    #expect(
      problem("--inventory i lint f")
        == "lint has no option --inventory; keyturn help lint lists them")
  }

  @Test("the value of a short option may stand right behind it")
  func attached() throws {
    #expect(try #require(options("logs -n5", of: LogsCommand.self)).lines == 5)
    #expect(try #require(options("logs -gKMS", of: LogsCommand.self)).pattern != nil)
  }

  @Test("short options stand alone, with their value in the next word")
  func short() throws {
    let logs = try #require(options("logs -f -n 20 -q", of: LogsCommand.self))
    #expect(logs.follows && logs.lines == 20)
    #expect(invocation("logs -f -n 20 -q")?.common.isQuiet == true)
  }

  @Test("a lone dash is an operand, and behind -- everything is")
  func operands() throws {
    #expect(options("lint -", of: LintCommand.self)?.file == "-")
    #expect(options("lint --strict -- --x", of: LintCommand.self)?.file == "--x")
    #expect(options("plan --settings -", of: PlanCommand.self)?.settings.settings == "-")
  }

  @Test(
    "what cannot be understood is refused with what to do",
    arguments: [
      ("", "a command is missing; keyturn --help lists them"),
      ("plann", "there is no command \"plann\"; did you mean plan?"),
      ("xyzzy", "there is no command \"xyzzy\"; keyturn --help lists the commands"),
      ("pl", "there is no command \"pl\"; keyturn --help lists the commands"),
      (
        "pki",
        "pki needs a further word; there are: pki init, pki issue, pki renew, pki revoke, pki rotate-ca, pki show"
      ),
      (
        "pki isue",
        "pki has no command \"isue\"; there are: pki init, pki issue, pki renew, pki revoke, pki rotate-ca, pki show"
      ),
      ("--json", "a command is missing; keyturn --help lists them"),
      (
        "--settings f plan",
        "--settings stands before the command; only options of every command may: keyturn COMMAND --settings"
      ),
      ("version x", "version takes nothing more"),
      ("plan --setings f", "plan has no option --setings; did you mean --settings?"),
      ("plan --set f", "plan has no option --set; keyturn help plan lists them"),
      ("plan --api-key k1:x", "plan has no option --api-key; keyturn help plan lists them"),
      ("apply --dry-run", "apply has no option --dry-run; keyturn plan shows what apply would do"),
      ("status --output json", "status has no option --output; --json prints JSON lines"),
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
      ("lint --x -", "lint has no option --x; keyturn help lint lists them"),
      (
        "diff 1 x",
        "\"x\" is not a generation, which is a whole number from 0 on; keyturn history shows them"
      ),
      ("check --timeout 61", "--timeout 61 is not a number of seconds from 1 to 60"),
      ("logs -n many", "--lines many is not a number of lines from 0 to 100000"),
      ("check --every 5", "--every is for --watch, which is not given"),
      ("propose --withdraw --wait", "--withdraw takes no --wait"),
      (
        "pki issue --role king --name n",
        "--role king is none of node, witness, operator, observer"
      ),
    ])
  func problems(_ line: String, _ message: String) {
    #expect(problem(line) == message)
  }

  @Test("help and version are asked for in the ways in which people do")
  func help() throws {
    for line in ["--help", "-h", "help", "help help"] {
      guard case .help(nil) = try CommandParser.parse(words(line)) else {
        Issue.record("\(line)")
        continue
      }
    }
    for line in ["help pki init", "pki init --help", "pki init -h"] {
      guard case .help(let command?) = try CommandParser.parse(words(line)) else {
        Issue.record("\(line)")
        continue
      }
      #expect(command.rule.name == "pki init")
    }
    for line in ["help pki", "pki --help", "pki -h"] {
      guard case .group(let commands) = try CommandParser.parse(words(line)) else {
        Issue.record("\(line)")
        continue
      }
      #expect(
        commands.map { $0.rule.name } == [
          "pki init", "pki issue", "pki renew", "pki revoke", "pki rotate-ca", "pki show",
        ])
    }
    for line in ["--version", "-V", "version", "help version"] {
      guard case .version = try CommandParser.parse(words(line)) else {
        Issue.record("\(line)")
        continue
      }
    }
  }

  @Test("no option of a command is declared twice, and none has a common option's short form")
  func table() {
    for command in CommandTable.commands {
      let rules = command.parameters + CommonOptions().declared.map(\.rule)
      let names = rules.filter { !$0.isOperand }.map(\.name)
      #expect(Set(names).count == names.count, "\(command.rule.name)")
      let shorts = rules.compactMap(\.short)
      #expect(Set(shorts).count == shorts.count, "\(command.rule.name)")
      #expect(!command.rule.examples.isEmpty, "\(command.rule.name)")
    }
  }
}
