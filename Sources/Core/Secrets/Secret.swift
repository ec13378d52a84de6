// SPDX-License-Identifier: Apache-2.0

/// A value that must never be shown: API keys, passwords, licenses.
///
/// Its description, its mirror and string interpolation give `<redacted>`. It is not `Codable`:
/// code that writes one to a wire or a file must call ``reveal()``, which is easy to search for.
///
/// Its bytes are kept once, however often the value is copied, and are overwritten when the last
/// copy goes. What ``reveal()`` gives is an ordinary string, of which nothing is overwritten.
package struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  private let storage: Storage

  package init(_ text: String) {
    var text = text
    storage = text.withUTF8 { Storage(UnsafeRawBufferPointer($0)) }
  }

  /// Wraps these bytes, UTF-8.
  package init(_ bytes: UnsafeRawBufferPointer) { storage = Storage(bytes) }

  /// The value itself. Every call is a place where a secret leaves its type.
  package func reveal() -> String { withBytes { String(decoding: $0, as: UTF8.self) } }

  /// Hands the bytes to `body`, which must not keep them: a secret need not leave its type for a
  /// library that takes bytes.
  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    // The storage must outlive the use of its bytes.
    withExtendedLifetime(storage) { body(UnsafeRawBufferPointer(storage.bytes)) }
  }

  package var count: Int { storage.bytes.count }

  package static func == (a: Secret, b: Secret) -> Bool {
    a.withBytes { a in b.withBytes { b in a.elementsEqual(b) } }
  }
  package func hash(into hasher: inout Hasher) { withBytes { hasher.combine(bytes: $0) } }

  package var description: String { "<redacted>" }
  package var debugDescription: String { "<redacted>" }
  /// Shows no children, so that `dump` prints nothing either.
  package var customMirror: Mirror { Mirror(self, children: []) }

  /// Overwrites memory that held a secret.
  @inline(never) static func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
    // Not inlined: the compiler may drop writes that nothing reads before the memory is released.
    for index in bytes.indices { bytes[index] = 0 }
  }

  /// The bytes; nothing changes them but the wiping, so that threads may share them.
  private final class Storage: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    init(_ source: UnsafeRawBufferPointer) {
      bytes = .allocate(byteCount: source.count, alignment: 1)
      bytes.copyMemory(from: source)
    }

    deinit {
      Secret.wipe(bytes)
      bytes.deallocate()
    }
  }
}
