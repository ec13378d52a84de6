// SPDX-License-Identifier: Apache-2.0
internal import CLinux

/// What a program that holds keys, and a daemon that mostly waits, does about its memory.
package enum ProgramMemory {
  /// Gives back what was needed only to get here: free heap, and pages of code that stay in the
  /// page cache anyhow. Call it when work has ended; the next work maps again what it uses. Takes
  /// well under a millisecond.
  package static func releaseAtRest() { kt_release_memory_at_rest() }

  /// Has the kernel write no core of this process, and let nobody but root look into it (ptrace(2),
  /// /proc/PID/mem). First of all in `main`: whatever fails, the program goes on without.
  package static func keepFromOthers() { kt_keep_memory_from_others() }
}
