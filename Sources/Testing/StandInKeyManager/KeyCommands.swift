// SPDX-License-Identifier: Apache-2.0
import Glibc

extension Commands {
  /// The answer to a command on keys that the caller may use.
  func answerOfKeys(
    _ question: Question, _ keys: [String: State.Key]
  ) throws(CommandFailure) -> [UInt8] {
    switch question.command {
    case .createKey:
      try write(try created(question, keys[question.subject]), question.faults)
      return []
    case .deleteKey:
      guard keys[question.subject] != nil else { throw .noSuchKey }
      try write(
        State.Change(enclave: question.enclave, key: question.subject), question.faults)
      return []
    case .keyStatus:
      let version = try version(question.message.number(2), of: keys[question.subject])
      return Self.status(question.subject, version)
    case .generateKey: return try generated(question, keys[question.subject])
    case .decrypt: return try decrypted(question, keys[question.subject])
    case .listKeys: return Self.list(question, keys)
    case .createEnclave, .enclaveStatus, .policyStatus, .identityStatus:
      preconditionFailure("it is not about keys")
    }
  }

  private func version(
    _ number: UInt64, of key: State.Key?
  ) throws(CommandFailure) -> State.Version {
    guard let version = key?[number] else { throw .noSuchKey }
    return version
  }

  private func created(
    _ question: Question, _ key: State.Key?
  ) throws(CommandFailure) -> State.Change {
    let name = question.subject
    guard isKeyName(name) else { throw .malformed("invalid key name") }
    let type = question.message.text(2)
    guard ["", "AES256", "ChaCha20"].contains(type) else {
      throw .malformed("unsupported key type")
    }
    let addsVersion = question.message.number(3) != 0
    if key != nil, !addsVersion { throw .keyExists }
    if key == nil, addsVersion { throw .noSuchKey }
    return State.Change(
      enclave: question.enclave, key: name,
      version: State.Version(
        number: (key?.versions.last?.number ?? 0) + 1, type: type.isEmpty ? "AES256" : type,
        createdBy: question.caller ?? ""))
  }

  private func generated(
    _ question: Question, _ key: State.Key?
  ) throws(CommandFailure) -> [UInt8] {
    let version = try version(question.message.number(2), of: key)
    let length = question.message.number(4) == 0 ? 32 : question.message.number(4)
    guard length <= 1024 else { throw .malformed("key length is too large") }
    let plaintext =
      question.faults.dataKey.map { Array(Array($0.utf8).prefix(Int(length))) }
      ?? Cipher.random(Int(length))
    let ciphertext = Cipher(version).seal(plaintext, associatedData: question.message.bytes(3))
    return Protobuf.number(1, UInt64(version.number)) + Protobuf.bytes(2, plaintext)
      + Protobuf.bytes(3, ciphertext)
  }

  private func decrypted(
    _ question: Question, _ key: State.Key?
  ) throws(CommandFailure) -> [UInt8] {
    guard let key else { throw .noSuchKey }
    let ciphertext = question.message.bytes(3)
    let made = Cipher.versionNumber(of: ciphertext)
    let wanted = question.message.number(2)
    // Named, it must be there. Unnamed, it is the one that the ciphertext was made with.
    if wanted != 0 { _ = try version(wanted, of: key) }
    guard let made, made != 0, wanted == 0 || wanted == made, let version = key[made],
      let plaintext = Cipher(version).open(
        ciphertext, associatedData: question.message.bytes(4),
        verified: question.faults.verifiesNothing != true)
    else { throw .badCiphertext }
    return Protobuf.bytes(1, plaintext)
  }

  /// A page of the keys of a prefix, with the name where the next begins.
  private static func list(_ question: Question, _ keys: [String: State.Key]) -> [UInt8] {
    let (prefix, start) = (question.subject, question.message.text(2))
    let limit = question.message.number(3) == 0 ? 250 : Int(clamping: question.message.number(3))
    let names = keys.keys.filter { $0.hasPrefix(prefix) }.sorted()
    // What it is to continue at must be among them.
    guard start.isEmpty || names.contains(start) else { return [] }
    let rest = names.drop { !start.isEmpty && $0 != start }
    let page = rest.prefix(limit).flatMap { name -> [UInt8] in
      keys[name]?[0].map { Protobuf.bytes(1, status(name, $0)) } ?? []
    }
    return page + Protobuf.text(2, rest.dropFirst(limit).first ?? "")
  }

  private static func status(_ name: String, _ version: State.Version) -> [UInt8] {
    Protobuf.text(1, name) + Protobuf.number(2, UInt64(version.number))
      + Protobuf.text(3, version.type) + Protobuf.origin(version.created, at: 4)
  }
}

/// The rule of the Key Manager's predecessor (docs/facts.md, "Names of keys").
private func isKeyName(_ name: String) -> Bool {
  (1...80).contains(name.utf8.count) && name != "_" && !name.hasPrefix("-") && !name.hasSuffix("-")
    && name.unicodeScalars.allSatisfy { scalar in
      switch scalar {
      case "0"..."9", "a"..."z", "A"..."Z", "-", "_": true
      default: false
      }
    }
}
