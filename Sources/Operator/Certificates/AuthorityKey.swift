// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Secrets

extension CommandContext {
  /// The authority in a directory, ready to sign; its passphrase is asked for if it has one.
  func authority(_ directory: String, passphraseFile: String?) throws(Refusal)
    -> any CertificateIssuer
  {
    let secret = try passphrase(ofAuthority: directory, in: passphraseFile)
    return try workshop.authority(in: directory, passphrase: secret)
  }

  /// Of the authority's key; nil if it has none.
  func passphrase(ofAuthority directory: String, in file: String?) throws(Refusal) -> Secret? {
    if try workshop.needsPassphrase(authority: directory) {
      return try passphrase(of: "\(directory)/ca-key.pem", in: file)
    }
    if file != nil {
      console.message(.note, "\(directory)/ca-key.pem has no passphrase: none is read")
    }
    return nil
  }

  /// The same, of the cluster that the inventory describes.
  func authority(
    _ directory: String, passphraseFile: String?, of inventory: Inventory
  ) throws(Refusal) -> any CertificateIssuer {
    let issuer = try authority(directory, passphraseFile: passphraseFile)
    if issuer.cluster == inventory.cluster { return issuer }
    throw Refusal(
      .configuration,
      "the authority in \(directory) is of the cluster \"\(issuer.cluster)\", the inventory describes \"\(inventory.cluster)\"; name the right directory with --pki; nothing was done"
    )
  }

  /// From a file or the terminal; never from an argument, which every process of the host can read.
  func passphrase(of what: String, in path: String?) throws(Refusal) -> Secret {
    guard let path else {
      guard let typed = host.askSecret("passphrase of the authority's key: ") else {
        throw Refusal(
          .failed,
          "\(what) needs a passphrase and there is no terminal to ask on: give --passphrase-file FILE"
        )
      }
      return try Self.verified(typed)
    }
    let content = try read(path)
    if (content.mode ?? 0) & 0o077 != 0 {
      throw Refusal(
        .failed, "\(path) can be read by others than its owner: chmod 600 it, as it is a passphrase"
      )
    }
    var bytes = content.bytes[...]
    if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
    if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
    if bytes.contains(where: { $0 == UInt8(ascii: "\n") || $0 == 0 }) {
      throw Refusal(.failed, "\(path) is not one line: write the passphrase alone into it")
    }
    return try Self.verified(bytes.withUnsafeBytes(Secret.init))
  }

  private static func verified(_ passphrase: Secret) throws(Refusal) -> Secret {
    if Limits.passphraseBytes.contains(passphrase.count) { return passphrase }
    throw Refusal(
      .failed,
      "the passphrase has \(passphrase.count) bytes, \(Limits.passphraseBytes.lowerBound) to \(Limits.passphraseBytes.upperBound) are allowed"
    )
  }
}
