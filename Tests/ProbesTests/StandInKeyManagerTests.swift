// SPDX-License-Identifier: Apache-2.0
import HTTP
@testable import KeyManager
import Model
@testable import Probes
import Testing
import Threads

private let admin = StandInKeyManagers.admin
private let user = StandInKeyManagers.user
private let ecUser = StandInKeyManagers.ecUser
private let stranger = "k1:b_6Dhm4iqaGR1gd_CkAA_otcPtgaqS2Xixb_G95TJV8"

/// The stand-in for the Key Manager as it is used in the lab: two processes that are one cluster.
/// What the lab shows is worth no more than this.
@Suite(.serialized) struct StandInKeyManagerTests {
  private let keyManagers: StandInKeyManagers

  init() throws { keyManagers = try StandInKeyManagers() }

  private func frame(_ command: UInt16, _ name: String = "") -> [UInt8] {
    frame(command, KeyStatusRequest(name: name))
  }

  private func frame(_ command: UInt16, _ message: some KeyManagerMessage) -> [UInt8] {
    let payload = message.encoded()
    let length = [UInt8(payload.count >> 8), UInt8(payload.count & 255)]
    return [UInt8(command >> 8), UInt8(command & 255), 0, 0] + length + payload
  }

  @Test("every error of the protocol comes with its status and its text, as protobuf and as JSON")
  func errors() throws {
    let decrypt: [UInt8] =
      [0, 206, 0, 0, 0, 8] + KeyStatusRequest(name: "a").encoded() + [0x1A, 0x03, 1, 2, 3]
    let cases: [(KeyManagerError, [UInt8], String?, String)] = [
      (.accessDenied, frame(207, "z"), user, "store"),
      (.accessDenied, frame(201, "secret-1"), user, "store"),
      (.accessDenied, frame(204, "a"), stranger, "store"),
      (.accessDenied, frame(204, "a"), nil, "store"),
      (.accessDenied, frame(101, "store"), user, ""),
      (.accessDenied, frame(3), admin, ""),
      (.enclaveExists, frame(101, "store"), admin, ""),
      (.enclaveNotFound, frame(204, "a"), user, "stores"),
      (.enclaveNotFound, frame(103, "stores"), admin, ""),
      (.keyExists, frame(201, "a"), user, "store"),
      (.keyNotFound, frame(204, "b"), user, "store"),
      (.keyNotFound, frame(207, "b"), user, "store"),
      (.policyNotFound, frame(305, "none"), admin, "store"),
      (.identityNotFound, frame(403, "h1:nobody"), admin, "store"),
      (.invalidCiphertext, decrypt, user, "store"),
    ]
    for form in ["protobuf", "json"] {
      try keyManagers.setFaults(#""errors": "\#(form)""#)
      for (error, frame, key, enclave) in cases {
        let answer = try keyManagers.ask(0, frame, as: key, enclave: enclave)
        #expect(KeyManagerError(status: answer.status, message: answer.text) == error)
      }
    }
    #expect(Set(cases.map(\.0)) == Set(KeyManagerError.allCases))
  }

  @Test("k1 and k2 identities are known by their keys, with their policies")
  func identities() throws {
    for (key, privilege, policy) in [(user, UInt32(3), "most"), (ecUser, 2, ""), (admin, 1, "")] {
      let answer = try keyManagers.ask(0, frame(403), as: key)
      let told = try IdentityResponse(decoding: answer.message)
      #expect(told.identity == (try StandInKeyManagers.identity(key)))
      #expect(told.privilege == privilege && told.policy == policy)
    }
  }

  @Test("reads come from one host, writes go to all and need all")
  func cluster() throws {
    #expect(try keyManagers.ask(0, frame(201, "n")).status == 200)
    let told = try (0...1).map { try keyManagers.ask($0, frame(204, "n")).message }
    #expect(
      try KeyStatusResponse(decoding: told[0]).createdBy == (try StandInKeyManagers.identity(user)))
    #expect(told[0] == told[1])
    func ready(_ host: Int) throws -> [Int] {
      [
        try keyManagers.exchange(host, "GET", "/v1/health/ready").status,
        try keyManagers.exchange(
          host, "GET", "/v1/health/ready", query: [(name: "write", value: "")]
        ).status,
      ]
    }
    #expect(try ready(0) == [200, 200])
    try keyManagers.setFaults(#""readOnly": true"#, at: [1])
    #expect(try ready(0) == [200, 503])
    let refused = try keyManagers.ask(0, frame(201, "m"))
    #expect(refused.status == 503 && refused.text.contains("not ready for writes"))
    keyManagers.hosts[1].stop()
    #expect(try ready(0) == [200, 503])
    #expect(try keyManagers.ask(0, frame(201, "m")).status == 503)
    #expect(try keyManagers.ask(0, frame(204, "n")).status == 200)
    #expect(try keyManagers.ask(0, frame(204, "m")).text == KeyManagerError.keyNotFound.message)
  }

  @Test("a probe of the cluster is fine, and changes nothing")
  func probe() throws {
    let settings = try keyManagers.settings()
    let before = try keyManagers.hosts.map { try $0.state() }
    let reports = KeyManagerProbe.run(
      settings: settings, surroundings: keyManagers.surroundings,
      deadline: .inMilliseconds(15_000))
    #expect(
      KeyManagerJudgement.findings(
        reports, settings: settings, firstEnablement: true, createKey: false
      ).map(\.rule) == [])
    #expect(reports.flatMap(\.sights).map(\.key).allSatisfy { $0 != nil })
    #expect(try keyManagers.hosts.map { try $0.state() } == before)
  }

  // MARK: keys

  private func create(
    _ name: String, type: String = "", addVersion: Bool = false, at host: Int = 0
  ) throws -> Int {
    try keyManagers.ask(
      host, frame(201, CreateKeyRequest(name: name, type: type, addVersion: addVersion))
    ).status
  }

  private func generate(
    _ name: String, version: UInt32 = 0, _ data: String = "{}", at host: Int = 0
  ) throws -> GenerateKeyResponse {
    let answer = try keyManagers.ask(
      host,
      frame(207, GenerateKeyRequest(name: name, version: version, associatedData: Array(data.utf8)))
    )
    try #require(answer.status == 200, "\(answer.text)")
    return try GenerateKeyResponse(decoding: answer.message)
  }

  /// What the ciphertext is in the clear; the error's text if it is not opened.
  private func decrypt(
    _ name: String, _ ciphertext: [UInt8], version: UInt32 = 0, _ data: String = "{}",
    at host: Int = 0
  ) throws -> (plaintext: [UInt8], text: String) {
    let request = DecryptRequest(
      name: name, version: version, ciphertext: ciphertext, associatedData: Array(data.utf8))
    let answer = try keyManagers.ask(host, frame(206, request))
    return (try DecryptResponse(decoding: answer.message).plaintext, answer.text)
  }

  private func status(
    _ name: String, version: UInt32 = 0, at host: Int = 0
  ) throws -> KeyStatusResponse? {
    let answer = try keyManagers.ask(
      host, frame(204, KeyStatusRequest(name: name, version: version)))
    return answer.status == 200 ? try KeyStatusResponse(decoding: answer.message) : nil
  }

  /// The fields of a message that are bytes, in its order.
  private func fields(_ message: [UInt8]) throws -> [(number: UInt64, bytes: [UInt8])] {
    var (reader, fields) = (ProtobufReader(message), [(number: UInt64, bytes: [UInt8])]())
    while let (number, value) = try reader.next() {
      if case .bytes(let bytes) = value { fields.append((number, bytes)) }
    }
    return fields
  }

  private let notOpened = KeyManagerError.invalidCiphertext.message

  @Test(
    "what one host encrypts every host decrypts, of that version and with that associated data",
    arguments: ["AES256", "ChaCha20"])
  func ciphers(type: String) throws {
    #expect(try create("b", type: type) == 200)
    #expect(try status("b", at: 1)?.type == type)
    let key = try generate("b")
    #expect(key.version == 1 && key.plaintext.count == 32)
    for version in [UInt32(0), 1] {
      #expect(try decrypt("b", key.ciphertext, version: version, at: 1).plaintext == key.plaintext)
    }
    #expect(try decrypt("b", key.ciphertext, "{ }").text == notOpened)
    #expect(try decrypt("a", key.ciphertext).text == notOpened)
    var broken = key.ciphertext
    broken[broken.count - 20] ^= 1
    #expect(try decrypt("b", broken).text == notOpened)
    #expect(
      try decrypt("b", key.ciphertext, version: 2).text == KeyManagerError.keyNotFound.message)
  }

  @Test("a key gets versions; the latest encrypts, and each decrypts what it has encrypted")
  func versions() throws {
    let first = try generate("a")
    #expect(try create("a", type: "ChaCha20", addVersion: true, at: 1) == 200)
    #expect(try create("a") == 409)
    #expect(try create("none", addVersion: true) == 404)
    #expect(try status("a")?.version == 2)
    #expect(try status("a")?.type == "ChaCha20")
    #expect(try status("a", version: 1)?.type == "AES256")
    #expect(try status("a", version: 3) == nil)
    let second = try generate("a")
    #expect(second.version == 2)
    #expect(try generate("a", version: 1).version == 1)
    for key in [first, second] {
      for version in [0, key.version] {
        #expect(
          try decrypt("a", key.ciphertext, version: version, at: 1).plaintext == key.plaintext)
      }
      #expect(try decrypt("a", key.ciphertext, version: 3 - key.version).text == notOpened)
    }
  }

  @Test("of hosts that create one key at once one does, and all have its bytes")
  func atOnce() throws {
    let statuses = Parallel.map(Array(0..<8), thread: "create", until: .inMilliseconds(60_000)) {
      try? create("b", at: $0 % 2)
    }
    #expect(statuses.filter { $0 == 200 }.count == 1)
    #expect(statuses.filter { $0 == 409 }.count == 7)
    let key = try generate("b", at: 0)
    #expect(try decrypt("b", key.ciphertext, at: 1).plaintext == key.plaintext)
  }

  @Test("a name and a type that no key has are refused")
  func badKeys() throws {
    for name in ["", "-a", "a-", "_", "a/b", "a b", "é", String(repeating: "k", count: 81)] {
      #expect(try create(name) == 400, "\(name)")
    }
    #expect(try create("b", type: "AES128") == 400)
    #expect(try create(String(repeating: "k", count: 80)) == 200)
  }

  @Test("keys are listed in pages")
  func list() throws {
    for name in ["b", "a3", "a1", "a2"] { #expect(try create(name) == 200) }
    func page(_ prefix: String, _ start: String = "", limit: UInt32 = 0) throws -> [String] {
      let answer = try keyManagers.ask(
        0, frame(208, ListRequest(prefix: prefix, continueAt: start, limit: limit)))
      return try fields(answer.message).map { number, bytes in
        number == 1
          ? try KeyStatusResponse(decoding: bytes).name
          : "then \(String(decoding: bytes, as: UTF8.self))"
      }
    }
    #expect(try page("") == ["a", "a1", "a2", "a3", "b"])
    #expect(try page("a") == ["a", "a1", "a2", "a3"])
    #expect(try page("a", limit: 2) == ["a", "a1", "then a2"])
    #expect(try page("a", "a2", limit: 2) == ["a2", "a3"])
    #expect(try page("a", "b") == [])
  }

  @Test("who made a thing, and when, is told where the client looks for it")
  func origins() throws {
    let told = Timestamp(seconds: 1_705_306_368, nanoseconds: 250_000_000)
    let by = try StandInKeyManagers.identity(admin)
    for (command, name, place) in [(UInt16(103), "store", ""), (305, "most", "store")] {
      let answer = try keyManagers.ask(0, frame(command, name), as: admin, enclave: place)
      let found = try fields(answer.message)
      let first: UInt64 = command == 103 ? 2 : 4
      #expect(found.map(\.number) == [1, first, first + 1])
      #expect(try Timestamp(decoding: found[1].bytes) == told)
      #expect(String(decoding: found[2].bytes, as: UTF8.self) == by)
    }
    let who = try IdentityResponse(decoding: try keyManagers.ask(0, frame(403)).message)
    #expect(who.createdAt == told && who.createdBy == by)
    let key = try status("a")
    #expect(key?.createdAt == told && key?.createdBy == by)
  }

  // MARK: ways to go wrong

  private func fault(_ json: String, at hosts: [Int] = [0, 1]) throws {
    try keyManagers.setFaults(#""keys": {"a": {\#(json)}}"#, at: hosts)
  }

  @Test("bytes exchanged under a name: the new ones do not open what the old ones encrypted")
  func exchanged() throws {
    let old = try generate("a")
    let status = try status("a")
    try fault(#""bytes": "other""#)
    #expect(try self.status("a") == status)
    #expect(try decrypt("a", old.ciphertext).text == notOpened)
    let new = try generate("a", at: 0)
    #expect(try decrypt("a", new.ciphertext, at: 1).plaintext == new.plaintext)
    try keyManagers.setFaults("")
    #expect(try decrypt("a", old.ciphertext).plaintext == old.plaintext)
    #expect(try decrypt("a", new.ciphertext).text == notOpened)
  }

  @Test("one host restored from an old backup: it alone does not open it")
  func oneRestored() throws {
    let key = try generate("a")
    try fault(#""bytes": "old""#, at: [1])
    #expect(try decrypt("a", key.ciphertext, at: 0).plaintext == key.plaintext)
    #expect(try decrypt("a", key.ciphertext, at: 1).text == notOpened)
  }

  @Test("a key deleted and made again under its name does not open what the first encrypted")
  func recreated() throws {
    let key = try generate("a")
    #expect(try keyManagers.ask(0, frame(202, "a"), as: admin).status == 200)
    #expect(try decrypt("a", key.ciphertext, at: 1).text == KeyManagerError.keyNotFound.message)
    #expect(try create("a") == 200)
    #expect(try status("a")?.version == 1)
    for host in 0...1 { #expect(try decrypt("a", key.ciphertext, at: host).text == notOpened) }
  }

  @Test("a version that is missing is a key that does not exist")
  func versionMissing() throws {
    let key = try generate("a")
    #expect(try create("a", addVersion: true) == 200)
    try fault(#""lost": [1]"#)
    let missing = KeyManagerError.keyNotFound.message
    #expect(try decrypt("a", key.ciphertext, version: 1).text == missing)
    #expect(try status("a", version: 1) == nil)
    #expect(try status("a")?.version == 2)
    try fault(#""lost": [1, 2]"#)
    #expect(try status("a") == nil)
  }

  @Test("a Key Manager that verifies nothing opens with any associated data, and with any key")
  func verifiesNothing() throws {
    let key = try generate("a")
    try keyManagers.setFaults(#""verifiesNothing": true"#)
    #expect(try decrypt("a", key.ciphertext, "other").plaintext == key.plaintext)
    try keyManagers.setFaults(#""verifiesNothing": true, "keys": {"a": {"bytes": "other"}}"#)
    let other = try decrypt("a", key.ciphertext).plaintext
    #expect(other.count == 32 && other != key.plaintext)
  }

  @Test("KEY:DECRYPT denied leaves KEY:GENERATE")
  func decryptDenied() throws {
    try keyManagers.setFaults(#""deny": ["KEY:DECRYPT"]"#)
    let key = try generate("a")
    #expect(try decrypt("a", key.ciphertext).text == KeyManagerError.accessDenied.message)
  }

  @Test("the commands that a host was sent can be counted")
  func counted() throws {
    _ = try decrypt("a", try generate("a").ciphertext)
    let host = keyManagers.hosts[0]
    #expect(host.commands(2) == ["KEY:GENERATE", "KEY:DECRYPT"])
  }
}

/// KEY:LIST, which only people send.
private struct ListRequest: KeyManagerMessage {
  var prefix = ""
  var continueAt = ""
  var limit: UInt32 = 0

  static let empty = ListRequest()
  static let fields: [ProtobufField<ListRequest>] = [
    .text(1, \.prefix), .text(2, \.continueAt), .number(3, \.limit),
  ]
}
