internal import Glibc
internal import LinuxIO
internal import Model
internal import TLS

/// What the server trusts besides the system's roots: every certificate in a folder (facts, section
/// A.4).
enum TrustedRoots {
  /// Blocks on the disk. The PEM texts of the folder's files, by name; what cannot be read or is no
  /// certificate is passed over without a word, and so is a missing folder, as the server does.
  static func read(_ folder: String?) -> [String] {
    guard let folder else { return [] }
    return names(in: folder).sorted().prefix(1_024).compactMap { name in
      guard
        let file = try? FileReading.read(
          "\(folder)/\(name)", limitBytes: Limits.environmentFileBytes)
      else { return nil }
      let pem = String(decoding: file.bytes, as: UTF8.self)
      return (try? CertificateInfo(pem: pem)) == nil ? nil : pem
    }
  }

  private static func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }
}
