// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import KeyManager
internal import Model
internal import TLS

/// What the server's client of the Key Manager trusts: the system's roots and every certificate in
/// the folder of its authorities, as far as the server's user can read them (docs/facts.md,
/// "Identity and TLS").
///
/// The server silently ignores what it cannot read. It is ignored here too, but reported: it is the
/// likely reason for a chain that ends in an unknown authority.
struct TrustedRoots: Sendable {
  /// PEM, one certificate each.
  private(set) var certificates: [String] = []
  /// Whether the system's own roots count: SSL_CERT_FILE and SSL_CERT_DIR together replace them.
  private(set) var includesSystem = true
  /// What holds certificates but is ignored by the server, and why, each a clause.
  private(set) var unreadable: [String] = []
  /// What else may explain an unknown authority.
  private(set) var absent: [String] = []

  private static let filesLimit = 1_024

  /// Blocks on the disk.
  init(_ surroundings: ServerSurroundings) {
    if let folder = surroundings.certificateAuthorities {
      if let obstacle = surroundings.obstacle(folder) {
        unreadable.append("the server cannot read \(folder): \(obstacle)")
      } else if let names = FileReading.names(in: folder) {
        readAll(names.map { "\(folder)/\($0)" }, surroundings)
        if names.isEmpty { absent.append("\(folder) is empty") }
      } else {
        absent.append("there is no folder \(folder)")
      }
    }
    // Go's roots (crypto/x509, root_unix.go): a file and folders, each replaced by its variable.
    let file = surroundings.value("SSL_CERT_FILE")
    let folders = surroundings.value("SSL_CERT_DIR")
    if let file { readAll([file], surroundings) }
    for folder in folders?.split(separator: ":") ?? [] {
      readAll((FileReading.names(in: String(folder)) ?? []).map { "\(folder)/\($0)" }, surroundings)
    }
    includesSystem = file == nil || folders == nil
  }

  private mutating func readAll(_ paths: [String], _ surroundings: ServerSurroundings) {
    for path in paths.prefix(Self.filesLimit) {
      let found: [String]
      do throws(FileFailure) {
        let file = try FileReading.read(path, limitBytes: Limits.certificateFileBytes)
        found = CertificateInfo.blocks(inPEM: file.bytes)
      } catch {
        if error.kind != .notRegular { unreadable.append(error.message) }
        continue
      }
      if found.isEmpty { continue }
      if let obstacle = surroundings.obstacle(path) {
        unreadable.append("the server cannot read \(path): \(obstacle)")
      } else {
        certificates += found
      }
    }
    if paths.count > Self.filesLimit {
      unreadable.append("only \(Self.filesLimit) of \(paths.count) files were read")
    }
  }
}
