// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model
internal import Rollout
internal import ServerUnit

/// What an assessment came to: the answer for the operator, and what a vote needs of it.
struct Assessment {
  var answer: PlanAnswer
  /// The file as it is; nil if there is none, or if it could not be read.
  var currentBytes: [UInt8]?
  /// The file as it would be; nil if it would not change.
  var newBytes: [UInt8]?
  /// Who gets the file if it is new; nil for root.
  var owner: ServiceAccount?
  /// The unit's state when it was looked at.
  var unit: UnitState?
  /// What the server is to run with; nil if that is not known.
  var environment: [NamedDigest]?
}
