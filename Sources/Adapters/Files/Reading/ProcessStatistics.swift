// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// What this process has used, as /proc tells it.
package struct ProcessStatistics: Sendable, Hashable {
  /// In user mode and in the kernel, milliseconds.
  package let processorMilliseconds: Int
  package let residentBytes: Int
  /// From the host's boot to the start of the process, milliseconds.
  package let startMilliseconds: Int

  /// This process's. Does not block.
  package static func own() throws(FileFailure) -> ProcessStatistics {
    let path = "/proc/self/stat"
    let text = String(decoding: try FileReading.read(path, limitBytes: 4_096).bytes, as: UTF8.self)
    let (ticks, page) = (sysconf(Int32(_SC_CLK_TCK)), sysconf(Int32(_SC_PAGESIZE)))
    guard let own = ProcessStatistics(text, ticksInASecond: ticks, pageBytes: page) else {
      throw FileFailure(.damaged, path, "read \(path): it is not a line of proc(5).")
    }
    return own
  }

  /// How many descriptors this process has open. Does not block.
  package static func openDescriptors() throws(FileFailure) -> Int {
    // Two are for this look: the directory, and its stream.
    max(0, try Directory("/proc/\(getpid())/fd").names().count - 2)
  }

  /// Reads a line of /proc/PID/stat (proc(5)); nil if it is none.
  init?(_ line: String, ticksInASecond ticks: Int, pageBytes: Int) {
    // The second field is the program's name in parentheses, with whatever is in it.
    guard ticks > 0, let end = line.lastIndex(of: ")") else { return nil }
    let fields = line[line.index(after: end)...].split(separator: " ")
    // The third field, the state, is the first one here.
    func field(_ number: Int) -> Int? {
      fields.indices.contains(number - 3) ? Int(fields[number - 3]) : nil
    }
    func milliseconds(_ number: Int) -> Int? {
      field(number).flatMap { value in
        let (product, isTooLarge) = value.multipliedReportingOverflow(by: 1_000)
        return isTooLarge ? nil : product / ticks
      }
    }
    guard let user = milliseconds(14), let kernel = milliseconds(15), let start = milliseconds(22),
      let pages = field(24)
    else { return nil }
    let (bytes, isTooLarge) = pages.multipliedReportingOverflow(by: pageBytes)
    guard !isTooLarge else { return nil }
    processorMilliseconds = user + kernel
    residentBytes = bytes
    startMilliseconds = start
  }
}
