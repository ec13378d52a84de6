// SPDX-License-Identifier: Apache-2.0
@testable import Agent
import KeyManager
import Secrets
import Testing
import Threads

@Suite struct RootCredentialsTests {
  private func credentials(
    _ environment: String, files: [String: String] = [:]
  ) throws -> String {
    let host = FakeNodeHost(file: "")
    host.state.update { state in
      for (path, text) in files { state[path] = text }
    }
    let found = try ServerEnvironment.rootCredentials(
      FakeNodeHost.variables(environment), FakeNodeHost.File(host: host))
    return "\(found.accessKey.reveal())/\(found.secretKey.reveal())"
  }

  @Test("the root user is the process's MINIO_ROOT_USER, or by the old names, or the default")
  func names() throws {
    #expect(
      try credentials(
        "MINIO_ROOT_USER=alice\nMINIO_ROOT_PASSWORD=secret-1\nMINIO_ACCESS_KEY=x\nMINIO_SECRET_KEY=y"
      )
        == "alice/secret-1")
    #expect(
      try credentials("MINIO_ACCESS_KEY=old\nMINIO_SECRET_KEY=secret-2") == "old/secret-2")
    #expect(
      try credentials(
        "MINIO_ROOT_USER=half\nMINIO_ACCESS_KEY=old\nMINIO_SECRET_KEY=secret-2") == "old/secret-2")
    #expect(try credentials("") == "minioadmin/minioadmin")
    #expect(
      try credentials("MINIO_ROOT_USER=\nMINIO_ROOT_PASSWORD=") == "minioadmin/minioadmin")
  }

  @Test("files of _FILE override the process, and MINIO_CONFIG_ENV_FILE overrides both")
  func files() throws {
    let environment = """
      MINIO_ROOT_USER=alice
      MINIO_ROOT_PASSWORD=secret-1
      MINIO_ROOT_PASSWORD_FILE=password
      MINIO_ROOT_USER_FILE=/etc/user
      """
    let files = ["/run/secrets/password": " secret-3\n", "/etc/user": "bob\n"]
    #expect(try credentials(environment, files: files) == "bob/secret-3")
    #expect(try credentials(environment) == "alice/secret-1")
    #expect(
      try credentials(
        environment + "\nMINIO_CONFIG_ENV_FILE=/etc/config.env",
        files: files.merging(
          ["/etc/config.env": "MINIO_ROOT_USER=carol\nMINIO_ROOT_PASSWORD=secret-4"]) { $1 })
        == "carol/secret-4")
  }
}
