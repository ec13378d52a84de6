// SPDX-License-Identifier: Apache-2.0
package import Model

/// One Key Manager endpoint of MINIO_KMS_SERVER, as the server will dial it.
package struct Endpoint: Sendable, Hashable {
  /// The name or address; an IPv6 address without its brackets.
  package let host: String
  /// The port, nil if none is given: the server then dials 443 (docs/facts.md,
  /// "The documented procedure").
  package let port: UInt16?

  package init(host: String, port: UInt16?) {
    self.host = host
    self.port = port
  }

  /// The port that the server dials where none is given; not the Key Manager's own.
  package static let defaultPort: UInt16 = 443

  package var target: HostPort { HostPort(host: host, port: port ?? Self.defaultPort) }

  /// `https://host:port`, the port only if one is given.
  package var text: String {
    let host = host.contains(":") ? "[\(host)]" : host
    return "https://\(host)" + (port.map { ":\($0)" } ?? "")
  }

  /// The endpoints of a value of MINIO_KMS_SERVER, in the server's order: separated by commas,
  /// `{1...3}` expanded. The refusal names the first one that is wrong.
  package static func expand(_ server: String) throws(Refusal) -> [Endpoint] {
    let list = EndpointList(server)
    if let problem = list.problems.first(where: { $0.severity == .error }) {
      throw Refusal(.validation, "MINIO_KMS_SERVER: \(problem.message). \(problem.remedy).")
    }
    return list.endpoints
  }
}
