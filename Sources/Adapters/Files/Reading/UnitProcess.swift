// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Model

/// The processes of a systemd unit, by their control groups: needs no bus, and no agent.
package enum UnitProcess {
  /// The unit's first process, whose parent is none of the unit; nil if none runs. Blocks on no disk.
  package static func main(of unit: String) throws(FileFailure) -> Int32? {
    let pids = (FileReading.names(in: "/proc") ?? []).compactMap { Int32($0) }.sorted()
    let own = pids.filter { belongs($0, to: unit) }
    return own.first { pid in !(parent(of: pid).map(own.contains) ?? false) }
  }

  /// The words that a process was started with, its program first.
  package static func arguments(of pid: Int32) throws(FileFailure) -> [String] {
    try FileReading.read("/proc/\(pid)/cmdline", limitBytes: ProcessEnvironment.limitBytes).bytes
      .split(separator: 0, omittingEmptySubsequences: false).dropLast()
      .map { String(decoding: $0, as: UTF8.self) }
  }

  /// By the last part of one of its control groups (cgroups(7), /proc/PID/cgroup).
  private static func belongs(_ pid: Int32, to unit: String) -> Bool {
    guard let content = try? FileReading.read("/proc/\(pid)/cgroup", limitBytes: 64 << 10) else {
      return false
    }
    return String(decoding: content.bytes, as: UTF8.self).split(separator: "\n").contains {
      $0.hasSuffix("/\(unit)")
    }
  }

  private static func parent(of pid: Int32) -> Int32? {
    guard let content = try? FileReading.read("/proc/\(pid)/stat", limitBytes: 4 << 10) else {
      return nil
    }
    // The name, in parentheses, may hold blanks and parentheses.
    let text = String(decoding: content.bytes, as: UTF8.self)
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[end...].split(separator: " ")
    return fields.count > 2 ? Int32(fields[2]) : nil
  }
}
