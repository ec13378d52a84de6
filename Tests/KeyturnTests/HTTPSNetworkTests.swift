// SPDX-License-Identifier: Apache-2.0
import AgentLinks
import Files
import Model
import Operator
import Secrets
import TLS
import Testing

@testable import keyturn

@Suite("a command's connections")
struct HTTPSNetworkTests {
  private static let inventory = Inventory(
    cluster: "prod", nodes: [.init(name: "minio-1", address: "minio-1")])

  private static func files(
    _ ca: CertificateAuthority, _ role: Role, state: String
  ) throws -> CredentialFiles {
    let pair = try ca.issue(role: role, name: "minio-1", addresses: ["h"], days: 1)
    return CredentialFiles(
      authority: Array(ca.credentials.certificatePEM.utf8),
      certificate: Array(pair.certificatePEM.utf8), key: pair.keyPEM.withBytes(Array.init),
      state: state)
  }

  /// When the certificate of the connections ends, and what is told.
  private static func opened(_ files: CredentialFiles) throws -> (until: Int64, warnings: [String])
  {
    let connections = try HTTPSNetwork().open(inventory, files, revoked: nil)
    return (connections.certificate.validUntil, connections.warnings)
  }

  @Test(
    "beside an agent what that was renewed by is used, but no record that others than root and its user can write"
  )
  func records() throws {
    let place = try Place()
    let ca = try CertificateAuthority.create(cluster: "prod")
    let renewed = try ca.issue(role: .node, name: "minio-1", addresses: ["h"], days: 30)
    let until = try CertificateInfo(pem: renewed.certificatePEM).notAfter
    let files = try Self.files(ca, .node, state: place.path)
    let own = try Self.opened(files)
    #expect(own.until < until && own.warnings.isEmpty)
    let path = KeptCredentials.Record.certificate.path(in: place.path)
    try DurableRecord.write(
      path, Array(renewed.certificatePEM.utf8) + renewed.keyPEM.withBytes(Array.init))
    // Both may begin in one second: a renewed one counts then.
    #expect(try Self.opened(files) == (until, []))
    // A person's credentials are nobody else's.
    let person = try Self.opened(try Self.files(ca, .operator, state: place.path))
    #expect(person.until < until && person.warnings.isEmpty)
    try place.change("certificate", mode: 0o666)
    let open = try Self.opened(files)
    #expect(open.until == own.until)
    #expect(open.warnings.count == 1 && open.warnings[0].contains("everybody can write"))
    try place.change("certificate", mode: 0o600)
    try place.change("", mode: 0o777)
    #expect(try Self.opened(files).until == own.until)
  }
}
