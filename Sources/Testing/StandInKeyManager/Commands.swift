import Glibc
import LinuxIO

/// Why a command is refused: the protocol's texts and codes (facts, section B.5).
enum CommandFailure: Error {
  case accessDenied, noSuchEnclave, noSuchKey, keyExists, noSuchIdentity, badCiphertext
  case malformed(String)

  var status: Int {
    switch self {
    case .accessDenied: 403
    case .noSuchEnclave, .noSuchKey, .noSuchIdentity: 404
    case .keyExists: 409
    case .badCiphertext, .malformed: 400
    }
  }

  var text: String {
    switch self {
    case .accessDenied: "access denied: insufficient permissions"
    case .noSuchEnclave: "enclave does not exist"
    case .noSuchKey: "key does not exist"
    case .noSuchIdentity: "identity does not exist"
    case .keyExists: "key already exists"
    case .badCiphertext: "invalid ciphertext"
    case .malformed(let what): what
    }
  }
}

/// Runs the command stream of one request (facts, sections B.2 to B.4).
struct Commands: Sendable {
  private let state: Lock<State>
  private let path: String
  private static let created = Protobuf.number(1, 1_767_225_600)

  init(stateFile path: String) throws {
    self.path = path
    state = Lock(try State.load(path))
  }

  /// The frames of the answer. Blocks while the state file is written when a key is created.
  func run(_ body: [UInt8], enclave: String, identity: String?) throws(CommandFailure) -> [UInt8] {
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
      let result = try state.withLock { state throws(CommandFailure) in
        try execute(
          Int(header[0]) << 8 | Int(header[1]), message, enclave: enclave, caller: identity,
          &state)
      }
      answer += header[..<2]
      answer += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: result.count >> $0) }
      answer += result
    } while !rest.isEmpty
    return answer
  }

  private func execute(
    _ command: Int, _ message: [UInt64: Protobuf.Value], enclave name: String, caller: String?,
    _ state: inout State
  ) throws(CommandFailure) -> [UInt8] {
    guard let enclave = state.enclaves[name] else { throw .noSuchEnclave }
    guard let caller, let member = enclave.identities[caller] else { throw .accessDenied }
    let subject = message.text(1)

    func require(_ action: String, on name: String) throws(CommandFailure) {
      let allowed =
        member.privilege == "admin" || member.policy?.allows(action, on: name) ?? false
      if !allowed { throw .accessDenied }
    }
    func cipher() throws(CommandFailure) -> Cipher {
      guard enclave.keys.contains(subject) else { throw .noSuchKey }
      return Cipher(masterKey: state.masterKey, enclave: name, name: subject)
    }
    func keyStatus(_ key: String) -> [UInt8] {
      Protobuf.text(1, key) + Protobuf.number(2, 1) + Protobuf.text(3, "AES256")
        + Protobuf.bytes(4, Self.created)
    }

    switch command {
    case 201:
      try require("KEY:CREATE", on: subject)
      if enclave.keys.contains(subject) { throw .keyExists }
      state.enclaves[name]?.keys.insert(subject)
      do { try state.save(path) } catch {
        state.enclaves[name]?.keys.remove(subject)
        throw .malformed("failed to save key: \(error)")
      }
      return []
    case 204:
      try require("KEY:STATUS", on: subject)
      guard enclave.keys.contains(subject) else { throw .noSuchKey }
      return keyStatus(subject)
    case 206:
      try require("KEY:DECRYPT", on: subject)
      let plaintext = try cipher().open(message.bytes(3), associatedData: message.bytes(4))
      guard let plaintext else { throw .badCiphertext }
      return Protobuf.bytes(1, plaintext)
    case 207:
      try require("KEY:GENERATE", on: subject)
      let length = message.number(4) == 0 ? 32 : message.number(4)
      guard length <= 1024 else { throw .malformed("key length is too large") }
      let plaintext = Cipher.random(Int(length))
      let ciphertext = try cipher().seal(plaintext, associatedData: message.bytes(3))
      return Protobuf.number(1, 1) + Protobuf.bytes(2, plaintext) + Protobuf.bytes(3, ciphertext)
    case 208:
      try require("KEY:LIST", on: subject)
      return enclave.keys.sorted().filter { $0.hasPrefix(subject) }.flatMap {
        Protobuf.bytes(1, keyStatus($0))
      }
    case 403:
      let asked = subject.isEmpty ? caller : subject
      if asked != caller { try require("IDENTITY:STATUS", on: asked) }
      guard let member = enclave.identities[asked] else { throw .noSuchIdentity }
      return Protobuf.text(1, asked) + Protobuf.number(2, member.privilege == "admin" ? 2 : 3)
        + Protobuf.bytes(4, Self.created)
    case 1...6, 101...104: throw .accessDenied  // a system administrator's, who has no API key here
    default: throw .malformed("command \(command) is not supported")
    }
  }
}
