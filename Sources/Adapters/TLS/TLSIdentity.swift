// SPDX-License-Identifier: Apache-2.0
internal import Threads

/// The TLS of a program whose certificate can be renewed while it runs: the certificate that was put on the host, and
/// the one that it was renewed by.
///
/// Which of the two is used is decided for each connection by the time of day, so that a clock that is set right mends
/// what a wrong one broke. Connections keep what they began with.
package final class TLSIdentity: Sendable {
  private let issued: TLSContext
  private let renewal: Lock<TLSContext?>

  package init(_ issued: TLSContext, renewed: TLSContext? = nil) {
    self.issued = issued
    renewal = Lock(renewed)
  }

  /// What is in use now: of those that are valid and not revoked the one that was issued last; if none is, the one
  /// that ends last.
  package var context: TLSContext {
    guard let renewed = renewal.withLock({ $0 }) else { return issued }
    let now = Clock.realtimeMicroseconds() / 1_000_000
    func counts(_ context: TLSContext) -> Bool {
      context.own.isValid(at: now)
        && revocations.problem(of: context.principal, validFrom: context.own.notBefore) == nil
    }
    switch (counts(issued), counts(renewed)) {
    case (true, true): return issued.own.notBefore > renewed.own.notBefore ? issued : renewed
    case (true, false): return issued
    case (false, true): return renewed
    case (false, false): return issued.own.notAfter > renewed.own.notAfter ? issued : renewed
    }
  }

  /// Whether what is in use came over the links.
  package var isRenewed: Bool { context !== issued }

  package var revocations: RevocationList { issued.revocations }

  package func renew(with context: TLSContext) { renewal.update { $0 = context } }
}
