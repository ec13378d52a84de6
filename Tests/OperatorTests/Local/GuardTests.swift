// SPDX-License-Identifier: Apache-2.0
import Coordination
import Crypto
import JSONCoding
import Model
@testable import Operator
import Rollout
import Testing

@Suite("keyturn guard") struct GuardTests {
  private static let seal = Seal(
    cluster: "prod", keyName: "key-1", enclave: "store", rollout: "00000000000000aa",
    sealedAtMicroseconds: 1_790_000_000_000_000)
  private static let record = String(decoding: JSON.encode(seal), as: UTF8.self)
  private static let invocation = "0123456789abcdef0123456789abcdef"
  private static let config = "/etc/minio/config.env"
  private static let good = ["MINIO_KMS_SSE_KEY": "key-1", "MINIO_KMS_ENCLAVE": "store"]

  private func run(
    _ variables: [String: String], _ files: [String: String] = [:], seal: String? = record,
    _ arguments: [String] = ["guard", "--state", "/state"], isBySystemd: Bool = true,
    invocation: String = GuardTests.invocation, foreign: [String: String] = [:],
    evidenceFailure: String? = nil
  ) -> (code: ExitCode, host: FakeCommandHost) {
    var files = files
    files["/state/seal"] = seal
    let host = FakeCommandHost(
      files: files, directories: ["/state"],
      variables: isBySystemd ? variables.merging(["INVOCATION_ID": invocation]) { $1 } : variables,
      foreign: foreign, evidenceFailure: evidenceFailure)
    let keyturn = Keyturn(
      host: host, network: FakeNetwork(agents: []), workshop: FakeWorkshop(),
      local: FakeLocalAgent(), stores: FakeStores(), newcomer: FakeNewcomer(),
      interruption: Interruption(), version: "test")
    return (keyturn.code(arguments), host)
  }

  @Test("the sealed key passes without a word")
  func passes() {
    let (code, host) = run(Self.good)
    #expect(code == .done && host.output.isEmpty && host.errors.isEmpty)
  }

  @Test("where nothing is sealed everything passes", arguments: [[:], ["MINIO_KMS_SSE_KEY": "x"]])
  func unsealed(variables: [String: String]) {
    let (code, host) = run(variables, seal: nil)
    #expect(code == .done && host.errors.isEmpty)
  }

  @Test("where the agent never was everything passes, but a directory that is named must be there")
  func absent() {
    #expect(run(["MINIO_KMS_SSE_KEY": "x"], seal: nil, ["guard"]).code == .done)
    let (code, host) = run(Self.good, seal: nil, ["guard", "--state", "/elsewhere"])
    #expect(code == .startRefused)
    #expect(host.errors.contains("no directory /elsewhere, which --state"), "\(host.errors)")
  }

  @Test(
    "another key is refused in one line that says what is sealed, what was found and what to do")
  func refused() {
    let (code, host) = run(["MINIO_KMS_SSE_KEY": "key-2", "MINIO_KMS_ENCLAVE": "store"])
    #expect(code == .startRefused && code.rawValue == 12)
    #expect(host.errors.split(separator: "\n").count == 1)
    for part in [
      "keyturn: the start guard: this start is refused: MINIO_KMS_SSE_KEY is \"key-2\"",
      "\"key-1\"", "2026-09-21T", "00000000000000aa", "Put back MINIO_KMS_SSE_KEY=\"key-1\"",
      "systemctl reset-failed", "docs/use/seal.md",
    ] {
      #expect(host.errors.contains(part), "\(part): \(host.errors)")
    }
  }

  @Test("called by hand it says that no server was judged, but the shell's environment")
  func byHand() {
    let (code, host) = run([:], isBySystemd: false)
    #expect(code == .startRefused)
    #expect(host.errors.contains("systemd has not called it"), "\(host.errors)")
    #expect(!run([:]).host.errors.contains("systemd has not called it"))
    #expect(run(Self.good, isBySystemd: false).host.errors.isEmpty)
  }

  @Test("with --json the refusal is a message on standard output, and nothing else is said")
  func json() {
    let (code, host) = run([:], [:], seal: Self.record, ["guard", "--state", "/state", "--json"])
    #expect(code == .startRefused && host.errors.isEmpty)
    #expect(host.output.contains(#""message":"the start guard: this start is refused: MINIO_KMS"#))
  }

  @Test("in the journal the line is an error")
  func journal() {
    let (_, host) = run(["JOURNAL_STREAM": "8:1"])
    #expect(host.errors.hasPrefix("<3>keyturn: "))
  }

  @Test(
    "the file of MINIO_CONFIG_ENV_FILE counts as MinIO reads it",
    arguments: [
      ("MINIO_KMS_SSE_KEY=key-2\n", false), ("MINIO_KMS_SSE_KEY=\"key-1\"\n", true),
      ("export MINIO_KMS_SSE_KEY='key-1'\n", true), ("#MINIO_KMS_SSE_KEY=key-2\n", true),
      ("MINIO_KMS_SSE_KEY=\n", false), ("MINIO_KMS_SSE_KEY =key-2\n", true),
      ("MINIO_KMS_SSE_KEY=key-1\nMINIO_KMS_SSE_KEY=key-1\n", true), ("", true),
      ("MINIO_KMS_SSE_KEY=key-2\nMINIO_KMS_SSE_KEY=key-1\n", false),
      ("MINIO_KMS_ENCLAVE=other\n", false), ("no definition\nMINIO_KMS_SSE_KEY=key-2\n", false),
    ])
  func config(text: String, passes: Bool) {
    var variables = Self.good
    variables["MINIO_CONFIG_ENV_FILE"] = " /etc/minio/config.env "
    let (code, host) = run(variables, ["/etc/minio/config.env": text])
    #expect(code == (passes ? .done : .startRefused), "\(host.errors)")
    #expect(passes || host.errors.contains("/etc/minio/config.env line "), "\(host.errors)")
  }

  @Test("a file that is not there, or cannot be read, is refused with why")
  func unreadable() {
    var variables = Self.good
    variables["MINIO_CONFIG_ENV_FILE"] = "/etc/minio/config.env"
    let missing = run(variables)
    #expect(missing.code == .startRefused && missing.host.errors.contains("is not there"))
    #expect(run(variables, seal: nil).code == .done)
    let huge = String(repeating: "#", count: Limits.environmentFileBytes + 1)
    let (code, host) = run(variables, ["/etc/minio/config.env": huge])
    #expect(code == .startRefused && host.errors.contains("too large"))
  }

  @Test(
    "a damaged seal is refused, with the command that recovers it", arguments: ["DAMAGED", "{}"])
  func damaged(record: String) {
    let (code, host) = run(Self.good, seal: record)
    #expect(code == .startRefused)
    #expect(host.errors.contains("keyturn seal recover NODE"))
    #expect(host.errors.contains("docs/use/seal.md"))
  }

  /// The records beside the seal, by their names.
  private func records(
    written: Seal? = nil, lifted: Seal? = nil
  ) -> [String: String] {
    var files: [String: String] = [:]
    if let written {
      files["/state/seal.digest"] = String(decoding: JSON.encode(written.digest), as: UTF8.self)
    }
    if let lifted {
      files["/state/seal.lifted"] = String(decoding: JSON.encode(lifted), as: UTF8.self)
    }
    return files
  }

  @Test("a seal that was removed is refused, whatever the key, with the command that recovers it")
  func removed() {
    let (code, host) = run(Self.good, records(written: Self.seal), seal: nil)
    #expect(code == .startRefused)
    #expect(host.errors.contains("removed") && host.errors.contains("keyturn seal recover NODE"))
    #expect(host.errors.split(separator: "\n").count == 1)
  }

  @Test("a seal that was altered, its checksum right, is refused")
  func altered() {
    var other = Self.seal
    other.keyName = "key-2"
    let (code, host) = run(Self.good, records(written: other))
    #expect(code == .startRefused && host.errors.contains("altered"))
  }

  @Test("a seal that was lifted opens the door, the seal of another lifted one does not")
  func lifted() {
    let key = ["MINIO_KMS_SSE_KEY": "key-2"]
    let files = records(written: Self.seal, lifted: Self.seal)
    #expect(run(key, files, seal: nil).code == .done)
    var older = Self.seal
    older.keyName = "key-0"
    let wrong = records(written: Self.seal, lifted: older)
    #expect(run(key, wrong, seal: nil).code == .startRefused)
  }

  @Test("with a good seal neither a missing digest nor a damaged lifted one keeps the server down")
  func rest() {
    #expect(run(Self.good).code == .done)
    var files = records(written: Self.seal)
    files["/state/seal.lifted"] = "DAMAGED"
    #expect(run(Self.good, files).code == .done)
  }

  @Test(
    "a file that other users may put another in the place of is refused, whatever it says",
    arguments: [
      "/tmp/minio.env", "/var/tmp/minio.env", "/dev/shm/minio.env", "/run/user/1000/minio.env",
      "/proc/self/environ", "/proc/self/root/etc/minio/config.env", "/dev/stdin", "config.env", "-",
      "/etc/../tmp/minio.env",
    ])
  func places(path: String) {
    var variables = Self.good
    variables["MINIO_CONFIG_ENV_FILE"] = path
    let (code, host) = run(variables, [path: "MINIO_KMS_SSE_KEY=key-1\n"])
    #expect(code == .startRefused && host.errors.contains("cannot be relied on"), "\(host.errors)")
    #expect(host.evidence.isEmpty)
    #expect(run(variables, [path: "MINIO_KMS_SSE_KEY=key-1\n"], seal: nil).code == .done)
  }

  @Test("a file that somebody else may write is refused, with who")
  func foreign() {
    var variables = Self.good
    variables["MINIO_CONFIG_ENV_FILE"] = Self.config
    let who = "every user may write /etc/minio"
    let (code, host) = run(variables, [Self.config: ""], foreign: [Self.config: who])
    #expect(code == .startRefused && host.errors.contains(who))
  }

  @Test("a start that passes leaves evidence under its invocation; one that is refused leaves none")
  func evidence() throws {
    var variables = Self.good
    variables["MINIO_CONFIG_ENV_FILE"] = Self.config
    let text = "MINIO_BROWSER=off\n"
    let host = run(variables, [Self.config: text]).host
    let path = "/run/keyturn-guard/\(Self.invocation)"
    #expect(Array(host.evidence.keys) == [path])
    let left = try JSON.decode(GuardEvidence.self, from: #require(host.evidence[path]))
    #expect(left.invocation == Self.invocation && left.seal == Self.seal.digest)
    #expect(left.key == Self.seal.key && left.config == Self.config)
    #expect(left.configDigest == .sha256(Array(text.utf8)))
    #expect(run([:]).host.evidence.isEmpty)
    #expect(run(Self.good, seal: nil).host.evidence.count == 1)
  }

  @Test(
    "what is no invocation of systemd's names no file",
    arguments: [
      "", "i", "../../etc/passwd", "0123456789abcdef0123456789abcde/",
      "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcdef0",
    ])
  func invocations(invocation: String) {
    let (code, host) = run(Self.good, invocation: invocation)
    #expect(code == .done && host.evidence.isEmpty)
  }

  @Test("evidence that cannot be left refuses a start where a key is sealed, and only there")
  func noEvidence() {
    let (code, host) = run(Self.good, evidenceFailure: "No space left on device")
    #expect(code == .startRefused && host.errors.contains("No space left on device"))
    #expect(run(Self.good, seal: nil, evidenceFailure: "No space left on device").code == .done)
  }
}
