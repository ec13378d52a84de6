// SPDX-License-Identifier: Apache-2.0
import EnvironmentFile
import Secrets
import Testing

@Suite struct DiffTests {
  private func diff(_ old: String, _ new: String) -> [String] {
    EnvironmentDiff.lines(from: document(old), to: document(new)) { name, value in
      SecretVariables.contains(name) ? "<redacted>" : value
    }
  }

  @Test("one line for each side of each variable that differs, the value as described")
  func lines() {
    #expect(
      diff("A=1\nB=2\nMINIO_KMS_API_KEY=x\n", "B=2\nMINIO_KMS_API_KEY=y\nC=3\n")
        == [
          "-A=1", "-MINIO_KMS_API_KEY=<redacted>", "+MINIO_KMS_API_KEY=<redacted>", "+C=3",
        ])
  }

  @Test("comments, order and form do not matter")
  func same() {
    #expect(diff("# x\nA=1\nB='2'\n", "B=\"2\"\nA=1") == [])
  }

  @Test("where the readers do not agree each has its lines")
  func readers() {
    #expect(
      diff("export A=1\nB=2\n", "A=2\nB=2\n") == ["+A=2 (systemd)", "-A=1 (MinIO)", "+A=2 (MinIO)"])
  }

  @Test("control characters cannot reach the terminal")
  func controls() {
    #expect(diff("", "A=\"\u{1B}[2J\u{202E}\"\n") == ["+A=\\u{1B}[2J\\u{202E}"])
  }
}
