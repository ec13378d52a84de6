// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

/// What the Key Manager said, where the judgement depends on it.
package enum ProbeReason: String, Sendable, Codable, Hashable, CaseIterable {
  /// 403: the identity may not do what the server will do.
  case denied
  /// 404: the enclave does not exist.
  case enclaveMissing
  /// 404: the key does not exist; the server would create it.
  case keyMissing
  /// The key is another one: it does not decrypt what the cluster has encrypted.
  case otherKey
  /// The version of the key does not exist that the cluster has encrypted with.
  case versionMissing
  /// The deadline came first.
  case timeout
}

/// How one stage of the probe of one endpoint, or of one of its addresses, went.
package struct StageResult: Sendable, Codable, Hashable {
  package var stage: ProbeStage
  package var verdict: ProbeVerdict
  /// What the Key Manager said, where the judgement depends on it.
  package var reason: ProbeReason?
  package var milliseconds: Int
  /// What happened, for people: a clause without a full stop, no secret in it.
  package var detail: String

  package init(
    _ stage: ProbeStage, _ verdict: ProbeVerdict, reason: ProbeReason? = nil,
    milliseconds: Int = 0, detail: String
  ) {
    self.stage = stage
    self.verdict = verdict
    self.reason = reason
    self.milliseconds = milliseconds
    self.detail = detail
  }
}

/// Which key proofs a Key Manager has decrypted, by their digests. Of the rest nothing is known.
package struct ProofOpenings: Sendable, Codable, Hashable {
  package var opened: [Digest]
  /// For these it has another key, or none of that version.
  package var other: [Digest]

  package init(opened: [Digest] = [], other: [Digest] = []) {
    self.opened = opened
    self.other = other
  }
}

/// What the probe of one address of an endpoint saw.
package struct AddressReport: Sendable, Codable, Hashable {
  /// The address and port that were dialled, in figures; through a proxy the proxy's.
  package var address: String
  /// The stages from TCP on, in their order; those that were not reached are there as
  /// `notChecked`.
  package var stages: [StageResult]
  /// What the TLS session showed; nil if there was none.
  package var link: SecuredLink?
  /// What the Key Manager told of itself and of the key.
  package var sight: KeyManagerSight
  package var openings: ProofOpenings

  package init(
    address: String, stages: [StageResult], link: SecuredLink? = nil,
    sight: KeyManagerSight = KeyManagerSight(), openings: ProofOpenings = ProofOpenings()
  ) {
    self.openings = openings
    self.address = address
    self.stages = stages
    self.link = link
    self.sight = sight
  }

  /// The result of a stage, nil if the report does not speak of it.
  package subscript(stage: ProbeStage) -> StageResult? { stages.first { $0.stage == stage } }
}

/// A TLS session that was accepted.
package struct SecuredLink: Sendable, Codable, Hashable {
  package var protocolVersion: String
  /// The server's public key, for example `EC P-256` or `RSA 2048`.
  package var serverKey: String
  /// Until when the server's certificate is valid, seconds since 1970-01-01 UTC.
  package var notAfter: Int64
  package var daysLeft: Int

  /// With fewer days left a certificate is not as it should be.
  package static let warningDays = 14

  package init(protocolVersion: String, serverKey: String, notAfter: Int64, daysLeft: Int) {
    self.protocolVersion = protocolVersion
    self.serverKey = serverKey
    self.notAfter = notAfter
    self.daysLeft = daysLeft
  }
}

/// What the probe of one endpoint saw.
package struct EndpointReport: Sendable, Codable, Hashable {
  /// The endpoint as the settings name it, ``Endpoint/text``.
  package var endpoint: String
  /// The first address that took a connection, in the resolver's order; nil if none did.
  package var address: String?
  /// The proxy that the server would go through, `HOST:PORT`; nil if it would dial the endpoint.
  package var proxy: String?
  /// Every stage in its order: the worst of all addresses. An address that takes no connection
  /// beside one that does is degraded, since the server dials the next one.
  package var stages: [StageResult]
  /// What was seen at each address, in the resolver's order.
  package var addresses: [AddressReport]

  package init(
    endpoint: String, address: String?, proxy: String? = nil, stages: [StageResult],
    addresses: [AddressReport] = []
  ) {
    self.endpoint = endpoint
    self.address = address
    self.proxy = proxy
    self.stages = stages
    self.addresses = addresses
  }

  /// The result of a stage, nil if the report does not speak of it.
  package subscript(stage: ProbeStage) -> StageResult? { stages.first { $0.stage == stage } }

  /// The stage that went worst, the first of several; nil if there are no stages.
  package var worst: StageResult? {
    stages.reduce(nil) { worst, stage in
      guard let worst, worst.verdict >= stage.verdict else { return stage }
      return worst
    }
  }

  /// What the Key Managers behind it told, one for each address.
  package var sights: [KeyManagerSight] { addresses.map(\.sight) }
}

extension EndpointReport {
  /// A report of everything that was seen at the addresses of a name.
  package init(
    endpoint: String, proxy: String?, resolution: StageResult, addresses: [AddressReport]
  ) {
    let reached = addresses.first { ($0[.tcp]?.verdict ?? .notChecked) < .failed }
    self.init(
      endpoint: endpoint, address: reached?.address, proxy: proxy,
      stages: [resolution], addresses: addresses)
    for stage in ProbeStage.allCases where stage != .dns {
      stages.append(Self.merged(stage, addresses, isReached: reached != nil, after: resolution))
    }
  }

  private static func merged(
    _ stage: ProbeStage, _ addresses: [AddressReport], isReached: Bool,
    after resolution: StageResult
  ) -> StageResult {
    let all = addresses.compactMap { report in report[stage].map { (report, $0) } }
    guard !all.isEmpty else {
      let why =
        resolution.verdict == .failed
        ? "\(resolution.stage.title) failed" : "no address was probed"
      return StageResult(stage, .notChecked, detail: why)
    }
    // What no connection was made to says nothing about the stages after it.
    let counted =
      stage == .tcp || !isReached
      ? all : all.filter { ($0.0[.tcp]?.verdict ?? .notChecked) < .failed }
    let milliseconds = all.map(\.1.milliseconds).max() ?? 0
    var worst = counted[0].1
    for (_, result) in counted.dropFirst() where result.verdict > worst.verdict { worst = result }
    var verdict = worst.verdict
    if stage == .tcp, verdict == .failed, isReached { verdict = .degraded }
    // Which address it is about, where they differ.
    var details: [String] = []
    for (report, result) in counted
    where result.verdict == worst.verdict || result.reason == .keyMissing {
      let detail =
        counted.count > 1 && verdict != .fine && !result.detail.contains(report.address)
        ? "\(report.address): \(result.detail)" : result.detail
      if !details.contains(detail) { details.append(detail) }
    }
    let reasons = counted.filter { $0.1.verdict == worst.verdict }.map(\.1.reason)
    return StageResult(
      stage, verdict, reason: verdict == worst.verdict ? mostTelling(reasons) : nil,
      milliseconds: milliseconds, detail: details.joined(separator: "; "))
  }

  /// Of several reasons the one that weighs most: a refusal before a key that is missing, and that
  /// before silence.
  private static func mostTelling(_ reasons: [ProbeReason?]) -> ProbeReason? {
    for reason in [ProbeReason.otherKey, .versionMissing, .denied, .enclaveMissing]
    where reasons.contains(reason) {
      return reason
    }
    // One address that fails in another way is not a missing key, and not only late.
    guard let first = reasons.first, reasons.allSatisfy({ $0 == first }) else { return nil }
    return first
  }
}
