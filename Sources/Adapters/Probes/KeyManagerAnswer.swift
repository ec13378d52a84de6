internal import Digests
internal import KeyManager
internal import Wire

/// What a Key Manager's answer to KEY:STATUS or KEY:GENERATE means for the server's start (facts,
/// sections A.6, B.2).
enum KeyManagerAnswer {
  /// The enclave admits the identity and has the key; with what is known of it.
  case found(String)
  /// The identity may not do this, or is unknown there.
  case denied(String)
  /// There is no such enclave.
  case enclaveMissing(String)
  /// There is no such key in the enclave.
  case keyMissing(String)
  /// Anything else, also what the server's client would not accept.
  case other(String)

  init(_ response: HTTPResponse, to command: Command) {
    let name = command.name
    guard response.status == 200 else {
      let text = "\(name): \(Self.error(response))"
      switch KeyManagerError(status: response.status, message: Self.message(response)) {
      case .enclaveNotFound: self = .enclaveMissing(text)
      case .keyNotFound: self = .keyMissing(text)
      case .accessDenied, .identityNotFound: self = .denied(text)
      default:
        self = response.status == 403 || response.status == 401 ? .denied(text) : .other(text)
      }
      return
    }
    guard response.headers["content-length"] != nil else {
      self = .other(
        "\(name): the answer has no Content-Length, without which the server refuses it")
      return
    }
    do throws(CodecError) {
      var frames = try Frame.decodeAll(response.body)
      defer { for index in frames.indices { frames[index].payload.wipe() } }
      guard frames.count == 1, frames[0].command == command else {
        self = .other("\(name): the answer is to another command")
        return
      }
      // The answer to KEY:GENERATE holds a data key: that it is there is all that we need to know.
      guard command == .keyStatus else {
        self = frames[0].payload.isEmpty ? .other("\(name): the answer is empty") : .found("exists")
        return
      }
      let key = try KeyStatusResponse(decoding: frames[0].payload)
      guard key.type == "AES256" || key.type == "ChaCha20" else {
        self = .other("\(name): the key has a type that the server does not know")
        return
      }
      let creator = Identity(key.createdBy).map { ", created by \($0)" } ?? ""
      self = .found("version \(key.version), \(key.type)\(creator)")
    } catch {
      self = .other("\(name): the answer \(error)")
    }
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
  return String(String.UnicodeScalarView(scalars))
    .split { $0.isWhitespace }.joined(separator: " ")
}

extension String {
  /// Without the white space at both ends.
  fileprivate var trimmed: String {
    let start = drop { $0.isWhitespace }
    return String(start.reversed().drop { $0.isWhitespace }.reversed())
  }
}
