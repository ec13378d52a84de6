// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Secrets

/// A profile of AWS's shared files, `~/.aws/credentials` and `~/.aws/config`: sections with names in
/// brackets, lines `key = value` or `key: value`, and nested values below an empty one, indented more
/// than it. Read as Python's configparser does, which botocore has for it.
package struct AWSProfile: Sendable {
  /// The keys of the profile, in lower case; nested ones as `s3.addressing_style`.
  private var values: [String: Secret] = [:]
  /// Those of the one file that the access key is in: a key is not put together from both.
  private var ofKeys: [String: Secret] = [:]
  /// Whether either file has the profile.
  package private(set) var isPresent = false

  /// - Parameters:
  ///   - credentials: the bytes of the credentials file, whose sections are plain names; it wins.
  ///   - config: the bytes of the config file, whose sections are `profile NAME`, or `default`.
  package init(_ name: String, credentials: [UInt8]?, config: [UInt8]?) {
    let ofConfig = name == "default" ? ["default", "profile default"] : ["profile \(name)"]
    let first = credentials.flatMap { Self.read($0, sections: [name]) }
    let second = config.flatMap { Self.read($0, sections: ofConfig) }
    isPresent = first != nil || second != nil
    values = (second ?? [:]).merging(first ?? [:]) { _, wins in wins }
    ofKeys = (first?["aws_access_key_id"] == nil ? second : first) ?? [:]
  }

  /// Nil if there are none in it.
  package var credentials: S3Credentials? {
    guard let access = ofKeys["aws_access_key_id"], let secret = ofKeys["aws_secret_access_key"]
    else { return nil }
    return S3Credentials(
      AccessCredentials(accessKey: access, secretKey: secret),
      sessionToken: ofKeys["aws_session_token"] ?? ofKeys["aws_security_token"])
  }

  /// The name of the one key of the two that a profile with the other lacks; nil if it has both, or
  /// none.
  package var missingKey: String? {
    let names = ["aws_access_key_id", "aws_secret_access_key"]
    let missing = names.filter { ofKeys[$0] == nil }
    if missing.count == 1 { return missing[0] }
    // The one of the other file does not count.
    return missing.isEmpty
      ? nil
      : names.first { values[$0] != nil }.map { has in
        has == names[0] ? names[1] : names[0]
      }
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

  /// The keys of the sections; nil if there is none of them.
  private static func read(_ bytes: [UInt8], sections: [String]) -> [String: Secret]? {
    var values: [String: Secret] = [:]
    var (isPresent, isWanted) = (false, false)
    // Of the last key's line: how far it is indented, and its name if nested values may follow it.
    var (indent, hasKey) = (0, false)
    var parent: String?
    for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) {
      let content = String(line).trimmed
      if content.isEmpty || content.hasPrefix("#") || content.hasPrefix(";") { continue }
      let depth = line.prefix { $0 == " " || $0 == "\t" }.count
      if hasKey, depth > indent {
        if isWanted, let parent, let (key, value) = Self.pair(content, "=") {
          values["\(parent).\(key)"] = Secret(value)
        }
        continue
      }
      indent = depth
      if content.hasPrefix("["), let end = content.lastIndex(of: "]") {
        isWanted = sections.contains(
          Self.section(content[content.index(after: content.startIndex)..<end]))
        isPresent = isPresent || isWanted
        hasKey = false
        continue
      }
      guard let (key, value) = Self.pair(content, "=:") else { continue }
      hasKey = true
      parent = value.isEmpty ? key : nil
      if isWanted, !value.isEmpty { values[key] = Secret(value) }
    }
    return isPresent ? values : nil
  }

  /// The name and the value on both sides of the first of the delimiters.
  private static func pair(_ line: String, _ delimiters: String) -> (key: String, value: String)? {
    guard let end = line.firstIndex(where: delimiters.contains) else { return nil }
    return (
      String(line[..<end]).trimmed.lowercased(),
      String(line[line.index(after: end)...]).trimmed
    )
  }

  /// `profile "two words"` is `profile two words`.
  private static func section(_ header: Substring) -> String {
    let words = header.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    let (word, name) = ("profile ", words.dropFirst("profile ".count))
    guard words.hasPrefix(word), name.count >= 2, let quote = name.first, "\"'".contains(quote),
      name.last == quote
    else { return words }
    return word + name.dropFirst().dropLast()
  }
}
