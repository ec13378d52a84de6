// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL

/// The memory that OpenSSL keeps private keys in.
package enum KeyMemory {
  /// All of it, bytes: some hundred handshakes at once need a part.
  private static let bytes = 1 << 20
  /// What a piece of it has at least, bytes.
  private static let smallestBytes = 64

  /// From now on private keys are kept in memory that is never swapped out and in no core, between
  /// pages that nothing can touch, and is overwritten when it is released
  /// (CRYPTO_secure_malloc_init(3)). Call it before the first key. False if the kernel does not
  /// permit to lock the memory; the rest holds then too.
  @discardableResult
  package static func lock() -> Bool { CRYPTO_secure_malloc_init(bytes, smallestBytes) == 1 }
}
