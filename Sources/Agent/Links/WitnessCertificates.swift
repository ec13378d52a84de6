// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Threads

/// The certificates that the witnesses have shown when they answered last. Pure.
struct WitnessCertificates: Sendable {
  private struct Shown {
    var certificate: OwnCertificate
    /// Since when it is one to join with; nil if it is none.
    var newSince: Instant?
  }
  private var shown: [String: Shown] = [:]

  /// For how long a witness that has joined is expected to get a key of its own, milliseconds: then nobody renews it,
  /// and the warning that stays says so.
  static let newMilliseconds = 600_000

  /// - Parameter certificate: nil where none was seen.
  mutating func note(_ witness: String, _ certificate: OwnCertificate?, at now: Instant) {
    let before = shown[witness]
    guard let certificate else {
      shown[witness] = nil
      return
    }
    // Another one to join with is a new join.
    let isSame = before.map { $0.certificate == certificate } ?? false
    shown[witness] = Shown(
      certificate: certificate,
      newSince: certificate.isForJoining ? (isSame ? before?.newSince : nil) ?? now : nil)
  }

  /// Sorted by the witnesses' names.
  var all: [OwnCertificate] { shown.sorted { $0.key < $1.key }.map(\.value.certificate) }

  func seesNew(at now: Instant) -> Bool {
    shown.values.contains { shown in
      shown.newSince.map { now.milliseconds(since: $0) < Self.newMilliseconds } ?? false
    }
  }
}
