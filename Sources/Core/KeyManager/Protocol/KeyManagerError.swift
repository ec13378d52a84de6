// SPDX-License-Identifier: Apache-2.0

/// The Key Manager's errors that its clients tell apart, by HTTP status and text together
/// (docs/facts.md, "Key Manager errors").
package enum KeyManagerError: String, Error, Sendable, Hashable, CaseIterable {
  /// 403. An identity that is unknown to the enclave may get it too.
  case accessDenied = "access denied: insufficient permissions"
  /// 409.
  case enclaveExists = "enclave already exists"
  /// 404.
  case enclaveNotFound = "enclave does not exist"
  /// 409.
  case keyExists = "key already exists"
  /// 404. The server then creates the key.
  case keyNotFound = "key does not exist"
  /// 404.
  case policyNotFound = "policy does not exist"
  /// 404.
  case identityNotFound = "identity does not exist"
  /// 400.
  case invalidCiphertext = "invalid ciphertext"

  package var status: Int {
    switch self {
    case .accessDenied: 403
    case .enclaveExists, .keyExists: 409
    case .enclaveNotFound, .keyNotFound, .policyNotFound, .identityNotFound: 404
    case .invalidCiphertext: 400
    }
  }

  package var message: String { rawValue }

  /// The error of that status and text; nil if there is none with both.
  package init?(status: Int, message: String) {
    guard let error = Self(rawValue: message), error.status == status else { return nil }
    self = error
  }
}
