// SPDX-License-Identifier: Apache-2.0
import Coordination
import JSONCoding
import Model
@testable import Operator
import Testing

@Suite("Completion and manual pages") struct CompletionTests {
  private static let inventory = Inventory(
    cluster: "prod",
    nodes: ["minio-1", "minio-2"].map {
      Inventory.Node(name: $0, address: "\($0):7377", server: "\($0):9000")
    },
    keyManagers: [Inventory.KeyManagerHost(name: "kms-1", address: "kms-1:7373")])

  @Test(
    "the last word is completed by what may stand in its place",
    arguments: [
      ("app", ["apply"]), ("p", ["plan", "propose", "proposals", "proof", "pki"]),
      ("pki ", ["init", "issue", "renew", "revoke", "rotate-ca", "show"]),
      ("pki re", ["renew", "revoke"]),
      ("bucket key ", ["create", "list", "status"]), ("help bucket k", ["key"]),
      ("help pki rev", ["revoke"]), ("--inv", ["--inventory"]), ("--inventory ", [":files"]),
      ("--credentials x restar", ["restart"]), ("apply --se", ["--settings"]),
      ("apply --settings ", [":files"]), ("apply --settings=x --un", ["--unset"]),
      ("apply --unset MINIO_KMS_SSE", ["MINIO_KMS_SSE_KEY"]), ("apply --yes --ye", []),
      ("apply --json -- ", []), ("seal recover minio-", ["minio-1", "minio-2"]),
      ("pki renew minio-1 k", ["kms-1"]), ("pki issue --role ob", ["observer"]),
      ("completion ", ["bash", "zsh", "fish"]), ("lint ", [":files"]), ("nonsense ", []),
      ("plan --nonsense ", []), ("status --credentials ", [":directories"]),
    ])
  func candidates(line: String, expected: [String]) {
    let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    let found = Completion(Self.inventory).candidates(words)
    #expect(found == expected, "\(line): \(found)")
  }

  private func run(_ arguments: [String], _ files: [String: String] = [:]) -> (
    code: ExitCode, host: FakeCommandHost
  ) {
    let host = FakeCommandHost(files: files)
    let keyturn = Keyturn(
      host: host, network: FakeNetwork(agents: []), workshop: FakeWorkshop(),
      local: FakeLocalAgent(), stores: FakeStores(), newcomer: FakeNewcomer(),
      interruption: Interruption(), version: "test")
    return (keyturn.code(arguments), host)
  }

  @Test("every command and option is completed, each to what the parser takes")
  func all() {
    for command in CommandTable.commands {
      let words = command.rule.words
      for (index, word) in words.enumerated() {
        #expect(Completion(nil).candidates(Array(words[..<index]) + [word]).contains(word))
      }
      let options = Completion(nil).candidates(words + ["--"])
      let declared = command.parameters.filter { !$0.isOperand }.map { "--\($0.name)" }
      #expect(options.starts(with: declared) && options.last == "--help", "\(words)")
    }
  }

  @Test("words are completed with the inventory that is at hand, and without one")
  func words() {
    let text = String(decoding: JSON.encode(Self.inventory), as: UTF8.self)
    let arguments = ["completion", "words", "--", "seal", "recover", ""]
    let found = run(arguments, ["/etc/keyturn/inventory.json": text])
    #expect(found.code == .done && found.host.output == "minio-1\nminio-2\n")
    let none = run(arguments)
    #expect(none.code == .done && none.host.both.isEmpty)
  }

  @Test("a shell that is none of the three is told, and a page that is none")
  func unknown() {
    #expect(run(["completion", "csh"]).host.errors.contains("bash, zsh or fish"))
    #expect(run(["completion", "csh"]).code == .usage)
    #expect(run(["manual", "keyturn-x.1"]).code == .usage)
  }

  @Test("there is a page for each command; none of their lines is taken for a request")
  func pages() {
    let names = run(["manual"]).host.lines
    #expect(names.first == "keyturn.1" && names.last == "keyturn-exit.7")
    #expect(names.count == CommandTable.commands.count + 2)
    for name in names {
      let page = run(["manual", name, "--date", "2026-11-30"])
      #expect(page.code == .done)
      #expect(page.host.output.contains(".TH \(name.dropLast(2).uppercased()) "))
      for line in page.host.lines {
        #expect(line.utf8.count <= 80, "\(name): \(line)")
        let requests = [
          ".TH", ".SH", ".TP", ".PP", ".B", ".BR", ".I", ".nf", ".fi", ".RS", ".RE", ".\\\"",
        ]
        if line.hasPrefix(".") {
          #expect(requests.contains(String(line.prefix { $0 != " " })), "\(name): \(line)")
        }
      }
    }
  }
}
