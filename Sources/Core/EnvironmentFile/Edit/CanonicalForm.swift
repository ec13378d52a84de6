// SPDX-License-Identifier: Apache-2.0
package import Model

/// The one form in which Keyturn writes a variable: `NAME="value"`, read alike by systemd, by
/// MinIO's own reader and by a POSIX shell (docs/facts.md, "Differences of the readers").
package enum CanonicalForm {
  /// `NAME="value"` without a line ending.
  ///
  /// Refuses (`validation`) a name or a value that the three would not read alike; the value is not
  /// in the message.
  package static func line(name: String, value: String) throws(Refusal) -> String {
    if let problem = problem(name: name) {
      throw Refusal(.validation, "cannot write the variable: \(problem)")
    }
    if let problem = problem(value: value) {
      throw Refusal(.validation, "cannot write \(name): \(problem); give it another value")
    }
    let line = "\(name)=\"\(value)\""
    // One byte is left for the carriage return of a file that has them.
    guard line.utf8.count + 1 < MinIOScan.lineBytes else {
      throw Refusal(
        .validation,
        "cannot write \(name): the line has \(line.utf8.count) bytes, "
          + "MinIO's own reader takes \(MinIOScan.lineBytes - 2); give it a shorter value")
    }
    return line
  }

  /// Why `name` cannot be the name of a variable, or nil.
  static func problem(name: String) -> String? {
    if !isVariableName(name) {
      return "its name is not made of letters, digits and '_' with a letter or '_' first"
    }
    if name.hasPrefix("export") {
      return "its name begins with 'export', which MinIO's own reader takes away"
    }
    return nil
  }

  /// Why `value` is not read alike, or nil.
  static func problem(value: String) -> String? {
    let bytes = Array(value.utf8)
    for byte in bytes {
      switch byte {
      case Byte.doubleQuote, Byte.backslash, Byte.backtick, Byte.dollar:
        let character = Character(Unicode.Scalar(byte))
        return "its value has a \(character), which systemd, MinIO and a shell do not read alike"
      case _ where Byte.isControl(byte):
        return "its value has the control character \(hexadecimal(byte))"
      default: continue
      }
    }
    if value.unicodeScalars.contains(where: { (0x80...0x9F).contains($0.value) }) {
      return "its value has a control character of the range U+0080 to U+009F"
    }
    if UTF8Text.problem(in: bytes, range: bytes.indices) != nil {
      return "its value has a Unicode noncharacter, for which systemd refuses the whole file"
    }
    return nil
  }

  static func hexadecimal(_ byte: UInt8) -> String {
    "0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
  }
}
