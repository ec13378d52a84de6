// SPDX-License-Identifier: Apache-2.0
package import Secrets

/// What a server's own client of the Key Manager finds on its host, so that a probe can go about it
/// as that does (docs/facts.md, "Identity and TLS").
package struct ServerSurroundings: Sendable {
  /// The folder of the server's trusted certificates; nil if it is not known.
  package var certificateAuthorities: String?
  /// What keeps the server from reading a file or folder, for people; nil if nothing does.
  package var obstacle: @Sendable (_ path: String) -> String?
  /// The environment that it is started with: HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR.
  package var environment: [EnvironmentVariable]

  package init(
    certificateAuthorities: String?, environment: [EnvironmentVariable] = [],
    obstacle: @escaping @Sendable (_ path: String) -> String? = { _ in nil }
  ) {
    self.certificateAuthorities = certificateAuthorities
    self.environment = environment
    self.obstacle = obstacle
  }

  /// The last value of a variable; nil if there is none, or if it is empty.
  package func value(_ name: String) -> String? {
    environment.last { $0.name == name }.flatMap { $0.value.isEmpty ? nil : $0.value }
  }
}
