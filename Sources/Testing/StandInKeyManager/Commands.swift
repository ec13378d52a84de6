// SPDX-License-Identifier: Apache-2.0
import Glibc
import Threads

/// Why a command is refused: the protocol's texts and codes (docs/facts.md, "Key Manager errors").
enum CommandFailure: Error {
  case accessDenied
  case enclaveExists, noSuchEnclave
  case keyExists, noSuchKey
  case noSuchPolicy, noSuchIdentity
  case badCiphertext
  case malformed(String)
  case notWritable(String)
  case scripted(Int, String)

  var status: Int {
    switch self {
    case .accessDenied: 403
    case .noSuchEnclave, .noSuchKey, .noSuchPolicy, .noSuchIdentity: 404
    case .enclaveExists, .keyExists: 409
    case .badCiphertext, .malformed: 400
    case .notWritable: 503
    case .scripted(let status, _): status
    }
  }

  var text: String {
    switch self {
    case .accessDenied: "access denied: insufficient permissions"
    case .enclaveExists: "enclave already exists"
    case .noSuchEnclave: "enclave does not exist"
    case .keyExists: "key already exists"
    case .noSuchKey: "key does not exist"
    case .noSuchPolicy: "policy does not exist"
    case .noSuchIdentity: "identity does not exist"
    case .badCiphertext: "invalid ciphertext"
    case .malformed(let what), .scripted(_, let what): what
    case .notWritable(let why): "cluster is not ready for writes: \(why)"
    }
  }
}

/// The commands that the stand-in knows (docs/facts.md, "Key Manager commands").
enum Command: Int {
  case createEnclave = 101
  case enclaveStatus = 103
  case createKey = 201
  case deleteKey = 202
  case keyStatus = 204
  case decrypt = 206
  case generateKey = 207
  case listKeys = 208
  case policyStatus = 305
  case identityStatus = 403

  var name: String {
    switch self {
    case .createEnclave: "ENCLAVE:CREATE"
    case .enclaveStatus: "ENCLAVE:STATUS"
    case .createKey: "KEY:CREATE"
    case .deleteKey: "KEY:DELETE"
    case .keyStatus: "KEY:STATUS"
    case .decrypt: "KEY:DECRYPT"
    case .generateKey: "KEY:GENERATE"
    case .listKeys: "KEY:LIST"
    case .policyStatus: "POLICY:STATUS"
    case .identityStatus: "IDENTITY:STATUS"
    }
  }

  var isWrite: Bool { self == .createEnclave || self == .createKey || self == .deleteKey }
}

/// Runs the command stream of one request (docs/facts.md, "Key Manager frames" to
/// "Key Manager messages").
struct Commands: Sendable {
  let cluster: Cluster
  private let state: Lock<State>
  private let path: String

  init(stateFile path: String, _ state: State, _ cluster: Cluster) {
    self.path = path
    self.cluster = cluster
    self.state = Lock(state)
  }

  /// The frames of the answer. Blocks while a write goes to the disk and to the other hosts.
  func run(
    _ body: [UInt8], enclave: String, identity: String?, _ faults: Faults
  ) throws(CommandFailure) -> [UInt8] {
    var answer: [UInt8] = []
    var rest = body[...]
    repeat {
      let header = Array(rest.prefix(6))
      guard header.count == 6 else { throw .malformed("command frame is too short") }
      let length = header[2...].reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(6)
      guard length <= rest.count else { throw .malformed("command frame is too short") }
      guard let message = Protobuf.decode(rest.prefix(length)) else {
        throw .malformed("command payload is malformed")
      }
      rest = rest.dropFirst(length)
      let number = Int(header[0]) << 8 | Int(header[1])
      guard let command = Command(rawValue: number) else {
        // Cluster commands and the other enclave commands are a system administrator's.
        throw number < 200 ? .accessDenied : .malformed("command \(number) is not supported")
      }
      let result: [UInt8]
      let caller = identity ?? "nobody"
      do throws(CommandFailure) {
        result = try execute(command, message, enclave: enclave, caller: identity, faults)
        Main.log("\(command.name) \(enclave)/\(message.text(1)) by \(caller): 200")
      } catch {
        Main.log(
          "\(command.name) \(enclave)/\(message.text(1)) by \(caller): \(error.status) \(error.text)"
        )
        throw error
      }
      answer += header[..<2]
      answer += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: result.count >> $0) }
      answer += result
    } while !rest.isEmpty
    return answer
  }

  /// Takes what another host has written.
  func take(_ change: State.Change) throws {
    try state.withLock { state in
      var next = state
      next.apply(change)
      try next.save(path)
      state = next
    }
  }

  private func execute(
    _ command: Command, _ message: [UInt64: Protobuf.Value], enclave name: String,
    caller: String?, _ faults: Faults
  ) throws(CommandFailure) -> [UInt8] {
    if let answer = faults.answers?[command.name] ?? faults.answers?["*"] {
      throw .scripted(answer.status, answer.text)
    }
    let state = state.withLock { $0 }
    let subject = message.text(1)
    let isAdministrator = caller.map { state.administrators?.contains($0) ?? false } ?? false
    if command == .createEnclave || command == .enclaveStatus {
      guard isAdministrator else { throw .accessDenied }
      let exists = state.enclaves[subject] != nil
      if command == .enclaveStatus {
        guard exists else { throw .noSuchEnclave }
        return Protobuf.text(1, subject)
      }
      if exists { throw .enclaveExists }
      try write(State.Change(enclave: subject), faults)
      return []
    }
    guard let enclave = state.enclaves[name] else { throw .noSuchEnclave }
    let member = caller.flatMap { enclave.identities[$0] }
    guard member != nil || isAdministrator else { throw .accessDenied }
    let policy = member?.policy.flatMap { enclave.policies?[$0] }

    func require(_ name: String) throws(CommandFailure) {
      let allowed =
        isAdministrator || member?.privilege == "admin"
        || policy?.allows(command.name, on: name) ?? false
      if !allowed || faults.deny?.contains(command.name) == true { throw .accessDenied }
    }
    func key() throws(CommandFailure) -> State.Key {
      guard let key = enclave.keys[subject] else { throw .noSuchKey }
      return key
    }
    func cipher() -> Cipher {
      Cipher(masterKey: state.masterKey, enclave: name, name: subject)
    }

    switch command {
    case .createEnclave, .enclaveStatus: preconditionFailure("answered above")
    case .createKey:
      try require(subject)
      if enclave.keys[subject] != nil { throw .keyExists }
      let key = State.Key(
        version: 1, createdAt: Clock.realtimeMicroseconds() * 1000, createdBy: caller ?? "")
      try write(State.Change(enclave: name, key: subject, value: key), faults)
      return []
    case .deleteKey:
      try require(subject)
      _ = try key()
      try write(State.Change(enclave: name, key: subject), faults)
      return []
    case .keyStatus:
      try require(subject)
      return Self.status(subject, try key())
    case .decrypt:
      try require(subject)
      _ = try key()
      let plaintext = cipher().open(message.bytes(3), associatedData: message.bytes(4))
      guard let plaintext else { throw .badCiphertext }
      return Protobuf.bytes(1, plaintext)
    case .generateKey:
      try require(subject)
      let version = try key().version
      let length = message.number(4) == 0 ? 32 : message.number(4)
      guard length <= 1024 else { throw .malformed("key length is too large") }
      let plaintext =
        faults.dataKey.map { Array(Array($0.utf8).prefix(Int(length))) }
        ?? Cipher.random(Int(length))
      let ciphertext = cipher().seal(plaintext, associatedData: message.bytes(3))
      return Protobuf.number(1, UInt64(version)) + Protobuf.bytes(2, plaintext)
        + Protobuf.bytes(3, ciphertext)
    case .listKeys:
      try require(subject)
      return enclave.keys.sorted { $0.key < $1.key }.filter { $0.key.hasPrefix(subject) }.flatMap {
        Protobuf.bytes(1, Self.status($0.key, $0.value))
      }
    case .policyStatus:
      try require(subject)
      guard enclave.policies?[subject] != nil else { throw .noSuchPolicy }
      return Protobuf.text(1, subject)
    case .identityStatus:
      let asked = subject.isEmpty ? caller ?? "" : subject
      if asked != caller || faults.deny?.contains(command.name) == true { try require(asked) }
      if isAdministrator, asked == caller {
        return Protobuf.text(1, asked) + Protobuf.number(2, 1)
      }
      guard let found = enclave.identities[asked] else { throw .noSuchIdentity }
      return Protobuf.text(1, asked) + Protobuf.number(2, found.privilege == "admin" ? 2 : 3)
        + Protobuf.text(3, found.policy ?? "")
    }
  }

  /// Writes on every host of the cluster, or on none.
  private func write(_ change: State.Change, _ faults: Faults) throws(CommandFailure) {
    if let obstacle = cluster.obstacle(faults) { throw .notWritable(obstacle) }
    guard cluster.replicate(change, faults) else { throw .notWritable("a peer has gone") }
    do { try take(change) } catch { throw .notWritable("\(error)") }
  }

  private static func status(_ name: String, _ key: State.Key) -> [UInt8] {
    let created =
      Protobuf.number(1, UInt64(key.createdAt / 1_000_000_000))
      + Protobuf.number(2, UInt64(key.createdAt % 1_000_000_000))
    return Protobuf.text(1, name) + Protobuf.number(2, UInt64(key.version))
      + Protobuf.text(3, "AES256") + Protobuf.bytes(4, created) + Protobuf.text(5, key.createdBy)
  }
}
