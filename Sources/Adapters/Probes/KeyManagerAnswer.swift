// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import JSONCoding
internal import KeyManager
internal import Model
internal import OpenSSL

/// What a Key Manager's answer to a command means for the server's start (docs/facts.md,
/// "Start and the Key Manager", "Key Manager frames").
enum KeyManagerAnswer {
  /// It does what was asked; the message of the answer. That of KEY:GENERATE and of KEY:DECRYPT is
  /// empty here: a data key in the clear is handed to whoever needs it, and wiped.
  case told([UInt8])
  /// The identity may not do this, or is unknown there.
  case denied(String)
  /// There is no such enclave.
  case enclaveMissing(String)
  /// There is no such key in the enclave.
  case keyMissing(String)
  /// It was not encrypted with this key, or was bound to something else.
  case notAuthentic(String)
  /// Anything else, also what the server's client would not accept.
  case other(String)

  /// What happened, a clause; nil if it does what was asked.
  var problem: String? {
    switch self {
    case .told: nil
    case .denied(let text), .enclaveMissing(let text), .keyMissing(let text),
      .notAuthentic(let text), .other(let text):
      text
    }
  }

  /// What the server's client could not use, a clause.
  struct Problem: Error { var text: String }

  /// What a data key in the clear is for.
  typealias DataKeyUse = (_ key: GenerateKeyResponse) -> Void

  init(_ response: HTTPResponse, to command: Command, _ use: DataKeyUse = { _ in }) {
    let name = command.name
    guard response.status == 200 else {
      let text = "\(name): \(Self.error(response))"
      switch KeyManagerError(status: response.status, message: Self.message(response)) {
      case .enclaveNotFound: self = .enclaveMissing(text)
      case .keyNotFound: self = .keyMissing(text)
      case .accessDenied, .identityNotFound: self = .denied(text)
      case .invalidCiphertext: self = .notAuthentic(text)
      default:
        self = response.status == 403 || response.status == 401 ? .denied(text) : .other(text)
      }
      return
    }
    do throws(Problem) {
      self = .told(try Self.message(of: response, to: command, use))
    } catch {
      self = .other("\(name): \(error.text)")
    }
  }

  private static func message(
    of response: HTTPResponse, to command: Command, _ use: DataKeyUse
  ) throws(Problem) -> [UInt8] {
    guard response.headers["content-length"] != nil else {
      throw Problem(text: "the answer has no Content-Length, without which the server refuses it")
    }
    var frames = try reading { () throws(CodecError) in try Frame.decodeAll(response.body) }
    guard frames.count == 1, frames[0].command == command else {
      for index in frames.indices { frames[index].payload.wipe() }
      throw Problem(text: "the answer is to another command")
    }
    switch command {
    case .keyGenerate, .keyDecrypt: break
    case .keyCreate, .keyStatus, .identityStatus: return frames[0].payload
    }
    defer { frames[0].payload.wipe() }
    var key = try reading { () throws(CodecError) in
      try dataKey(in: frames[0].payload, command)
    }
    defer { key.plaintext.wipe() }
    if command == .keyGenerate {
      guard key.plaintext.count == KeyProof.plaintextBytes, !key.ciphertext.isEmpty else {
        throw Problem(text: "the answer holds no data key of 32 bytes")
      }
    }
    use(key)
    return []
  }

  private static func dataKey(
    in message: [UInt8], _ command: Command
  ) throws(CodecError) -> GenerateKeyResponse {
    if command == .keyGenerate { return try GenerateKeyResponse(decoding: message) }
    var opened = try DecryptResponse(decoding: message)
    var key = GenerateKeyResponse.empty
    // Moved, not copied: there is one to wipe.
    swap(&key.plaintext, &opened.plaintext)
    return key
  }

  /// The key in an answer to KEY:STATUS.
  static func key(_ message: [UInt8]) throws(Problem) -> KeyFingerprint {
    let status = try reading { () throws(CodecError) in try KeyStatusResponse(decoding: message) }
    guard let key = KeyFingerprint(status) else {
      throw Problem(text: "the key has a type that the server does not know")
    }
    return key
  }

  private static func reading<Result>(
    _ body: () throws(CodecError) -> Result
  ) throws(Problem) -> Result {
    do throws(CodecError) { return try body() } catch { throw Problem(text: "the answer \(error)") }
  }

  /// The version in an answer to `GET /version`, which is JSON unless it says that it is protobuf.
  static func version(_ response: HTTPResponse) -> VersionResponse? {
    response.headers["content-type"] == "application/octet-stream"
      ? try? VersionResponse(decoding: response.body)
      : try? JSON.decode(VersionResponse.self, from: response.body)
  }

  /// The status and the message of an answer, for people.
  static func error(_ response: HTTPResponse) -> String {
    let message = printable(message(response))
    return "answered \(response.status) " + (message.isEmpty ? "without a message" : message)
  }

  private static func message(_ response: HTTPResponse) -> String {
    // The server's client reads no more than this of an error.
    let body = Array(response.body.prefix(5 << 10))
    switch response.headers["content-type"] {
    case "application/octet-stream": return (try? ErrorResponse(decoding: body).message) ?? ""
    case "application/json":
      return (try? JSON.decode(ErrorResponse.self, from: body).message) ?? ""
    default: return String(decoding: body, as: UTF8.self).trimmed
    }
  }
}

/// A text of another program made fit for a line: its first 200 characters, with nothing that
/// controls a terminal, and one space where it has any white space.
func printable(_ text: String) -> String {
  let scalars = text.unicodeScalars.prefix(200).map { scalar -> Unicode.Scalar in
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse,
      .unassigned:
      " "
    default: scalar
    }
  }
  return String(String.UnicodeScalarView(scalars)).split { $0.isWhitespace }.joined(separator: " ")
}
