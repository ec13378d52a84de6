// SPDX-License-Identifier: Apache-2.0
import Crypto
import Glibc
import HTTP
import JSONCoding
@testable import KeyManager
import Model
import OpenSSL
@testable import Probes
import TestSupport
import Testing
import Threads

/// Key proofs at two stand-in Key Managers, over TLS: made, opened, and not opened.
@Suite(.serialized) struct KeyProofProbeTests {
  private let keyManagers: StandInKeyManagers
  private let binding = KeyProof.Binding(cluster: "prod", seal: .sha256([1]))

  init() throws { keyManagers = try StandInKeyManagers() }

  private func make(
    hosts: [Int] = [0, 1], sseKey: String = "a", apiKey: String = StandInKeyManagers.user,
    known: [KeyProof] = []
  ) throws(Refusal) -> KeyProof {
    let settings: KeyManagerSettings
    do { settings = try keyManagers.settings(apiKey: apiKey, sseKey: sseKey, hosts: hosts) } catch {
      preconditionFailure("the settings of a test are right")
    }
    return try KeyProofMaker.make(
      settings, surroundings: keyManagers.surroundings, known: known, for: binding, by: "minio-1",
      deadline: .inMilliseconds(20_000))
  }

  private func look(_ proofs: [KeyProof]) throws -> [EndpointReport] {
    KeyManagerProbe.run(
      settings: try keyManagers.settings(), surroundings: keyManagers.surroundings, proofs: proofs,
      deadline: .inMilliseconds(20_000))
  }

  private func words(_ reports: [EndpointReport], _ stage: ProbeStage = .proof) -> [String] {
    reports.map { report in
      guard let result = report[stage] else { return "no such stage" }
      return "\(result.verdict)" + (result.reason.map { " \($0)" } ?? "")
    }
  }

  private func refusal(_ body: () throws(Refusal) -> KeyProof) -> Refusal? {
    do throws(Refusal) { _ = try body() } catch { return error }
    return nil
  }

  private func addVersion() throws {
    let request = Frame(.keyCreate, CreateKeyRequest(name: "a", type: "", addVersion: true))
    try #require(try keyManagers.ask(0, request.encoded()).status == 200)
  }

  // MARK: looked at

  /// A way in which Key Managers are wrong, and what is seen of it at the first and the second.
  struct Fault: Sendable, CustomTestStringConvertible {
    var name: String
    /// JSON, see the stand-in's `Faults`.
    var faults: String
    var hosts = [0, 1]
    var seen: [String]
    /// Rules and refusals of what stands against the settings; warnings without a refusal.
    var findings: [String]

    var testDescription: String { name }
  }

  private static let otherKey = "kms-key-other guarded"

  private static let faults = [
    Fault(name: "none", faults: "", seen: ["fine", "fine"], findings: []),
    Fault(
      name: "bytes exchanged under the name", faults: #""keys": {"a": {"bytes": "x"}}"#,
      seen: ["failed otherKey", "failed otherKey"], findings: [otherKey, otherKey]),
    Fault(
      name: "one restored from an old backup", faults: #""keys": {"a": {"bytes": "x"}}"#,
      hosts: [1], seen: ["fine", "failed otherKey"], findings: [otherKey]),
    Fault(
      name: "another plaintext, from a Key Manager that verifies nothing",
      faults: #""verifiesNothing": true, "keys": {"a": {"bytes": "x"}}"#, hosts: [0],
      seen: ["failed otherKey", "fine"], findings: [otherKey]),
    Fault(
      name: "the version is missing", faults: #""keys": {"a": {"lost": [1]}}"#, hosts: [1],
      seen: ["fine", "failed versionMissing"], findings: [otherKey]),
    Fault(
      name: "KEY:DECRYPT denied", faults: #""deny": ["KEY:DECRYPT"]"#, hosts: [0],
      seen: ["failed denied", "fine"], findings: ["kms-identity-denied keyManager"]),
    Fault(
      name: "another answer at one",
      faults: #""answers": {"KEY:DECRYPT": {"status": 500, "text": "out of order"}}"#, hosts: [1],
      seen: ["fine", "failed"], findings: ["kms-probe-proof"]),
  ]

  @Test("every way to have another key is seen where it is, and named", arguments: faults)
  func look(_ fault: Fault) throws {
    let first = try make()
    // The old version must be asked for, while the latest is well.
    try addVersion()
    let proofs = [first, try make()]
    #expect(proofs.map(\.version) == [1, 2])
    try keyManagers.setFaults(fault.faults, at: fault.hosts)
    let reports = try look(proofs)
    #expect(words(reports) == fault.seen)
    #expect(words(reports, .key) == ["fine", "fine"])
    let findings = KeyManagerJudgement.findings(
      reports, settings: try keyManagers.settings(), firstEnablement: false, createKey: false)
    #expect(
      findings.map { $0.rule + ($0.severity == .error ? " \($0.refusal)" : "") } == fault.findings)
    for (index, report) in reports.enumerated() where fault.seen[index] != "fine" {
      #expect(findings.contains { $0.message.contains(report.endpoint) })
      if fault.findings[0] == Self.otherKey {
        let place = "kms-\(index + 1) (127.0.0.1:\(keyManagers.hosts[index].port))"
        #expect(findings.contains { $0.message.contains(place) })
      }
    }
    try keyManagers.setFaults("")
    #expect(words(try look(proofs)) == ["fine", "fine"])
  }

  @Test("a key that was deleted and made again under its name is another")
  func recreated() throws {
    let proof = try make()
    let delete: [UInt8] = [0, 202, 0, 0, 0, 3] + KeyStatusRequest(name: "a").encoded()
    try #require(
      try keyManagers.ask(0, delete, as: StandInKeyManagers.admin).status == 200)
    let gone = try look([proof])
    #expect(words(gone, .key) == ["failed keyMissing", "failed keyMissing"])
    #expect(words(gone) == ["notChecked", "notChecked"])
    let create = Frame(.keyCreate, CreateKeyRequest(name: "a", type: "", addVersion: false))
    try #require(try keyManagers.ask(0, create.encoded()).status == 200)
    #expect(words(try look([proof])) == ["failed otherKey", "failed otherKey"])
  }

  @Test("without a proof there is nothing to open, and that is said")
  func none() throws {
    let reports = try look([])
    #expect(words(reports) == ["notChecked", "notChecked"])
    #expect(reports[0][.proof]?.detail == "this node has no key proof yet")
    let findings = KeyManagerJudgement.findings(
      reports, settings: try keyManagers.settings(), firstEnablement: false, createKey: false)
    #expect(findings == [])
  }

  @Test("a look asks once for each proof, and creates nothing")
  func counted() throws {
    let proofs = [try make(hosts: [0]), try make(hosts: [0])]
    let before = try keyManagers.hosts.map { try $0.state() }
    _ = try look(proofs)
    #expect(
      keyManagers.hosts[1].commands(5)
        == ["IDENTITY:STATUS", "KEY:STATUS", "KEY:GENERATE", "KEY:DECRYPT", "KEY:DECRYPT"])
    #expect(try keyManagers.hosts.map { try $0.state() } == before)
  }

  // MARK: made

  @Test("one endpoint makes it, another opens it and does not open it for anything else")
  func made() throws {
    let proof = try make()
    #expect(proof.version == 1)
    #expect(proof.binding == binding)
    #expect(proof.madeBy == "minio-1")
    #expect(proof.source == KeySource(try keyManagers.settings()).digest)
    #expect(keyManagers.hosts[0].commands(1) == ["KEY:GENERATE"])
    #expect(keyManagers.hosts[1].commands(2) == ["KEY:DECRYPT", "KEY:DECRYPT"])
  }

  @Test("with one endpoint the same opens it")
  func madeByOne() throws {
    _ = try make(hosts: [1])
    #expect(keyManagers.hosts[1].commands(3) == ["KEY:GENERATE", "KEY:DECRYPT", "KEY:DECRYPT"])
  }

  @Test("what the first endpoint cannot do the next one does")
  func nextEndpoint() throws {
    try keyManagers.setFaults(#""deny": ["KEY:GENERATE"]"#, at: [0])
    #expect(try make().version == 1)
    keyManagers.hosts[0].stop()
    #expect(try make().version == 1)
  }

  @Test("none is made with two Key Managers that do not have the same key")
  func differing() throws {
    try keyManagers.setFaults(#""keys": {"a": {"bytes": "x"}}"#, at: [1])
    let refusal = try #require(refusal { () throws(Refusal) in try make() })
    #expect(refusal.code == .guarded)
    #expect(refusal.message.contains("https://127.0.0.1:\(keyManagers.hosts[1].port)"))
    #expect(refusal.message.contains("KEY:DECRYPT"))
  }

  @Test("who makes one opens first what is known: it may be another host than the one looked at")
  func known() throws {
    let known = try make()
    _ = try make(known: [known])
    #expect(
      keyManagers.hosts[0].commands(3) == ["KEY:GENERATE", "KEY:DECRYPT", "KEY:GENERATE"])
    try keyManagers.setFaults(#""keys": {"a": {"bytes": "x"}}"#)
    let refusal = try #require(refusal { () throws(Refusal) in try make(known: [known]) })
    #expect(refusal.code == .guarded)
    #expect(refusal.message.contains("does not open the key proof of version 1"))
    #expect(keyManagers.hosts[0].commands(4).suffix(1) == ["KEY:DECRYPT"])
  }

  @Test("none is made where the Key Manager ignores the associated data")
  func ignoring() throws {
    try keyManagers.setFaults(#""verifiesNothing": true"#)
    let refusal = try #require(refusal { () throws(Refusal) in try make() })
    #expect(refusal.code == .keyManager)
    #expect(refusal.message.contains("ignores the associated data"))
  }

  @Test(
    "a refusal names each endpoint, the command and what it said",
    arguments: [
      (#""deny": ["KEY:GENERATE"]"#, "KEY:GENERATE: answered 403 access denied"),
      (#""deny": ["KEY:DECRYPT"]"#, "KEY:DECRYPT: answered 403 access denied"),
      (#""keys": {"a": {"lost": [1]}}"#, "KEY:GENERATE: answered 404 key does not exist"),
      (#""answers": {"*": {"status": 503, "text": "sealed"}}"#, "answered 503 sealed"),
    ])
  func refused(faults: String, text: String) throws {
    try keyManagers.setFaults(faults)
    let refusal = try #require(refusal { () throws(Refusal) in try make() })
    #expect(refusal.code == .keyManager)
    for host in keyManagers.hosts {
      #expect(refusal.message.contains("https://127.0.0.1:\(host.port): "), "\(refusal.message)")
    }
    #expect(refusal.message.contains(text), "\(refusal.message)")
  }

  // MARK: secrets

  /// What no text of the tests has in one piece.
  private let halves = ("Wa-data-key-in-p", "ieces-of-a-probe")

  @Test("the data key is in no proof, report or refusal, and afterwards in no memory")
  func noDataKey() throws {
    try keyManagers.setDataKey(halves.0, halves.1)
    let proof = try make()
    for framing in ["pieces", "truncated", "trailing", "chunked", "unframed"] {
      try keyManagers.setDataKey(halves.0, halves.1, more: #", "framing": "\#(framing)""#)
      _ = try look([proof])
    }
    try keyManagers.setDataKey(halves.0, halves.1)
    var texts = [String(decoding: JSON.encode(proof), as: UTF8.self), "\(proof)"]
    texts += try look([proof]).flatMap(\.stages).map(\.detail)
    try keyManagers.setDataKey(halves.0, halves.1, more: #", "verifiesNothing": true"#)
    texts += [refusal { () throws(Refusal) in try make() }?.message ?? ""]
    try keyManagers.setDataKey(halves.0, halves.1, more: #", "keys": {"a": {"bytes": "x"}}"#)
    texts += try look([proof]).flatMap(\.stages).map(\.detail)
    for text in texts { #expect(!text.contains(halves.0) && !text.contains(halves.1)) }
    #expect(try !OwnMemory.holds(halves.0, halves.1))
    // What is sought is found where it is.
    let whole = Array((halves.0 + halves.1).utf8)
    #expect(try OwnMemory.holds(halves.0, halves.1))
    #expect(whole.count == 32)
  }
}

extension KeyProofProbeTests {
  @Test("a body that grows as it comes leaves no copy of what came first")
  func growingBody() throws {
    let filler = [UInt8](repeating: 0x2E, count: 64)
    var parser = HTTPResponseParser(bodyLimit: 1 << 16)
    parser.feed(Array("HTTP/1.1 200 OK\r\ncontent-length: \(32 + 64 * 64)\r\n\r\n".utf8))
    #expect(try parser.next() == nil)
    parser.feed(Array(("Xa-growing-body-" + "in-many-pieces-!").utf8))
    for _ in 0..<64 { parser.feed(Array(filler)) }
    var response = try #require(try parser.next())
    #expect(response.body.count == 32 + 64 * 64)
    response.body.wipe()
    #expect(try !OwnMemory.holds("Xa-growing-body-", "in-many-pieces-!"))
  }
}

/// The memory of the tests' process.
private enum OwnMemory {
  /// Whether two texts are in it, the one directly behind the other.
  static func holds(_ first: String, _ second: String) throws -> Bool {
    let (first, second) = (Array(first.utf8), Array(second.utf8))
    let maps = try Subprocess.run(
      "/bin/cat", ["/proc/\(getpid())/maps"], until: .inMilliseconds(10_000)
    ).stdout
    let memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC)
    try #require(memory >= 0)
    defer { close(memory) }
    // Neither in the heap nor on the stack: what is read must not be found as itself.
    let size = 1 << 20
    let window = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let window, window != MAP_FAILED else { return false }
    defer { munmap(window, size) }
    for line in maps.split(separator: "\n") {
      let words = line.split(separator: " ")
      let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
      guard words[1].hasPrefix("rw"), ends.count == 2 else { continue }
      if ends[0] == UInt(bitPattern: window) { continue }
      var place = ends[0]
      while place < ends[1] {
        let count = pread(memory, window, min(size, Int(ends[1] - place)), off_t(place))
        if count <= 0 { break }
        let bytes = UnsafeRawBufferPointer(start: window, count: count)
        if finds(first, second, bytes) { return true }
        if count < size { break }
        // What lies across two windows is seen in the next.
        place += UInt(count - 64)
      }
    }
    return false
  }

  private static func finds(
    _ first: [UInt8], _ second: [UInt8], _ bytes: UnsafeRawBufferPointer
  ) -> Bool {
    let length = first.count + second.count
    guard bytes.count >= length, let start = bytes.baseAddress else { return false }
    var from = 0
    while from <= bytes.count - length,
      let hit = memchr(start + from, Int32(first[0]), bytes.count - length + 1 - from)
    {
      from = start.distance(to: hit)
      if memcmp(hit, first, first.count) == 0,
        memcmp(hit + first.count, second, second.count) == 0
      {
        return true
      }
      from += 1
    }
    return false
  }
}
