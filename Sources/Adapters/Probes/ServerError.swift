// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import Model

/// An error as a MinIO server answers it: XML, or JSON of the same names. Nothing else of the body
/// is passed on, because it may repeat the request.
struct ServerError {
  let status: Int
  /// For example `SlowDownWrite` or `kms:NotAuthorized`; nil if the body has none.
  let code: String?

  init(_ response: HTTPResponse) {
    status = response.status
    code = Self.element("Code", in: response.body)
  }

  /// `503 SlowDownWrite`.
  var text: String { code.map { "\(status) \($0)" } ?? "\(status)" }

  /// The text of the first element, or JSON field, of that name, if it is a plain word of at most
  /// 128 bytes.
  static func element(_ name: String, in body: [UInt8]) -> String? {
    let (begin, end): ([UInt8], UInt8) =
      body.first == UInt8(ascii: "{")
      ? (Array("\"\(name)\":\"".utf8), UInt8(ascii: "\""))
      : (Array("<\(name)>".utf8), UInt8(ascii: "<"))
    guard let start = body.firstRange(of: begin)?.upperBound else { return nil }
    let value = body[start...].prefix { $0 != end }
    guard (1...128).contains(value.count), start + value.count < body.count,
      value.allSatisfy(isPlain)
    else { return nil }
    return String(decoding: value, as: UTF8.self)
  }

  /// A character of a code, of a region's name or of an upload's (base64, for URLs or not).
  private static func isPlain(_ byte: UInt8) -> Bool {
    byte.isLetterOrDigit || "-_.:+/=".utf8.contains(byte)
  }
}
