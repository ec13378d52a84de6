// SPDX-License-Identifier: Apache-2.0
import Model
@testable import ServerUnit
@testable import StartWatch
import Testing

/// Lines of the open-source server, RELEASE.2025-10-15T17-29-55Z, word for word.
@Suite struct RealWordingTests {
  private static func take(_ message: String) -> ClassifiedLine {
    var classifier = LineClassifier()
    return classifier.take(
      JournalEntry(
        cursor: "", realtimeMicroseconds: 0, monotonicMicroseconds: 0, bootID: "",
        invocationID: "new", pid: 200, priority: 6, identifier: "minio", message: message))
  }

  private static let refusedKey = "failed to generate data key with KMS key: "

  /// What ends a start: the row, the introduction in text, the error.
  private static let fatal: [(row: String, introduction: String, error: String)] = [
    (
      "kms-configuration", "Invalid KMS configuration specified: ",
      "kms: incomplete configuration for MinIO KMS: missing 'MINIO_KMS_API_KEY'"
    ),
    (
      "kms-configuration", "Invalid KMS configuration specified: ",
      "kms: configuration for MinIO KMS and static KMS key is present"
    ),
    ("kms-api-key", "Failed to connect to KMS: ", "mtls: invalid EdDSA private key length 3"),
    (
      "kms-unknown-authority", "Failed to connect to KMS: ",
      refusedKey + "\"kms-1:7373\": Post \"https://kms-1:7373/v1/kms/e\": tls: failed to verify "
        + "certificate: x509: certificate signed by unknown authority"
    ),
    (
      "kms-no-such-host", "Failed to connect to KMS: ",
      refusedKey + "\"kms-9:7373\": Post \"https://kms-9:7373/v1/kms/e\": dial tcp: lookup kms-9: "
        + "no such host"
    ),
    (
      "kms-refused", "Failed to connect to KMS: ",
      refusedKey + "\"kms-1:7399\": Post \"https://kms-1:7399/v1/kms/e\": dial tcp "
        + "10.77.1.11:7399: connect: connection refused"
    ),
    (
      "kms-enclave", "Failed to connect to KMS: ",
      refusedKey + "\"kms-1:7373\": enclave does not exist"
    ),
    ("kms-connect", "Failed to connect to KMS: ", "kms: no KMS server endpoint provided"),
    (
      "kms-auto-encryption", "MINIO_KMS_AUTO_ENCRYPTION requires a valid KMS configuration: ",
      "no KMS configured"
    ),
    (
      "credentials", "Unable to validate credentials inherited from the shell environment: ",
      "Invalid credentials: secret key length should be between 8 and 40"
    ),
    (
      "port-in-use", "Unable to start the server: ",
      "Specified port is already in use: listen tcp :9000: bind: address already in use"
    ),
  ]

  @Test("what ends a start is known in text, and with --json without its introduction")
  func fatalLines() {
    for (row, introduction, error) in Self.fatal {
      let text = Self.take("FATAL \(introduction)\(error)")
      let quoted = error.split(separator: "\"", omittingEmptySubsequences: false)
        .joined(separator: "\\\"")
      let json = Self.take(
        "{\"level\":\"FATAL\",\"time\":\"2026-11-28T23:49:46Z\",\"message\":\"\(quoted)\","
          + "\"error\":{\"message\":\"\(quoted)\",\"source\":[\"cmd/server-main.go:566:x()\"]}}")
      for line in [text, json] {
        #expect(line.kind == .fatal(.fatalLine), "\(line.text)")
        #expect(line.pattern?.id == row, "\(line.text)")
        #expect(line.pattern?.passedKeyManager == ["port-in-use", "credentials"].contains(row))
      }
    }
  }

  @Test("a message of several lines is one line for people, in text and with --json")
  func severalLines() {
    let line = Self.take(
      #"{"level":"FATAL","message":"Specified port is already in use\r\n      > Please end it\n\n  HINT:"}"#
    )
    #expect(line.text == "Specified port is already in use > Please end it HINT:")
    #expect(line.pattern?.id == "port-in-use")
  }

  /// What a start logs that means nothing for it, by how it begins.
  private static let passedOver = [
    "Starting minio.service", "Started minio.service", "Stopped minio.service",
    "Failed to start minio.service", "minio.service: Deactivated successfully",
    "minio.service: Failed with result", "minio.service: Control process exited",
    "Configured max API requests per node", "(Pool: 0 Set: 0 Healthy: false)",
    "Exiting on signal: TERMINATED", "Restarting on service signal", "-----",
    "Copyright: ", "License: ", "Version: ", "WebUI: ", "Docs: ",
  ]

  @Test(
    "each recorded line has a row, goes on with the line before it, or is passed over by name",
    arguments: Transcript.all.filter { $0.name.hasPrefix("real-") })
  func recorded(_ transcript: Transcript) {
    var classifier = LineClassifier()
    var count = 0
    for case (_, .entry(let entry)) in transcript.events {
      let line = classifier.take(entry)
      count += 1
      if line.pattern != nil || line.kind == .continuation { continue }
      #expect(
        line.kind == .ordinary && Self.passedOver.contains(where: line.statement.hasPrefix),
        "\(entry.message)")
    }
    #expect(count > 5)
  }

  @Test("the corpus has recordings of text and of JSON")
  func recordings() {
    let names = Transcript.all.map(\.name)
    #expect(names.count { $0.hasPrefix("real-text-") } >= 9)
    #expect(names.count { $0.hasPrefix("real-json-") } >= 3)
  }

  @Test("a line with an api and no message is not fatal, whatever it calls itself")
  func notFatal() {
    for level in ["FATAL", "ERROR"] {
      let line = Self.take(
        "{\"deploymentid\":\"34e9\",\"level\":\"\(level)\",\"time\":\"2026-11-28T23:43:37Z\","
          + "\"api\":{\"name\":\"SYSTEM.storage\",\"args\":{}},\"error\":{\"message\":\"something "
          + "new (*errors.errorString)\",\"source\":[\"internal/logger/logger.go:271:x()\"]}}")
      #expect(line.kind == .error)
      #expect(line.level == .error)
      #expect(line.text == "something new (*errors.errorString)")
      #expect(line.subsystem == "SYSTEM.storage")
    }
    #expect(
      Self.take("{\"level\":\"FATAL\",\"api\":{\"name\":\"SYSTEM\"},\"message\":\"x\"}").kind
        == .fatal(.fatalLine))
    #expect(
      Self.take("{\"level\":\"FATAL\",\"error\":{\"message\":\"x\"}}").kind == .fatal(.fatalLine))
  }

  @Test("what a healthy start logs on its way is known, and nothing of it is fatal")
  func knownErrors() {
    let lines = [
      "write-quorum":
        "Write quorum could not be established on pool: 0, set: 0, expected write quorum: 3, "
        + "drives-online: 2 (*errors.errorString)",
      "grid-reconnecting":
        "grid: http://minio-1:9000 re-connecting to http://minio-2:9000: handshake error: bad HTTP "
        + "protocol version (*ws.ConnectionRejectedError) Sleeping 1.077s (3) (*fmt.wrapError)",
      "drive-offline":
        "Drive http://minio-3:9000/var/lib/minio returned an unexpected error: Drive "
        + "/var/lib/minio: invalid character 'g' looking for beginning of value, please "
        + "investigate - drive will be offline (*fmt.wrapError)",
      "drive-corrupt":
        "Drive /var/lib/minio: invalid character 'g' looking for beginning of value (*fmt.wrapError)",
      "drive-not-found":
        "Drive: http://minio-3:9000/var/lib/minio returned drive not found (*fmt.wrapError)",
      "backend-retry":
        "Unable to initialize backend: Storage resources are insufficient for the write operation "
        + ".minio.sys/pool.bin, retrying in 2.134939203s (*fmt.wrapError)",
      "pool-save":
        "saving pool.bin for pool index 0 failed with: Storage resources are insufficient for the "
        + "write operation .minio.sys/pool.bin (*errors.errorString)",
      "kms-ciphertext":
        "failed to decrypt ciphertext with KMS key: \"kms-1:7373\": invalid ciphertext (kms.Error)",
    ]
    for (row, text) in lines {
      #expect(Self.take("Error: \(text)").pattern?.id == row)
      let lost = row.hasPrefix("drive-") && row != "drive-not-found"
      #expect(Self.take("Error: \(text)").kind == (lost ? .driveLost : .warning))
    }
  }
}
