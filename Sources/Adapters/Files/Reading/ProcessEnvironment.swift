// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Secrets

/// The environment that a running process was started with.
package enum ProcessEnvironment {
  /// The kernel starts no process with more than this (three quarters of its 8 MiB stack limit).
  static let limitBytes = 6 << 20

  /// The variables of a process in their order, from /proc/PID/environ. Does not block.
  ///
  /// Throws `absent` if there is no such process. Bytes that are not UTF-8 are replaced. Empty for
  /// a kernel thread and for a process that has just ended.
  package static func read(pid: Int32) throws(FileFailure) -> [EnvironmentVariable] {
    let path = "/proc/\(pid)/environ"
    do throws(FileFailure) {
      return variables(in: try FileReading.read(path, limitBytes: limitBytes).bytes)
    } catch {
      // The process ended between open and read.
      if error.kind == .system { throw FileFailure("read", path, code: ENOENT) }
      throw error
    }
  }

  static func variables(in bytes: [UInt8]) -> [EnvironmentVariable] {
    bytes.split(separator: 0).compactMap { entry in
      guard let equals = entry.firstIndex(of: 0x3D) else { return nil }
      return EnvironmentVariable(
        name: String(decoding: entry[..<equals], as: UTF8.self),
        value: String(decoding: entry[entry.index(after: equals)...], as: UTF8.self))
    }
  }
}

/// Which boot of the host this is.
package enum BootID {
  /// 32 lower-case hexadecimal digits, the form of the journal's `_BOOT_ID`. Does not block.
  package static func read() throws(FileFailure) -> String {
    let path = "/proc/sys/kernel/random/boot_id"
    let text = String(decoding: try FileReading.read(path, limitBytes: 64).bytes, as: UTF8.self)
    let digits = text.filter { $0.isHexDigit }.lowercased()
    guard digits.utf8.count == 32 else {
      throw FileFailure(.damaged, path, "read \(path): it is not a boot id.")
    }
    return digits
  }
}
