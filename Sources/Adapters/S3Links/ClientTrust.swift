// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import Model
package import TLS

/// What an S3 client trusts besides the system's roots.
package enum ClientTrust {
  /// The certificates of these files, and of every file of the folder that has some, as the S3 client
  /// mc takes its folder. Blocks on the disk. Refuses a file without a certificate; a folder need not
  /// be there.
  package static func context(
    files: [String], folder: String?
  ) throws(ClientTrustProblem) -> ProbeTLSContext {
    var roots: [String] = []
    for path in files {
      let content: FileContent
      do throws(FileFailure) {
        content = try FileReading.read(path, limitBytes: Limits.certificateFileBytes)
      } catch { throw ClientTrustProblem(message: error.message) }
      let found = CertificateInfo.blocks(inPEM: content.bytes)
      if found.isEmpty { throw ClientTrustProblem(message: "\(path) has no certificate, PEM") }
      roots += found
    }
    for name in folder.flatMap({ FileReading.names(in: $0) }) ?? [] {
      let content = try? FileReading.readIfPresent(
        "\(folder ?? "")/\(name)", limitBytes: Limits.certificateFileBytes)
      if let content = content.flatMap(\.self) {
        roots += CertificateInfo.blocks(inPEM: content.bytes)
      }
    }
    do throws(CertificateFailure) { return try .verifying(extraRootsPEM: roots) } catch {
      throw ClientTrustProblem(message: error.description)
    }
  }
}

/// Why a server could not be verified with what was given; one sentence.
package struct ClientTrustProblem: Error, Sendable, Hashable {
  package var message: String
}
