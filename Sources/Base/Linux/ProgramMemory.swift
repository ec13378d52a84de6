// SPDX-License-Identifier: Apache-2.0
internal import CLinux

/// What a program that holds keys, and a daemon that mostly waits, does about its memory.
package enum ProgramMemory {
  /// Gives back free heap, and pages of code that stay in the page cache anyhow. Call it when work
  /// has ended; it takes well under a millisecond.
  package static func releaseAtRest() { kt_release_memory_at_rest() }

  /// Keeps the kernel from writing a core of this process, and everyone but root from looking into
  /// it (ptrace(2), /proc/PID/mem). Call it first in `main`; if it fails, the program goes on
  /// without.
  package static func keepFromOthers() { kt_keep_memory_from_others() }
}
