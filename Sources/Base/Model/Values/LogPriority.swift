// SPDX-License-Identifier: Apache-2.0

/// How important a line of a program's own log is, by syslog's numbers.
package enum LogPriority: Int, Sendable, Hashable {
  case error = 3
  case warning = 4
  case notice = 5
  case information = 6
}
