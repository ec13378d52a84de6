// SPDX-License-Identifier: Apache-2.0
internal import Threads

/// The TLS of a program whose certificate can be renewed while it runs. Connections keep the context that they began
/// with; new ones begin with the one that is in use then.
package final class TLSIdentity: Sendable {
  private let state: Lock<TLSContext>

  package init(_ context: TLSContext) { state = Lock(context) }

  /// What is in use now.
  package var context: TLSContext { state.withLock { $0 } }

  package func replace(by context: TLSContext) { state.update { $0 = context } }
}
