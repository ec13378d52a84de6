// SPDX-License-Identifier: Apache-2.0
import API
import Crypto
import JSONCoding
import KeyManager
import Model
import Secrets
import TestSupport
import Testing
import Threads

/// The sealed key of a lab, and what proves it.
extension Lab {
  /// What a command says, once it ends with that status and says all of these.
  @discardableResult
  func expect(
    _ arguments: [String], status: Int32, _ words: [String], seconds: Int = 90,
    at location: SourceLocation = #_sourceLocation
  ) throws -> String {
    let deadline = Instant.inMilliseconds(seconds * 1_000)
    var said = ""
    while Clock.now() < deadline {
      let outcome = try keyturn(arguments)
      said = "\(outcome.status): \(outcome.stdout)\(outcome.stderr)"
      if outcome.status == status, words.allSatisfy({ said.contains($0) }) { return said }
      Clock.sleep(until: .inMilliseconds(1_000))
    }
    Issue.record("keyturn \(arguments): \(words): \(said)", sourceLocation: location)
    return said
  }

  /// A rollout that changes nothing that matters.
  func rollOut(_ value: String) throws -> Subprocess.Outcome {
    try keyturn(
      "apply", "--yes", "--settings", try file("other.env", "MINIO_BROWSER=\(value)\n"))
  }

  /// How these Key Managers' stand-ins are to misbehave from now on; `KEY` is the SSE key's name.
  func setFaults(_ json: String, at hosts: [String]) throws {
    let key = setting("MINIO_KMS_SSE_KEY")
    for host in hosts { try setFaults(host, json.replacing("KEY\"", with: "\(key)\"")) }
  }

  /// Changes what is in these Key Managers by Python statements on `enclave`, where `key` is the SSE
  /// key's name; they start again with it.
  func changeEnclave(_ statements: String, at hosts: [String]) throws {
    let script = """
      import json
      path, key = "/var/lib/minkms/state.json", "\(setting("MINIO_KMS_SSE_KEY"))"
      state = json.load(open(path))
      enclave = state["enclaves"]["\(setting("MINIO_KMS_ENCLAVE"))"]
      \(statements)
      json.dump(state, open(path, "w"))
      """
    for host in hosts {
      try exec(host, "python3 -", input: script)
      try restartKeyManager(host)
    }
  }

  // MARK: key proofs

  /// What a node tells of its key proofs, as it tells the others.
  func keyProofs(of node: String) throws -> (text: String, answer: KeyProofsAnswer) {
    let text = try run(
      """
      curl -sSf -m 10 --cacert \(credentials)/ca.pem --cert \(credentials)/cert.pem \
        --key \(credentials)/key.pem https://\(node):7377/v1/seal/proofs
      """)
    return (text, try JSON.decode(KeyProofsAnswer.self, from: Array(text.utf8)))
  }

  /// The digests of all key proofs of every node.
  func keyProofDigests() throws -> [String: [String]] {
    var digests: [String: [String]] = [:]
    for node in nodes {
      digests[node] = try keyProofs(of: node).answer.proofs.all.map(\.digest.hex)
    }
    return digests
  }

  /// The HTTP status with which a Key Manager answers one who shows this API key and has a key proof
  /// decrypted.
  func opening(_ proof: KeyProof, with key: APIKey, at host: String) throws -> String {
    func hex(_ bytes: [UInt8]) -> String {
      bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
    let question = Frame(.keyDecrypt, proof.question(keyName: setting("MINIO_KMS_SSE_KEY")))
    _ = try file("identity.hex", key.withPrivateKeyInfo(hex))
    _ = try file("frame.hex", hex(question.encoded()))
    let authority = inventory.replacing("/inventory.json", with: "/kms-ca.pem")
    return try run(
      """
      set -e; umask 077; cd \(directory.path)
      for name in identity frame; do
        python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' \
          <$name.hex >$name
      done
      openssl pkey -inform DER -in identity -out identity.pem
      openssl req -x509 -new -key identity.pem -subj /CN=identity -days 1 -out identity.crt
      curl -sS -m 10 -o answer -w '%{http_code}' --cacert \(authority) --cert identity.crt \
        --key identity.pem -H 'content-type: application/octet-stream' --data-binary @frame \
        https://\(host).example.net:7373/v1/kms/\(setting("MINIO_KMS_ENCLAVE"))
      """)
  }
}
