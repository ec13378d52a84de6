// SPDX-License-Identifier: Apache-2.0

/// What is probed of an endpoint, in this order (docs/facts.md, "Probing without effects").
package enum ProbeStage: String, Sendable, Codable, Hashable, CaseIterable {
  /// The name is resolved.
  case dns
  /// The address accepts a connection; through a proxy, the proxy leads to the host.
  case tcp
  /// The certificate is for that name and its chain ends in what the server trusts.
  case tls
  /// `GET /version` answers.
  case version
  /// `GET /v1/health/live` is 200.
  case live
  /// `GET /v1/health/ready` is 200.
  case ready
  /// The enclave admits the API key's identity, and lets it do what the server does at its start.
  case identity
  /// The enclave exists.
  case enclave
  /// The SSE key exists, and a data key can be had of it.
  case key
  /// What the cluster has encrypted can be decrypted: every key proof opens.
  case proof
  /// `GET /v1/health/ready?write` is 200; asked only where the key does not exist.
  case write
}

/// How a stage went, from best to worst.
package enum ProbeVerdict: String, Sendable, Codable, Hashable, CaseIterable, Comparable {
  /// As it must be.
  case fine
  /// Not reached: an earlier stage failed, the time was over, or there was no need.
  case notChecked
  /// It works, but not as it should.
  case degraded
  /// It does not work.
  case failed

  /// fine < notChecked < degraded < failed.
  package static func < (a: ProbeVerdict, b: ProbeVerdict) -> Bool { a.rank < b.rank }
  private var rank: Int {
    switch self {
    case .fine: 0
    case .notChecked: 1
    case .degraded: 2
    case .failed: 3
    }
  }
}
