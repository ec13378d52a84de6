// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Model

/// One entry of OpenSSL's error queue, which every thread has of its own.
struct OpenSSLError {
  let code: UInt
  /// The reason and what was added to it, for example `certificate verify failed (0A000086)`.
  let text: String

  /// The SSL_R_ number if it is one of the SSL library's own.
  var sslReason: Int32? {
    kt_error_library(code) == ERR_LIB_SSL ? kt_error_reason(code) : nil
  }

  /// Takes the whole queue of this thread, oldest first, and leaves it empty.
  static func drain() -> [OpenSSLError] {
    var errors: [OpenSSLError] = []
    while true {
      var data: UnsafePointer<CChar>?
      var flags: Int32 = 0
      let code = ERR_get_error_all(nil, nil, nil, &data, &flags)
      if code == 0 { return errors }
      let reason = ERR_reason_error_string(code).map { String(cString: $0) } ?? "unknown reason"
      var text = "\(reason) (\(hex(code)))"
      if flags & ERR_TXT_STRING != 0, let data, data.pointee != 0 {
        text += ": " + String(cString: data)
      }
      errors.append(OpenSSLError(code: code, text: text))
    }
  }

  /// The texts of the whole queue in one line, for a message.
  static func drainText() -> String {
    let errors = drain()
    return errors.isEmpty ? "no reason given" : errors.map(\.text).joined(separator: "; ")
  }

  private static func hex(_ code: UInt) -> String {
    String(code, radix: 16, uppercase: true).zeroPadded(to: 8)
  }
}
