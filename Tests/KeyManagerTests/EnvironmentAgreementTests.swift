// SPDX-License-Identifier: Apache-2.0
import Crypto
import KeyManager
import Secrets
import Testing

@Suite struct EnvironmentAgreementTests {
  private let base = [
    EnvironmentVariable(name: "MINIO_VOLUMES", value: "https://n{1...4}/d", line: 2),
    EnvironmentVariable(name: "MINIO_KMS_ENCLAVE", value: "aistor", line: 9),
  ]

  @Test("order, lines, blanks and other programs' variables do not count")
  func same() {
    let other = [
      EnvironmentVariable(name: "PATH", value: "/bin"),
      EnvironmentVariable(name: "MINIO_KMS_ENCLAVE", value: " aistor "),
      EnvironmentVariable(name: "MINIO_VOLUMES", value: "old"),
      EnvironmentVariable(name: "MINIO_VOLUMES", value: "https://n{1...4}/d"),
    ]
    #expect(EnvironmentAgreement.digest(of: base) == EnvironmentAgreement.digest(of: other))
    #expect(
      EnvironmentAgreement.map(of: other).map(\.name) == ["MINIO_KMS_ENCLAVE", "MINIO_VOLUMES"])
  }

  @Test("the variables that the server skips do not count", arguments: EnvironmentAgreement.skipped)
  func skipped(name: String) {
    let more = base + [EnvironmentVariable(name: name, value: "x")]
    #expect(EnvironmentAgreement.digest(of: base) == EnvironmentAgreement.digest(of: more))
  }

  @Test("there are exactly the eleven skipped variables of the server")
  func skippedCount() {
    #expect(EnvironmentAgreement.skipped.count == 11)
  }

  @Test(
    "any other MINIO_ variable counts, name and value",
    arguments: [
      ("MINIO_KMS_SERVER", "x"), ("MINIO_CONFIG_ENV_FILE", ""), ("MINIO_KMS_ENCLAVE", "other"),
      ("MINIO_", ""),
    ])
  func counts(name: String, value: String) {
    let changed = base + [EnvironmentVariable(name: name, value: value)]
    #expect(EnvironmentAgreement.digest(of: base) != EnvironmentAgreement.digest(of: changed))
  }

  @Test("the order within MINIO_KMS_SERVER counts, as it does for the server")
  func serverOrder() {
    func digest(_ value: String) -> Digest {
      EnvironmentAgreement.digest(of: [EnvironmentVariable(name: "MINIO_KMS_SERVER", value: value)])
    }
    #expect(digest("https://a,https://b") != digest("https://b,https://a"))
    #expect(digest("https://a,https://b") != digest("https://a, https://b"))
  }

  @Test("two variables with one value have different digests")
  func sameValue() {
    let map = EnvironmentAgreement.map(of: [
      EnvironmentVariable(name: "MINIO_A", value: "x"),
      EnvironmentVariable(name: "MINIO_B", value: "x"),
    ])
    #expect(map[0].digest != map[1].digest)
  }
}
