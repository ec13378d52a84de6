// SPDX-License-Identifier: Apache-2.0
package import Model
internal import Threads

/// The TLS of a program whose certificate and trusted CAs can be changed while it runs: the certificate that was put on
/// the host, and the one that it was renewed by.
///
/// Which of the two is used is decided for each connection by the time of day, so that a clock that is set right mends
/// what a wrong one broke. Connections keep what they began with.
package final class TLSIdentity: Sendable {
  private struct State {
    var issued: TLSContext
    var renewed: TLSContext?
    var sightings = Sightings()
  }
  private let state: Lock<State>
  package let revocations: RevocationList

  package init(_ issued: TLSContext, renewed: TLSContext? = nil) {
    revocations = issued.revocations
    state = Lock(State(issued: issued, renewed: renewed))
  }

  /// What is in use now: of those that are valid, not revoked and of a trusted CA the one that was issued last; if none
  /// is, the one that ends last.
  package var context: TLSContext { choose(state.withLock { $0 }) }

  private func choose(_ state: State) -> TLSContext {
    let issued = state.issued
    guard let renewed = state.renewed else { return issued }
    let now = Clock.realtimeMicroseconds() / 1_000_000
    func counts(_ context: TLSContext) -> Bool {
      context.own.isValid(at: now) && context.authority != nil
        && revocations.revoked(context.principal, validFrom: context.own.notBefore) == nil
    }
    switch (counts(issued), counts(renewed)) {
    case (true, true): return issued.own.notBefore > renewed.own.notBefore ? issued : renewed
    case (true, false): return issued
    case (false, true): return renewed
    case (false, false): return issued.own.notAfter > renewed.own.notAfter ? issued : renewed
    }
  }

  /// Whether what is in use came over the links.
  package var isRenewed: Bool {
    let state = state.withLock { $0 }
    return choose(state) !== state.issued
  }

  package func renew(with context: TLSContext) { state.update { $0.renewed = context } }

  /// Trusts these CAs and no others, from the next connection on.
  package func trust(_ caPEM: String) throws(CertificateFailure) {
    try state.withLock { (state) throws(CertificateFailure) in
      let issued = try state.issued.trusting(caPEM)
      state.renewed = try state.renewed?.trusting(caPEM)
      state.issued = issued
    }
  }

  // MARK: others' certificates

  /// Why a certificate of a holder does not count any more; nil if it does.
  ///
  /// - Parameter authority: the key of the CA that it was verified with.
  package func problem(
    of principal: Principal, validFrom: Int64, authority: [UInt8]?
  ) -> String? {
    if let revoked = revocations.revoked(principal, validFrom: validFrom) { return revoked.text }
    let trusted = state.withLock { $0.issued.authorities }
    guard let authority, !trusted.contains(where: { $0.key == authority }) else { return nil }
    return
      "the certificate of \(principal.uri) was issued by a CA that is not trusted any more (keyturn pki rotate-ca)"
  }

  /// Remembers that a person's certificate was shown.
  package func note(_ sighting: Sighting) { state.update { $0.sightings.note(sighting) } }

  /// The people whose certificates were shown since the start.
  package var sightings: [Sighting] { state.withLock { $0.sightings.all } }
}

/// That a certificate was shown here.
package struct Sighting: Sendable, Hashable {
  package var principal: Principal
  /// The key of the CA that it was verified with.
  package var authority: [UInt8]
  /// The last time, seconds since 1970-01-01 UTC.
  package var at: Int64
  /// When the certificate ends, in the same seconds.
  package var validUntil: Int64

  package init(principal: Principal, authority: [UInt8], at: Int64, validUntil: Int64) {
    self.principal = principal
    self.authority = authority
    self.at = at
    self.validUntil = validUntil
  }
}

/// The last sighting of each holder with a certificate of each CA. The oldest goes when there are too many.
struct Sightings {
  private struct Key: Hashable {
    var principal: Principal
    var authority: [UInt8]
  }
  private var last: [Key: Sighting] = [:]

  /// In a stable order.
  var all: [Sighting] {
    last.values.sorted { ($0.principal.uri, $0.at) < ($1.principal.uri, $1.at) }
  }

  mutating func note(_ sighting: Sighting) {
    let key = Key(principal: sighting.principal, authority: sighting.authority)
    if last[key] == nil, last.count >= Limits.sightings,
      let oldest = last.min(by: { $0.value.at < $1.value.at })?.key
    {
      last[oldest] = nil
    }
    last[key] = sighting
  }
}
