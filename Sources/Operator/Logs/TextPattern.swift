// SPDX-License-Identifier: Apache-2.0
internal import Glibc

// Proof: `compiled` is written once, in init; regexec(3) may use it on several threads.
/// An extended regular expression of POSIX (regex(7)), as `grep -E` takes it. Bytes are characters.
package final class TextPattern: @unchecked Sendable {
  package struct Malformed: Error, Sendable, Hashable {
    package var reason: String
  }

  private let compiled: UnsafeMutablePointer<regex_t>

  package init(_ text: String) throws(Malformed) {
    // Owned by the object only when it is whole: deinit runs also after a throw from here on.
    let expression = UnsafeMutablePointer<regex_t>.allocate(capacity: 1)
    expression.initialize(to: regex_t())
    let code = regcomp(expression, text, REG_EXTENDED | REG_NOSUB)
    guard code == 0 else {
      var buffer = [CChar](repeating: 0, count: 256)
      regerror(code, expression, &buffer, buffer.count)
      expression.deallocate()
      throw Malformed(
        reason: String(
          decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
    compiled = expression
  }

  deinit {
    regfree(compiled)
    compiled.deallocate()
  }

  /// Whether it matches anywhere in `text`, of which what follows a NUL is not looked at.
  package func matches(_ text: String) -> Bool { regexec(compiled, text, 0, nil, 0) == 0 }
}
