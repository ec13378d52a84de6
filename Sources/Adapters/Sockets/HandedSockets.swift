// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Linux

/// Sockets that the service manager holds for this program and has handed over at its start
/// (sd_listen_fds(3)).
package enum HandedSockets {
  package static let variables = ["LISTEN_PID", "LISTEN_FDS"]
  /// SD_LISTEN_FDS_START.
  private static let first: Int32 = 3

  /// How many were handed to this process; 0 without a service manager that does, or if they are
  /// another process'.
  package static func count(in environment: [String: String], process: Int32) -> Int32 {
    guard let owner = environment["LISTEN_PID"].flatMap(Int32.init), owner == process,
      let count = environment["LISTEN_FDS"].flatMap(Int32.init), count > 0, count < 1_024
    else { return 0 }
    return count
  }

  /// The listening TCP sockets that were handed over; to be called once. Throws if one is something
  /// else.
  package static func take(_ environment: [String: String]) throws(Errno) -> [Listener] {
    var listeners: [Listener] = []
    for raw in first..<(first + count(in: environment, process: getpid())) {
      listeners.append(try Listener.adopting(FileDescriptor(owning: raw)))
    }
    return listeners
  }
}
