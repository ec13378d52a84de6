// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Linux
internal import Model
internal import Threads

/// Follows the lines that are appended to the files of one directory, such as a program's logs,
/// which are rotated by renaming. It has one thread.
///
/// A file is identified by its inode, so a renamed file continues where it was. Lines are lost if
/// their file is removed within a tenth of a second after they were written.
package final class DirectoryTail: Sendable {
  private static let lookMilliseconds = 100
  /// How much of the end of a file that existed before is read, bytes.
  static let tailBytes: UInt64 = 256 << 10
  /// The longest line; longer ones are cut.
  private static let lineBytes = Limits.journalLineBytes

  private let isStopped = Lock(false)

  /// Starts the thread. `deliver` is called on it once for each whole line of a regular file;
  /// `isNew` is false for lines that may be older. `fail` is called when the directory cannot be
  /// read, once until it can again. Does not block.
  ///
  /// - Parameter since: files that have not changed since then, nanoseconds since 1970, begin at
  ///   their end.
  package init(
    _ directory: String, since: Int64, deliver: @escaping @Sendable (String, _ isNew: Bool) -> Void,
    fail: @escaping @Sendable (FileFailure) -> Void
  ) throws(Errno) {
    let isStopped = isStopped
    try Thread.start("log-dir") {
      var files = Files(directory: directory, since: since)
      var hasFailed = false
      while !isStopped.withLock({ $0 }) {
        do throws(FileFailure) {
          try files.look(deliver)
          hasFailed = false
        } catch {
          if !hasFailed { fail(error) }
          hasFailed = true
        }
        Clock.sleep(until: .inMilliseconds(Self.lookMilliseconds))
      }
    }
  }

  deinit { stop() }

  /// Ends the thread soon. Does not block.
  package func stop() { isStopped.withLock { $0 = true } }

  private struct Files {
    struct Place {
      var offset: UInt64
      /// The beginning of a line whose end has not been written yet; nil while skipping a line
      /// whose beginning is unknown.
      var rest: [UInt8]?
      /// What is before this was there at the first look.
      var isNewFrom: UInt64
    }

    let directory: String
    let since: Int64
    var places: [UInt64: Place] = [:]
    var isFirstLook = true

    mutating func look(_ deliver: (String, Bool) -> Void) throws(FileFailure) {
      let directory = try Directory(directory)
      var seen: Set<UInt64> = []
      for name in try directory.names() {
        guard let facts = try directory.facts(of: name), facts.isRegular else { continue }
        seen.insert(facts.inode)
        var place = places[facts.inode] ?? begin(facts)
        // It was truncated and written again.
        if facts.sizeBytes < place.offset { place = Place(offset: 0, rest: [], isNewFrom: 0) }
        if facts.sizeBytes > place.offset, let file = try directory.open(name) {
          read(file, &place, deliver)
        }
        places[facts.inode] = place
      }
      places = places.filter { seen.contains($0.key) }
      isFirstLook = false
    }

    private func begin(_ facts: FileFacts) -> Place {
      guard isFirstLook else { return Place(offset: 0, rest: [], isNewFrom: 0) }
      let size = facts.sizeBytes
      if facts.changedNanoseconds < since { return Place(offset: size, rest: [], isNewFrom: size) }
      let offset = size > DirectoryTail.tailBytes ? size - DirectoryTail.tailBytes : 0
      return Place(offset: offset, rest: offset == 0 ? [] : nil, isNewFrom: size)
    }

    private func read(
      _ file: borrowing FileDescriptor, _ place: inout Place, _ deliver: (String, Bool) -> Void
    ) {
      var buffer = [UInt8](repeating: 0, count: 64 << 10)
      while true {
        let count = pread(file.raw, &buffer, buffer.count, off_t(place.offset))
        if count <= 0 { return }
        var position = place.offset
        for byte in buffer[..<count] {
          position += 1
          if byte == 0x0A {
            if let line = place.rest {
              deliver(String(decoding: line, as: UTF8.self), position > place.isNewFrom)
            }
            place.rest = []
          } else if let length = place.rest?.count, length < DirectoryTail.lineBytes {
            place.rest?.append(byte)
          }
        }
        place.offset = position
      }
    }
  }
}
