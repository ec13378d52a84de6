// SPDX-License-Identifier: Apache-2.0
@testable import Secrets
import Testing

@Suite struct SecretTests {
  @Test("a secret shows itself in no way but reveal()")
  func neverShown() {
    let secret = Secret("hunter2")
    let change = SettingChange(name: "MINIO_KMS_API_KEY", value: secret)
    var dumped = ""
    dump(secret, to: &dumped)
    dump(change, to: &dumped)
    dump([secret], to: &dumped)
    let shown = [
      "\(secret)", secret.description, secret.debugDescription, String(describing: secret),
      String(reflecting: secret), "\([secret])", "\(Optional(secret) as Any)", "\(change)",
      String(reflecting: change), dumped,
    ]
    for text in shown { #expect(!text.contains("hunter2")) }
    #expect("\(secret)" == "<redacted>")
    #expect(Mirror(reflecting: secret).children.isEmpty)
    #expect(secret.reveal() == "hunter2")
  }

  @Test("memory that held a secret is overwritten, and a secret is compared by its bytes")
  func wiped() {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 7, alignment: 1)
    defer { memory.deallocate() }
    memory.copyBytes(from: "hunter2".utf8)
    #expect(Secret(UnsafeRawBufferPointer(memory)) == Secret("hunter2"))
    Secret.wipe(memory)
    #expect(memory.allSatisfy { $0 == 0 })
    #expect(Secret("").count == 0 && Secret("") == Secret("") && Secret("").reveal() == "")
    #expect(Secret("\u{E9}") != Secret("e\u{301}"))
    #expect(Set([Secret("a"), Secret("a"), Secret("b")]).count == 2)
  }

  @Test(
    "variables that hold a secret are known by their names",
    arguments: [
      ("MINIO_KMS_API_KEY", true), ("MINIO_KMS_KES_API_KEY", true), ("MINIO_ROOT_PASSWORD", true),
      ("MINIO_SECRET_KEY", true), ("MINIO_ACCESS_KEY", true), ("MINIO_KMS_SECRET_KEY", true),
      ("MINIO_LICENSE", true), ("MINIO_CERT_PASSWD", true), ("MINIO_PROMETHEUS_AUTH_TOKEN", true),
      ("MINIO_IDENTITY_OPENID_CLIENT_SECRET", true), ("MINIO_KMS_KES_KEY_PASSWORD", true),
      ("minio_kms_api_key", true), ("MINIO_KMS_APIKEY", true), ("MINIO_ROOT_PASSWRD", true),
      ("MINIO_SECRET_KEY_OLD", true), ("MINIO_KMS_MASTER_KEY", true),
      ("MINIO_SUBNET_LICENSE", true), ("MINIO_SUBNET_API_KEY", true),
      ("MINIO_SUBNET_PROXY", true),
      ("MINIO_NOTIFY_POSTGRES_CONNECTION_STRING", true),
      ("MINIO_NOTIFY_POSTGRES_CONNECTION_STRING_primary", true),
      ("MINIO_NOTIFY_MYSQL_DSN_STRING", true), ("MINIO_NOTIFY_MYSQL_DSN_STRING_FILE", true),
      ("MINIO_NOTIFY_AMQP_URL_1", true), ("MINIO_NOTIFY_ELASTICSEARCH_URL_a", true),
      ("MINIO_NOTIFY_NATS_PASSWORD", true), ("MINIO_NOTIFY_NATS_TOKEN_x", true),
      ("MINIO_NOTIFY_NATS_USER_CREDENTIALS", true), ("MINIO_NOTIFY_NATS_NKEY_SEED", true),
      ("MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_FILE", true), ("MINIO_NOTIFY_KAFKA_SASL_PASSWORD", true),
      ("MINIO_NOTIFY_REDIS_PASSWORD_1", true), ("MINIO_NOTIFY_MQTT_PASSWORD", true),
      ("MINIO_IDENTITY_LDAP_LOOKUP_BIND_PASSWORD", true),
      ("MINIO_IDENTITY_PLUGIN_AUTH_TOKEN", true), ("MINIO_LOGGER_WEBHOOK_AUTH_TOKEN_1", true),
      ("MINIO_LOG_QUERY_AUTH_TOKEN", true),
      ("MINIO_ROOT_PASSWORD_FILE", false), ("MINIO_KMS_SECRET_KEY_FILE", false),
      ("MINIO_NOTIFY_NATS_ADDRESS", false), ("MINIO_NOTIFY_WEBHOOK_ENDPOINT", false),
      ("MINIO_NOTIFY_KAFKA_CLIENT_TLS_KEY", false), ("MINIO_DSYNC_TRACE", false),
      ("MINIO_KMS_SSE_KEY", false), ("MINIO_KMS_SERVER", false), ("MINIO_KMS_ENCLAVE", false),
      ("MINIO_KMS_KES_KEY_NAME", false), ("MINIO_KMS_KES_KEY_FILE", false),
      ("MINIO_VOLUMES", false),
      ("MINIO_OPTS", false), ("MINIO_SERVER_URL", false),
    ])
  func variables(name: String, isSecret: Bool) {
    #expect(SecretVariables.contains(name) == isSecret)
  }
}
