// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@testable import KeyManager

private func bytes(_ hex: String) -> [UInt8] {
  let digits = hex.utf8.filter { $0 != 0x20 }.map { UInt8($0 > 0x39 ? $0 - 0x57 : $0 - 0x30) }
  return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

private let name = "object-store-primary-default-key"
private let nameHex = "6f626a6563742d73746f72652d7072696d6172792d64656661756c742d6b6579"
private let identity = "h1:1XtC8x9-VpkRibo1WuzcIAXzrpKIxLjlMErH9zkZkQE"
private let identityHex =
  "68313a31587443 3878392d56706b526962 6f315775 7a634941587a72704b49784c6a6c4d4572"
  + "48397a6b5a6b5145"

@Suite struct CodecTests {
  /// The byte vectors of docs/facts.md, "Key Manager messages": both directions give exactly the
  /// other side.
  @Test("KEY:STATUS has its bytes")
  func keyStatus() throws {
    let message = KeyStatusRequest(name: name)
    let wire = bytes("00cc 00000022 0a20 \(nameHex)")
    #expect(Frame(.keyStatus, message).encoded() == wire)
    let frames = try Frame.decodeAll(wire)
    #expect(frames.map(\.command) == [.keyStatus])
    #expect(try KeyStatusRequest(decoding: frames[0].payload) == message)
  }

  @Test("KEY:GENERATE has the bytes that the server sends at its start")
  func keyGenerate() throws {
    let message = GenerateKeyRequest.asAtStart(name: name)
    let wire = bytes("00cf 00000028 0a20 \(nameHex) 1a027b7d 2020")
    #expect(Frame(.keyGenerate, message).encoded() == wire)
    #expect(try GenerateKeyRequest(decoding: Frame.decodeAll(wire)[0].payload) == message)
  }

  @Test("KEY:CREATE has its bytes")
  func keyCreate() throws {
    let message = CreateKeyRequest(name: name)
    let wire = bytes("00c9 00000022 0a20 \(nameHex)")
    #expect(Frame(.keyCreate, message).encoded() == wire)
    #expect(try CreateKeyRequest(decoding: Frame.decodeAll(wire)[0].payload) == message)
  }

  @Test("IDENTITY:STATUS of the caller is an empty frame")
  func identityStatus() throws {
    let wire = bytes("0193 00000000")
    #expect(Frame(.identityStatus, IdentityRequest()).encoded() == wire)
    let frames = try Frame.decodeAll(wire)
    #expect(try IdentityRequest(decoding: frames[0].payload) == IdentityRequest())
  }

  @Test(
    "the error texts have their bytes",
    arguments: [
      (
        KeyManagerError.enclaveNotFound,
        "0a16 656e636c61766520646f6573206e6f74206578697374"
      ),
      (.keyNotFound, "0a12 6b657920646f6573206e6f74206578697374"),
    ])
  func errors(error: KeyManagerError, hex: String) throws {
    #expect(ErrorResponse(message: error.message).encoded() == bytes(hex))
    let message = try ErrorResponse(decoding: bytes(hex)).message
    #expect(KeyManagerError(status: 404, message: message) == error)
  }

  @Test("the answer to KEY:STATUS has its bytes")
  func keyStatusResponse() throws {
    let message = KeyStatusResponse(
      name: name, version: 1, type: "AES256", createdAt: Timestamp(seconds: 1_705_306_368),
      createdBy: identity)
    let wire = bytes(
      "00cc 00000064 0a20 \(nameHex) 1001 1a06414553323536 2206 0880d293ad06 2a2e \(identityHex)")
    #expect(Frame(.keyStatus, message).encoded() == wire)
    #expect(try KeyStatusResponse(decoding: Frame.decodeAll(wire)[0].payload) == message)
  }

  private func roundTrip<Message: KeyManagerMessage>(_ message: Message) throws {
    #expect(try Message(decoding: message.encoded()) == message)
    // A newer Key Manager's field, of each wire type, is passed over.
    let more = bytes("f8ff03 01  f9ff03 0102030405060708  faff03 02 abcd  fdff03 01020304")
    #expect(try Message(decoding: message.encoded() + more) == message)
    // A known number with another wire type too, as protobuf has it.
    #expect(try Message(decoding: message.encoded() + bytes("0d 01020304")) == message)
    // Every cut in the middle of a field is refused or gives fewer fields, and never more.
    let whole = message.encoded()
    for count in whole.indices {
      if let part = try? Message(decoding: Array(whole.prefix(count))) {
        #expect(part.encoded().count <= count)
      }
    }
  }

  @Test("every message goes there and back, past unknown fields")
  func roundTrips() throws {
    try roundTrip(ErrorResponse(message: "caf\u{e9}"))
    var version = VersionResponse()
    version.version = "2025-08-18T19-50-54Z"
    version.commit = "abc"
    version.apiVersion = "v1"
    version.host = "kms-1:7373"
    version.fips140 = true
    try roundTrip(version)
    try roundTrip(Timestamp(seconds: -1, nanoseconds: 999_999_999))
    try roundTrip(Timestamp(seconds: .max, nanoseconds: -1))
    try roundTrip(KeyStatusRequest(name: "k", version: .max))
    try roundTrip(
      KeyStatusResponse(name: "k", version: 3, type: "ChaCha20", createdAt: nil, createdBy: ""))
    try roundTrip(CreateKeyRequest(name: "k", type: "AES256", addVersion: true))
    try roundTrip(
      GenerateKeyRequest(name: "k", version: 2, associatedData: [0, 255], length: 1024))
    try roundTrip(
      GenerateKeyResponse(
        version: 1, plaintext: [1, 2, 3], ciphertext: Array(repeating: 7, count: 300)))
    try roundTrip(IdentityRequest(identity: identity))
    var status = IdentityResponse(identity: identity)
    status.privilege = 3
    status.policy = "aistor"
    status.createdAt = Timestamp(seconds: 0)
    status.createdBy = identity
    status.isServiceAccount = true
    try roundTrip(status)
  }

  @Test(
    "bytes that are no message are refused",
    arguments: [
      ("0a", CodecError.truncated), ("0a05 6162", .truncated), ("08", .truncated),
      ("08 80", .truncated), ("09 01020304050607", .truncated), ("0d 010203", .truncated),
      ("0a ffffffffffffffffff01", .truncated), ("0a ffffffffffffffff7f", .truncated),
      ("08 ffffffffffffffffff02", .overlong), ("08 80808080808080808080 00", .overlong),
      ("00 01", .badField), ("02 00", .badField), ("0b", .badField), ("0c", .badField),
      ("0e", .badField), ("0f", .badField), ("8080808010 00", .badField), ("0a 02 c328", .badText),
    ])
  func malformed(hex: String, error: CodecError) {
    #expect(throws: error) { try ErrorResponse(decoding: bytes(hex)) }
  }

  @Test("the largest number and field number are read")
  func largest() throws {
    var reader = ProtobufReader(bytes("f8ffffff0f ffffffffffffffffff01"))
    let field = try #require(try reader.next())
    #expect(field.number == 1 << 29 - 1)
    #expect(field.value == .varint(.max))
    #expect(try reader.next() == nil)
  }

  @Test(
    "bytes that are no frames are refused",
    arguments: [
      ("00", CodecError.truncated), ("00cc000000", .truncated), ("00cc 00000001", .truncated),
      ("00cc 00000000 00", .truncated), ("0000 00000000", .unknownCommand(0)),
      ("00ca 00000000", .unknownCommand(202)), ("00cc 00010001", .oversized(65_537)),
      ("00cc ffffffff", .oversized(4_294_967_295)),
    ])
  func badFrames(hex: String, error: CodecError) {
    #expect(throws: error) { try Frame.decodeAll(bytes(hex)) }
  }

  @Test("several frames in a row, empty ones too, are read in their order")
  func frames() throws {
    let frames = [
      Frame(.identityStatus, payload: []), Frame(.keyStatus, KeyStatusRequest(name: "k")),
      Frame(.keyGenerate, payload: Array(repeating: 0, count: Limits.frameBytes)),
    ]
    #expect(try Frame.decodeAll(frames.flatMap { $0.encoded() }) == frames)
    #expect(try Frame.decodeAll([]) == [])
  }

  @Test("an error is known by its status and its text together")
  func errorTable() {
    for error in KeyManagerError.allCases {
      #expect(KeyManagerError(status: error.status, message: error.message) == error)
      #expect(KeyManagerError(status: error.status + 1, message: error.message) == nil)
      #expect(KeyManagerError(status: error.status, message: error.message + ".") == nil)
    }
    #expect(KeyManagerError.allCases.count == 8)
  }

  @Test("a data key is not shown")
  func dataKey() {
    let response = GenerateKeyResponse(version: 1, plaintext: [222, 173], ciphertext: [1])
    var dumped = ""
    dump(response, to: &dumped)
    #expect(!"\(response) \(String(reflecting: response)) \(dumped)".contains("222"))
  }
}
