// SPDX-License-Identifier: Apache-2.0
internal import JSONCoding
internal import Model
internal import Secrets

/// A server and an access to it, as the S3 client mc knows them under an alias.
package struct ClientAlias: Sendable, Hashable {
  package var endpoint: S3Endpoint
  package var credentials: S3Credentials
}

/// Why an alias cannot be used; it holds no credentials.
package struct ClientAliasProblem: Error, Sendable, Hashable {
  /// What is wrong, a clause without its subject.
  package var reason: String
}

/// The aliases of mc: the file `config.json` in its folder, and variables MC_HOST_ALIAS, which come
/// first (github.com/minio/mc, cmd/config.go).
package enum ClientAliases {
  /// The variable's name before the alias.
  package static let variablePrefix = "MC_HOST_"

  /// What mc takes for an alias.
  package static func isAlias(_ text: String) -> Bool {
    text.utf8.first?.isLetter == true && text.utf8.count <= 64
      && text.utf8.allSatisfy { $0.isLetterOrDigit || "-_".utf8.contains($0) }
  }

  /// Reads the value of MC_HOST_ALIAS: `https://ACCESS:SECRET@HOST:PORT`, or
  /// `https://ACCESS:SECRET:TOKEN@HOST:PORT`. Nothing in it is percent-decoded; the host begins after
  /// the last `@`, so that a secret may have one, but no colon.
  package static func variable(_ value: String) throws(ClientAliasProblem) -> ClientAlias {
    let text = value.trimmed
    guard let scheme = ["http://", "https://"].first(where: text.hasPrefix) else {
      throw ClientAliasProblem(reason: "does not begin with http:// or https://")
    }
    guard let at = text.lastIndex(of: "@") else {
      throw ClientAliasProblem(
        reason: "has no access key and secret key: https://ACCESS:SECRET@HOST:PORT")
    }
    let user = text[..<at].dropFirst(scheme.count)
    let parts = user.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count >= 2, !parts[0].isEmpty, !parts[1].isEmpty else {
      throw ClientAliasProblem(
        reason: "has no access key and secret key: https://ACCESS:SECRET@HOST:PORT")
    }
    let keys = AccessCredentials(
      accessKey: Secret(String(parts[0])), secretKey: Secret(String(parts[1])))
    let token = parts.count == 3 && !parts[2].isEmpty ? Secret(String(parts[2])) : nil
    return ClientAlias(
      endpoint: try endpoint(scheme + text[text.index(after: at)...], style: nil),
      credentials: S3Credentials(keys, sessionToken: token))
  }

  /// Reads `config.json` of mc, version 10, and its versions before as far as they are alike; nil if
  /// the alias is not in it.
  package static func file(
    _ bytes: [UInt8], alias: String
  ) throws(ClientAliasProblem) -> ClientAlias? {
    let file: File
    do throws(JSONFailure) { file = try JSON.decode(File.self, from: bytes) } catch {
      throw ClientAliasProblem(reason: "is not mc's configuration: \(error)")
    }
    guard let entry = (file.aliases ?? file.hosts ?? [:])[alias] else { return nil }
    guard let access = entry.accessKey, let secret = entry.secretKey, !access.isEmpty,
      !secret.isEmpty
    else {
      throw ClientAliasProblem(
        reason: "has no access key and secret key for it: mc alias set writes them")
    }
    guard (entry.api ?? "").isEmpty || entry.api?.lowercased() == "s3v4" else {
      throw ClientAliasProblem(
        reason:
          "says api \"\(entry.api?.prefix(16) ?? "")\" for it: only S3v4 signatures are made here")
    }
    let style: S3Endpoint.Style? =
      switch (entry.path ?? "").lowercased() {
      case "on", "path": .path
      case "off", "dns": .virtualHost
      case "", "auto": nil
      default:
        throw ClientAliasProblem(
          reason:
            "says path \"\(entry.path?.prefix(16) ?? "")\" for it, which is none of auto, on, off, path, dns"
        )
      }
    let token = entry.sessionToken.flatMap { $0.isEmpty ? nil : Secret($0) }
    return ClientAlias(
      endpoint: try endpoint(entry.url, style: style),
      credentials: S3Credentials(
        AccessCredentials(accessKey: Secret(access), secretKey: Secret(secret)),
        sessionToken: token))
  }

  /// The aliases in the file, sorted; empty for a file that cannot be read.
  package static func names(_ bytes: [UInt8]) -> [String] {
    let file = try? JSON.decode(File.self, from: bytes)
    return (file?.aliases ?? file?.hosts ?? [:]).keys.sorted()
  }

  private static func endpoint(
    _ url: String, style: S3Endpoint.Style?
  ) throws(ClientAliasProblem) -> S3Endpoint {
    do throws(S3EndpointProblem) { return try S3Endpoint(url: url, style: style) } catch {
      throw ClientAliasProblem(reason: "has no URL of a server: \(error.reason)")
    }
  }

  private struct File: Decodable {
    var aliases: [String: Entry]?
    /// Before version 10.
    var hosts: [String: Entry]?
  }

  private struct Entry: Decodable {
    var url: String
    var accessKey: String?
    var secretKey: String?
    var sessionToken: String?
    var api: String?
    var path: String?
    /// The name of ``path`` before version 10.
    var lookup: String?

    init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      url = try fields.decode(String.self, forKey: .url)
      accessKey = try fields.decodeIfPresent(String.self, forKey: .accessKey)
      secretKey = try fields.decodeIfPresent(String.self, forKey: .secretKey)
      sessionToken = try fields.decodeIfPresent(String.self, forKey: .sessionToken)
      api = try fields.decodeIfPresent(String.self, forKey: .api)
      path =
        try fields.decodeIfPresent(String.self, forKey: .path)
        ?? fields.decodeIfPresent(String.self, forKey: .lookup)
    }

    private enum CodingKeys: String, CodingKey {
      case url, accessKey, secretKey, sessionToken, api, path, lookup
    }
  }
}
