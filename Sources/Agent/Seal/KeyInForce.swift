// SPDX-License-Identifier: Apache-2.0
internal import KeyManager
internal import Rollout
internal import Secrets
internal import ServerUnit

extension KeyIdentity {
  /// The key of an environment; the last definition counts. Nil without one.
  init?(_ variables: [EnvironmentVariable]) {
    func value(_ name: String) -> String { variables.last { $0.name == name }?.value ?? "" }
    let name = value("MINIO_KMS_SSE_KEY")
    if name.isEmpty { return nil }
    self.init(name: name, enclave: value("MINIO_KMS_ENCLAVE"))
  }
}

extension KeyManagerSettings {
  /// The key that they name.
  var key: KeyIdentity { KeyIdentity(name: sseKey, enclave: enclave) }
}

extension KeyGuard.Holder {
  /// The seal, or else the key of a server that is running and READY: encrypted before Keyturn
  /// came.
  init?(seal: Seal?, running: [EnvironmentVariable]?, unit: UnitState?) {
    if let seal {
      self = .seal(seal)
      return
    }
    guard unit?.activeState == "active", let key = running.flatMap({ KeyIdentity($0) }) else {
      return nil
    }
    self = .running(keyName: key.name, enclave: key.enclave)
  }
}
