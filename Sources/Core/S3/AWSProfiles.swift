// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Secrets

/// A profile of AWS's shared files, `~/.aws/credentials` and `~/.aws/config`: sections with names in
/// brackets, `key = value` lines, indented lines below a key as its nested values.
package struct AWSProfile: Sendable {
  /// The keys of the profile, in lower case; nested ones as `s3.addressing_style`.
  private var values: [String: Secret] = [:]
  /// Whether either file has the profile.
  package private(set) var isPresent = false

  /// - Parameters:
  ///   - credentials: the bytes of the credentials file, whose sections are plain names; it wins.
  ///   - config: the bytes of the config file, whose sections are `profile NAME`, or `default`.
  package init(_ name: String, credentials: [UInt8]?, config: [UInt8]?) {
    let ofConfig = name == "default" ? ["default", "profile default"] : ["profile \(name)"]
    if let config { read(config, sections: ofConfig) }
    if let credentials { read(credentials, sections: [name]) }
  }

  /// Nil if there are none in it.
  package var credentials: S3Credentials? {
    guard let access = values["aws_access_key_id"], let secret = values["aws_secret_access_key"]
    else { return nil }
    return S3Credentials(
      AccessCredentials(accessKey: access, secretKey: secret),
      sessionToken: values["aws_session_token"] ?? values["aws_security_token"])
  }

  package var region: String? { values["region"]?.reveal() }
  package var endpoint: String? {
    (values["s3.endpoint_url"] ?? values["endpoint_url"])?.reveal()
  }
  package var authorityFile: String? { values["ca_bundle"]?.reveal() }

  /// Nil where nothing is said, or `auto`.
  package var style: S3Endpoint.Style? {
    switch values["s3.addressing_style"]?.reveal() {
    case "path": .path
    case "virtual": .virtualHost
    default: nil
    }
  }

  /// A way to credentials that is not gone here, as the file names it; nil if there is none.
  package var unsupported: String? {
    [
      "role_arn", "credential_process", "sso_session", "sso_start_url", "web_identity_token_file",
    ].first { values[$0] != nil }
  }

  private mutating func read(_ bytes: [UInt8], sections: [String]) {
    var isWanted = false
    var parent: String?
    let text = String(decoding: bytes, as: UTF8.self)
    for line in text.split(whereSeparator: \.isNewline) {
      let content = String(line).trimmed
      if content.isEmpty || content.hasPrefix("#") || content.hasPrefix(";") { continue }
      if content.hasPrefix("["), let end = content.lastIndex(of: "]") {
        let words = content[content.index(after: content.startIndex)..<end]
          .split(whereSeparator: \.isWhitespace)
        isWanted = sections.contains(words.joined(separator: " "))
        if isWanted { isPresent = true }
        parent = nil
        continue
      }
      guard isWanted, let equals = content.firstIndex(of: "=") else { continue }
      let key = String(content[..<equals]).trimmed.lowercased()
      let value = String(content[content.index(after: equals)...]).trimmed
      if line.first == " " || line.first == "\t" {
        if let parent { values["\(parent).\(key)"] = Secret(value) }
      } else {
        parent = value.isEmpty ? key : nil
        if !value.isEmpty { values[key] = Secret(value) }
      }
    }
  }
}
