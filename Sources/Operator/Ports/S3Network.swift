// SPDX-License-Identifier: Apache-2.0
package import Model
package import S3

package protocol S3Network: Sendable {
  /// A way to S3 servers whose certificates are verified. Refuses authorities that cannot be read.
  func open(_ authorities: S3Authorities) throws(Refusal) -> any S3Link
  /// This host's own server, as its root user. Refuses unless it runs and this user is root.
  func local(unit: String) throws(Refusal) -> LocalS3Server
}

/// What is trusted besides the system's roots.
package struct S3Authorities: Sendable, Hashable {
  /// Files of certificates, PEM, each of which must be readable.
  package var files: [String]
  /// A folder of such files, which need not be there.
  package var folder: String?

  package init(files: [String], folder: String?) {
    self.files = files
    self.folder = folder
  }
}

/// The server of this host.
package struct LocalS3Server {
  package var endpoint: S3Endpoint
  package var credentials: S3Credentials
  /// A way to it that trusts the very certificate in the server's folder.
  package var link: any S3Link

  package init(endpoint: S3Endpoint, credentials: S3Credentials, link: any S3Link) {
    self.endpoint = endpoint
    self.credentials = credentials
    self.link = link
  }
}
