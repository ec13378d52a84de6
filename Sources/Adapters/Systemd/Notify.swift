// SPDX-License-Identifier: Apache-2.0
internal import CSystemd

/// What this program tells the service manager about itself (sd_notify(3)).
///
/// Does nothing when the program was not started by one. None of it blocks.
package enum Notify {
  package static func ready(status: String) { send("READY=1\nSTATUS=\(line(status))") }

  package static func stopping() { send("STOPPING=1") }

  package static func watchdog() { send("WATCHDOG=1") }

  /// What `systemctl status` shows.
  package static func status(_ text: String) { send("STATUS=\(line(text))") }

  /// How often ``watchdog()`` must be called at least, microseconds; nil if it need not. Call it
  /// twice as often.
  package static var watchdogIntervalMicroseconds: UInt64? {
    var interval: UInt64 = 0
    return sd_watchdog_enabled(0, &interval) > 0 ? interval : nil
  }

  private static func send(_ message: String) {
    // Nobody could be told that this failed.
    _ = sd_notify(0, message)
  }

  /// A line break would begin another assignment.
  static func line(_ text: String) -> String {
    String(text.map { $0.isNewline ? " " : $0 })
  }
}
