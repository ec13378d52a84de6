// SPDX-License-Identifier: Apache-2.0
import EnvironmentFile
import Files
import Glibc
import HTTP
import Linux
import Model
import Operator
import S3
import S3Links
import Secrets
import ServerUnit
import TLS

/// S3 servers over HTTP, and the server of this host.
struct S3Servers: S3Network {
  func open(_ authorities: S3Authorities) throws(Refusal) -> any S3Link {
    do throws(ClientTrustProblem) {
      return HTTPS3Link(
        try ClientTrust.context(files: authorities.files, folder: authorities.folder),
        environment: Self.proxies, trustAdvice: Self.trustAdvice(authorities))
    } catch { throw Refusal(.configuration, error.message) }
  }

  func local(unit: String) throws(Refusal) -> LocalS3Server {
    guard geteuid() == 0 else {
      throw Refusal(
        .notPermitted,
        "only root can read the environment of the server: run it with sudo, or give --alias or --endpoint"
      )
    }
    do {
      guard let pid = try UnitProcess.main(of: unit) else {
        throw Refusal(
          .unreachable,
          "there is no running process of \(unit) on this host; systemctl status \(unit) says why, --unit names another"
        )
      }
      return try server(pid, unit)
    } catch let refusal as Refusal { throw refusal } catch {
      throw Refusal(.unreachable, "look at the server of \(unit): \(error)")
    }
  }

  /// Its address, root user and certificate, as the process sees its files.
  private func server(_ pid: Int32, _ unit: String) throws -> LocalS3Server {
    let tree = FileTree.of(pid: pid)
    func read(_ path: String) throws(Refusal) -> [UInt8]? {
      do throws(FileFailure) {
        return try FileReading.readIfPresent(
          path, limitBytes: Limits.environmentFileBytes, in: tree)?.bytes
      } catch { throw Refusal(.failed, error.message) }
    }
    let environment = try ProcessEnvironment.read(pid: pid)
    func value(_ name: String) -> String? { environment.last { $0.name == name }?.value }
    var variables = try RootCredentials.withFiles(environment, read: read)
    if let path = value("MINIO_CONFIG_ENV_FILE"), path.hasPrefix("/"), let bytes = try read(path) {
      variables += EnvironmentDocument(bytes).minio.variables.map {
        EnvironmentVariable(name: $0.name, value: $0.value)
      }
    }
    let words = try UnitProcess.arguments(of: pid)
    let arguments = ServerArguments(
      arguments: Array(words.dropFirst()),
      environment: Dictionary(environment.map { ($0.name, $0.value) }) { $1 })
    guard let place = arguments.healthAddress else {
      throw Refusal(
        .failed, "the --address of the server of \(unit) is not a host and a port; give --endpoint")
    }
    let leaf = try arguments.certificatesDirectory(home: value("HOME")).flatMap { directory in
      // It speaks https only where both files are there.
      try read("\(directory)/private.key") == nil ? nil : try read("\(directory)/public.crt")
    }
    let context: ProbeTLSContext =
      if let leaf {
        try .pinned(leafPEM: String(decoding: leaf, as: UTF8.self))
      } else {
        try .verifying()
      }
    return LocalS3Server(
      endpoint: S3Endpoint(isSecure: leaf != nil, place: place),
      credentials: S3Credentials(RootCredentials.of(variables)),
      // Of this host: never through a proxy.
      link: HTTPS3Link(context, environment: []))
  }

  private static func trustAdvice(_ authorities: S3Authorities) -> String {
    let place = authorities.folder.map { "put it into \($0)" } ?? "in $AWS_CA_BUNDLE"
    return "name the server's authority with --ca FILE, or \(place)"
  }

  private static var proxies: [EnvironmentVariable] {
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"].compactMap {
      name in getenv(name).map { EnvironmentVariable(name: name, value: String(cString: $0)) }
    }
  }
}
