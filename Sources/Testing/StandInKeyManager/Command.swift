// SPDX-License-Identifier: Apache-2.0

/// The commands that the stand-in knows (docs/facts.md, "Key Manager commands").
enum Command: Int {
  case createEnclave = 101
  case enclaveStatus = 103
  case createKey = 201
  case deleteKey = 202
  case keyStatus = 204
  case decrypt = 206
  case generateKey = 207
  case listKeys = 208
  case policyStatus = 305
  case identityStatus = 403

  var name: String {
    switch self {
    case .createEnclave: "ENCLAVE:CREATE"
    case .enclaveStatus: "ENCLAVE:STATUS"
    case .createKey: "KEY:CREATE"
    case .deleteKey: "KEY:DELETE"
    case .keyStatus: "KEY:STATUS"
    case .decrypt: "KEY:DECRYPT"
    case .generateKey: "KEY:GENERATE"
    case .listKeys: "KEY:LIST"
    case .policyStatus: "POLICY:STATUS"
    case .identityStatus: "IDENTITY:STATUS"
    }
  }
}

/// Why a command is refused: the protocol's texts and codes (docs/facts.md, "Key Manager errors").
enum CommandFailure: Error {
  case accessDenied
  case enclaveExists, noSuchEnclave
  case keyExists, noSuchKey
  case noSuchPolicy, noSuchIdentity
  case badCiphertext
  case malformed(String)
  case notWritable(String)
  case scripted(Int, String)

  var status: Int {
    switch self {
    case .accessDenied: 403
    case .noSuchEnclave, .noSuchKey, .noSuchPolicy, .noSuchIdentity: 404
    case .enclaveExists, .keyExists: 409
    case .badCiphertext, .malformed: 400
    case .notWritable: 503
    case .scripted(let status, _): status
    }
  }

  var text: String {
    switch self {
    case .accessDenied: "access denied: insufficient permissions"
    case .enclaveExists: "enclave already exists"
    case .noSuchEnclave: "enclave does not exist"
    case .keyExists: "key already exists"
    case .noSuchKey: "key does not exist"
    case .noSuchPolicy: "policy does not exist"
    case .noSuchIdentity: "identity does not exist"
    case .badCiphertext: "invalid ciphertext"
    case .malformed(let what), .scripted(_, let what): what
    case .notWritable(let why): "cluster is not ready for writes: \(why)"
    }
  }
}
