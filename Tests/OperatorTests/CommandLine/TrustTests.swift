// SPDX-License-Identifier: Apache-2.0
import Coordination
import Model
@testable import Operator
import Secrets
import Testing
import Threads

@Suite("What is taken from where")
struct TrustTests {
  private func status(
    _ arguments: String = "status", isRoot: Bool, hold: String? = nil,
    files more: [String: String] = [:], variables: [String: String] = [:],
    network: FakeNetwork = FakeNetwork(agents: Sample.names.map { FakeAgent($0) })
  ) -> (code: ExitCode, host: FakeCommandHost) {
    let host = FakeCommandHost(
      files: Sample.files.merging(more) { $1 }, variables: variables, isRoot: isRoot,
      foreignHolds: hold.map { ["./inventory.json": $0] } ?? [:])
    let keyturn = Keyturn(
      host: host, network: network, workshop: FakeWorkshop(), local: FakeLocalAgent(),
      stores: FakeStores(), newcomer: FakeNewcomer(),
      interruption: Interruption(), version: "test")
    return (keyturn.code(arguments.split(separator: " ").map(String.init)), host)
  }

  @Test("an inventory that only lies in the working directory is named when it is taken")
  func named() {
    for isRoot in [false, true] {
      let (_, host) = status(isRoot: isRoot)
      #expect(
        host.errors.contains(
          "keyturn: the inventory is ./inventory.json of the working directory, cluster prod"),
        "\(host.errors)")
    }
    for arguments in ["status --inventory ./inventory.json", "status -q"] {
      let (_, host) = status(arguments, isRoot: true)
      #expect(!host.errors.contains("working directory"), "\(host.errors)")
    }
    let chosen = status(isRoot: true, variables: ["KEYTURN_INVENTORY": "./inventory.json"]).host
    #expect(!chosen.errors.contains("working directory"), "\(chosen.errors)")
  }

  @Test("root takes none from a directory that others can write, but the one of /etc, and says so")
  func untrusted() throws {
    let hold = "everybody can write /tmp (mode 1777)"
    let (code, host) = status(isRoot: true, hold: hold)
    #expect(code == .badConfiguration)
    #expect(host.errors.contains("./inventory.json is not taken: \(hold)"), "\(host.errors)")
    let own = try #require(Sample.files["./inventory.json"])
    let other = own.replacing("\"prod\"", with: "\"other\"")
    let (_, both) = status(
      isRoot: true, hold: hold,
      files: ["./inventory.json": other, "/etc/keyturn/inventory.json": own])
    #expect(both.errors.contains("is not taken"), "\(both.errors)")
    #expect(both.output.contains("minio-4"), "\(both.output)\(both.errors)")
    // Whoever is not root is told which one it is, and nothing else.
    #expect(!status(isRoot: false, hold: hold).host.errors.contains("is not taken"))
  }

  @Test(
    "root beside an agent uses what that was renewed by, with the agent's own credentials alone")
  func agentState() {
    var own: [String: String] = [:]
    for directory in ["/etc/keyturn/credentials", "/etc/keyturn/credentials/", "creds"] {
      for name in ["ca.pem", "cert.pem", "key.pem"] { own["\(directory)/\(name)"] = "PEM" }
    }
    for (arguments, variables, isRoot, state) in [
      ("status", [:], true, "/var/lib/keyturn"),
      ("status --credentials /etc/keyturn/credentials/", [:], true, "/var/lib/keyturn"),
      ("status", ["KEYTURN_CREDENTIALS": "/etc/keyturn/credentials"], true, "/var/lib/keyturn"),
      ("status", [:], false, nil), ("status --credentials creds", [:], true, nil),
      ("status", ["KEYTURN_CREDENTIALS": "creds"], true, nil),
    ] as [(String, [String: String], Bool, String?)] {
      var network = FakeNetwork(agents: Sample.names.map { FakeAgent($0) })
      network.warnings = ["the renewed certificate is not used"]
      let (_, host) = status(
        arguments, isRoot: isRoot, files: own, variables: variables, network: network)
      #expect(network.states.withLock { $0 } == [state], "\(arguments) \(host.errors)")
      #expect(host.errors.contains("warning: the renewed certificate is not used"))
    }
  }

  @Test("root beside an agent uses the state directory that the agent says it has")
  func agentStateElsewhere() {
    var own: [String: String] = [:]
    for name in ["ca.pem", "cert.pem", "key.pem"] {
      own["/etc/keyturn/credentials/\(name)"] = "PEM"
    }
    for (text, state, code) in [
      ("/srv/keyturn\n", "/srv/keyturn", nil), ("/srv/keyturn", "/srv/keyturn", nil),
      ("", nil, ExitCode.badConfiguration), ("srv\n", nil, .badConfiguration),
      (String(repeating: "/x", count: Limits.pathBytes), nil, .badConfiguration),
    ] as [(String, String?, ExitCode?)] {
      let network = FakeNetwork(agents: Sample.names.map { FakeAgent($0) })
      let ended = status(
        "status", isRoot: true, files: own.merging(["/run/keyturn/state": text]) { $1 },
        variables: [:], network: network)
      #expect(network.states.withLock { $0 } == (state.map { [$0] } ?? []), "\(ended.host.errors)")
      if let code { #expect(ended.code == code, "\(ended.host.errors)") }
    }
  }

  // MARK: the authority's passphrase

  @Test("pki init takes a passphrase from a file or the terminal, never from an argument")
  func newPassphrase() {
    func made(_ arguments: String, answer: String? = nil, mode: UInt32 = 0o600) -> (
      code: ExitCode, passphrase: Secret?, errors: String
    ) {
      let workshop = FakeWorkshop()
      let (code, host) = Sample.run(
        "pki init --cluster prod \(arguments)", [], files: ["pass": "correct horse\n"], mode: mode,
        answer: answer, workshop: workshop)
      return (code, workshop.passphrases.withLock { $0.made }, host.errors)
    }
    #expect(made("").passphrase == nil)
    #expect(made("--passphrase-file pass").passphrase == Secret("correct horse"))
    #expect(made("--passphrase", answer: "correct horse").passphrase == Secret("correct horse"))
    let none = made("--passphrase")
    #expect(none.code == .failed && none.errors.contains("--passphrase-file"), "\(none.errors)")
    let shared = made("--passphrase-file pass", mode: 0o640)
    #expect(shared.code == .failed && shared.errors.contains("chmod 600"), "\(shared.errors)")
    #expect(made("--passphrase correct").code == .usage)
  }

  @Test("pki issue asks for the passphrase of an encrypted key only")
  func usedPassphrase() {
    func used(_ isEncrypted: Bool, _ arguments: String, answer: String? = nil) -> (
      code: ExitCode, passphrase: Secret?
    ) {
      var workshop = FakeWorkshop()
      workshop.isEncrypted = isEncrypted
      let (code, _) = Sample.run(
        "pki issue --role operator --name a \(arguments)", [],
        files: ["pass": "correct horse\r\n"], answer: answer, workshop: workshop)
      return (code, workshop.passphrases.withLock { $0.used })
    }
    #expect(used(true, "--passphrase-file pass").passphrase == Secret("correct horse"))
    #expect(used(true, "", answer: "correct horse").passphrase == Secret("correct horse"))
    #expect(used(true, "").code == .failed)
    #expect(used(false, "--passphrase-file pass") == (.done, nil))
    #expect(used(false, "") == (.done, nil))
  }

  @Test(
    "a passphrase has 8 to 1024 bytes and is one line",
    arguments: [
      (String(repeating: "x", count: 7), ExitCode.failed),
      (String(repeating: "x", count: 8), .done),
      (String(repeating: "x", count: 1024), .done), (String(repeating: "x", count: 1025), .failed),
      ("two lines\nof it", .failed), ("", .failed),
    ])
  func bounds(text: String, code: ExitCode) {
    let run = Sample.run(
      "pki init --cluster prod --passphrase-file pass", [], files: ["pass": text])
    #expect(run.code == code, "\(run.host.errors)")
    #expect(text.isEmpty || !run.host.errors.contains(text))
  }
}
