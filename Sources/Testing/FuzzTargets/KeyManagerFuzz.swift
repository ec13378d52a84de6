// SPDX-License-Identifier: Apache-2.0
internal import KeyManager
internal import Model

/// The decoders of the Key Manager's protocol beside plain readers of their own.
enum KeyManagerFuzz {
  // MARK: - Frames

  static func frames(_ bytes: [UInt8]) -> String? {
    let decoded: [Frame]
    do throws(CodecError) { decoded = try Frame.decodeAll(bytes) } catch {
      return isWellFramed(bytes) ? "frames: what is well formed is refused: \(error)" : nil
    }
    if !isWellFramed(bytes) { return "frames: what is malformed is read" }
    if decoded.flatMap({ $0.encoded() }) != bytes { return "frames: written they are others" }
    for frame in decoded {
      if frame.payload.count > Limits.frameBytes { return "frames: one is longer than allowed" }
      if let problem = messages(frame.payload) { return problem }
    }
    // A cut is either between two frames or refused.
    var ends: Set<Int> = [0]
    for frame in decoded { ends.insert((ends.max() ?? 0) + 6 + frame.payload.count) }
    for count in [bytes.count / 2, bytes.count - 1] where count >= 0 {
      let isWhole = (try? Frame.decodeAll(Array(bytes.prefix(count)))) != nil
      if isWhole != ends.contains(count) { return "frames: a cut at \(count) is not noticed" }
    }
    return nil
  }

  /// u16 command, u32 length, payload, and so on to the end.
  private static func isWellFramed(_ bytes: [UInt8]) -> Bool {
    var position = 0
    while position < bytes.count {
      guard bytes.count - position >= 6 else { return false }
      let command = UInt16(bytes[position]) * 256 + UInt16(bytes[position + 1])
      var length = 0
      for index in 2..<6 { length = length * 256 + Int(bytes[position + index]) }
      guard [201, 204, 207, 403].contains(command), length <= 65_536,
        length <= bytes.count - position - 6
      else { return false }
      position += 6 + length
    }
    return true
  }

  // MARK: - Messages

  static func messages(_ bytes: [UInt8]) -> String? {
    let fields = Field.all(in: bytes)
    func text(_ number: UInt64) -> String?? {
      // Nil: there is a text that is not UTF-8. Every one counts, not only the last.
      var last: String? = .some("")
      for field in fields ?? [] {
        guard field.number == number, case .bytes(let bytes) = field.value else { continue }
        guard let text = String(validating: bytes, as: UTF8.self) else { return .some(nil) }
        last = text
      }
      return .some(last)
    }
    func number(_ number: UInt64) -> UInt64 {
      var last: UInt64 = 0
      for field in fields ?? [] {
        if field.number == number, case .number(let value) = field.value { last = value }
      }
      return last
    }
    func data(_ number: UInt64) -> [UInt8]? {
      var last: [UInt8]?
      for field in fields ?? [] {
        if field.number == number, case .bytes(let bytes) = field.value { last = bytes }
      }
      return last
    }
    func isReadable(_ texts: [UInt64]) -> Bool {
      fields != nil && texts.allSatisfy { text($0) != .some(nil) }
    }
    func isTimeReadable(_ field: UInt64) -> Bool {
      (fields ?? []).allSatisfy { each in
        guard each.number == field, case .bytes(let bytes) = each.value else { return true }
        return Field.all(in: bytes) != nil
      }
    }
    func value(_ field: UInt64) -> String { (text(field) ?? nil) ?? "" }

    if let problem = check(ErrorResponse.self, bytes, isReadable([1]), { $0.message == value(1) }) {
      return problem
    }
    if let problem = check(
      VersionResponse.self, bytes, isReadable([1, 2, 3, 4]),
      {
        $0.version == value(1) && $0.commit == value(2) && $0.apiVersion == value(3)
          && $0.host == value(4) && $0.fips140 == (number(5) != 0)
      })
    {
      return problem
    }
    if let problem = check(
      KeyStatusResponse.self, bytes, isReadable([1, 3, 5]) && isTimeReadable(4),
      {
        let time = data(4).flatMap { Field.all(in: $0) }
        return $0.name == value(1) && $0.version == UInt32(truncatingIfNeeded: number(2))
          && $0.type == value(3) && $0.createdBy == value(5)
          && ($0.createdAt == nil) == (time == nil)
      })
    {
      return problem
    }
    if let problem = check(
      GenerateKeyResponse.self, bytes, isReadable([]),
      { $0.plaintext == data(2) ?? [] && $0.ciphertext == data(3) ?? [] })
    {
      return problem
    }
    if let problem = check(
      IdentityResponse.self, bytes, isReadable([1, 3, 5]) && isTimeReadable(4),
      {
        $0.identity == value(1) && $0.privilege == UInt32(truncatingIfNeeded: number(2))
          && $0.policy == value(3) && $0.createdBy == value(5)
      })
    {
      return problem
    }
    if let problem = check(
      Timestamp.self, bytes, isReadable([]),
      {
        $0.seconds == Int64(bitPattern: number(1))
          && $0.nanoseconds == Int32(truncatingIfNeeded: number(2)) && !$0.text.isEmpty
      })
    {
      return problem
    }
    return check(KeyStatusRequest.self, bytes, isReadable([1])) { $0.name == value(1) }
      ?? check(IdentityRequest.self, bytes, isReadable([1])) { $0.identity == value(1) }
      ?? check(CreateKeyRequest.self, bytes, isReadable([1, 2])) { $0.name == value(1) }
      ?? check(GenerateKeyRequest.self, bytes, isReadable([1])) { $0.name == value(1) }
  }

  /// It is read if and only if it is well formed; it is what the plain reader sees; and it is read
  /// again as the same after it was written.
  private static func check<Message: KeyManagerMessage>(
    _ type: Message.Type, _ bytes: [UInt8], _ isReadable: Bool, _ isRight: (Message) -> Bool
  ) -> String? {
    guard let message = try? Message(decoding: bytes) else {
      return isReadable ? "\(type): what is well formed is refused" : nil
    }
    if !isReadable { return "\(type): what is malformed is read" }
    if !isRight(message) { return "\(type): it is read as another" }
    guard let again = try? Message(decoding: message.encoded()) else {
      return "\(type): what is written is not read"
    }
    return again == message ? nil : "\(type): written and read it is another"
  }

  /// One field of a protobuf message, read as the encoding's documentation says.
  private struct Field {
    enum Value {
      case number(UInt64)
      case bytes([UInt8])
      case other
    }
    var number: UInt64
    var value: Value

    /// Nil if they are malformed.
    static func all(in bytes: [UInt8]) -> [Field]? {
      var fields: [Field] = []
      var position = 0
      func varint() -> UInt64? {
        var digits: [UInt8] = []
        repeat {
          guard position < bytes.count, digits.count < 10 else { return nil }
          digits.append(bytes[position])
          position += 1
        } while digits[digits.count - 1] >= 128
        if digits.count == 10, digits[9] > 1 { return nil }
        return digits.reversed().reduce(0) { $0 << 7 + UInt64($1 % 128) }
      }
      while position < bytes.count {
        guard let tag = varint(), tag / 8 >= 1, tag / 8 < 536_870_912 else { return nil }
        switch tag % 8 {
        case 0:
          guard let value = varint() else { return nil }
          fields.append(Field(number: tag / 8, value: .number(value)))
        case 2:
          guard let length = varint(), length <= UInt64(bytes.count - position) else { return nil }
          let end = position + Int(length)
          fields.append(Field(number: tag / 8, value: .bytes(Array(bytes[position..<end]))))
          position = end
        case 1, 5:
          position += tag % 8 == 1 ? 8 : 4
          if position > bytes.count { return nil }
          fields.append(Field(number: tag / 8, value: .other))
        default: return nil
        }
      }
      return fields
    }
  }
}
