// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import OpenSSL

/// What a frame asks for (docs/facts.md, "Key Manager commands"); only what Keyturn or a stand-in
/// sends.
package enum Command: UInt16, Sendable, Hashable, CaseIterable {
  /// KEY:CREATE. Keyturn never sends it.
  case keyCreate = 201
  case keyStatus = 204
  /// KEY:DECRYPT: a data key in the clear again.
  case keyDecrypt = 206
  /// KEY:GENERATE: a new data key, encrypted with a key of the enclave.
  case keyGenerate = 207
  case identityStatus = 403

  /// The name that policies and people use.
  package var name: String {
    switch self {
    case .keyCreate: "KEY:CREATE"
    case .keyStatus: "KEY:STATUS"
    case .keyDecrypt: "KEY:DECRYPT"
    case .keyGenerate: "KEY:GENERATE"
    case .identityStatus: "IDENTITY:STATUS"
    }
  }
}

/// One command with its message, in a request or an answer (docs/facts.md, "Key Manager frames"):
/// u16 command, u32 length, both big-endian, then the message.
package struct Frame: Sendable, Hashable {
  /// What is asked, the same in the answer.
  package var command: Command
  package var payload: [UInt8]

  package init(_ command: Command, payload: [UInt8]) {
    self.command = command
    self.payload = payload
  }

  package init(_ command: Command, _ message: some KeyManagerMessage) {
    self.init(command, payload: message.encoded())
  }

  package func encoded() -> [UInt8] {
    let length = UInt32(payload.count)
    return [
      UInt8(command.rawValue >> 8), UInt8(command.rawValue & 0xFF), UInt8(length >> 24),
      UInt8(length >> 16 & 0xFF), UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF),
    ] + payload
  }

  /// All frames in `bytes`, which must end with the last one. A payload may have
  /// ``Limits/frameBytes`` at most.
  package static func decodeAll(_ bytes: [UInt8]) throws(CodecError) -> [Frame] {
    var frames: [Frame] = []
    do throws(CodecError) {
      try decode(bytes, into: &frames)
      return frames
    } catch {
      // One of them may hold a data key.
      for index in frames.indices { frames[index].payload.wipe() }
      throw error
    }
  }

  private static func decode(_ bytes: [UInt8], into frames: inout [Frame]) throws(CodecError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard rest.count >= 6 else { throw .truncated }
      let head = rest.prefix(6).map { Int($0) }
      let number = UInt16(head[0] << 8 | head[1])
      let length = head[2] << 24 | head[3] << 16 | head[4] << 8 | head[5]
      guard length <= Limits.frameBytes else { throw .oversized(length) }
      guard let command = Command(rawValue: number) else { throw .unknownCommand(number) }
      rest = rest.dropFirst(6)
      guard rest.count >= length else { throw .truncated }
      frames.append(Frame(command, payload: Array(rest.prefix(length))))
      rest = rest.dropFirst(length)
    }
  }
}
