// SPDX-License-Identifier: Apache-2.0
internal import KeyManager
internal import Model
internal import S3

/// Which S3 server a command speaks with, and as whom. No secret is an option: every process of a host
/// can read the arguments of the others.
struct S3Options: OptionGroup {
  @Option(
    "alias", takes: "NAME",
    help: "a server that the S3 client mc knows: $MC_HOST_NAME, or its config.json", as: .alias)
  var alias: String?
  @Option(
    "mc-config-dir", takes: "DIR", help: "mc's folder (else $MC_CONFIG_DIR, ~/.mc)", as: .text)
  var clientDirectory: String?
  @Option(
    "endpoint", takes: "URL",
    help: "a server, with the access key of AWS's variables or profile files", as: .endpoint)
  var endpoint: S3Endpoint?
  @Option(
    "profile", takes: "NAME",
    help: "a profile of ~/.aws/credentials and ~/.aws/config (else $AWS_PROFILE)", as: .text)
  var profile: String?
  @Option("local", help: "as root on a node: its own server, as the server's root user")
  var isLocal: Bool
  @Option("unit", takes: "NAME", help: "its unit with --local (else minio.service)", as: .text)
  var unit: String?
  @Option("region", takes: "NAME", help: "the server's region (else what it says)", as: .text)
  var region: String?
  @Option(
    "addressing", takes: "STYLE",
    help: "path or virtual: how a bucket stands in an address (else path, as MinIO takes it)",
    as: .word)
  var addressing: Addressing?
  @Option(
    "ca", takes: "FILE", help: "trust the certificates in it too; may be repeated", as: .text)
  var authorities: [String]

  enum Addressing: String, CaseIterable {
    case path, virtual

    var style: S3Endpoint.Style { self == .path ? .path : .virtualHost }
  }

  var problem: String? {
    let places = [
      alias.map { _ in "--alias" }, endpoint.map { _ in "--endpoint" },
      isLocal ? "--local" : nil,
    ].compactMap(\.self)
    if places.count > 1 {
      return "\(places.joined(separator: " and ")) name a server each; give one"
    }
    if clientDirectory != nil, alias == nil { return "--mc-config-dir is only for --alias NAME" }
    if profile != nil, alias != nil || isLocal { return "--profile is only for --endpoint URL" }
    if unit != nil, !isLocal { return "--unit is only for --local" }
    return nil
  }
}

extension ArgumentType<S3Endpoint> {
  static var endpoint: Self {
    Self { (text, rule) throws(UsageProblem) in
      do throws(S3EndpointProblem) { return try S3Endpoint(url: text) } catch {
        // The text may hold a password.
        throw UsageProblem(
          message: "the URL of --\(rule.name) is no server's address: \(error.reason)")
      }
    }
  }
}

extension ArgumentType<String> {
  /// A name that mc takes for an alias, or `alias/` as people type it for mc.
  static var alias: Self {
    Self("is no alias as mc has them: a letter, then letters, digits, hyphens and underscores") {
      let name = $0.hasSuffix("/") ? String($0.dropLast()) : $0
      return ClientAliases.isAlias(name) ? name : nil
    }
  }

  /// The name of a key in the Key Manager.
  static var keyName: Self {
    Self { (text, _) throws(UsageProblem) in
      guard let problem = SettingsRules.problem(ofName: text) else { return text }
      throw UsageProblem(message: "\"\(text)\" is no key's name: it \(problem)")
    }
  }

  static var bucket: Self {
    Self { (text, _) throws(UsageProblem) in
      guard let problem = BucketName.problem(text) else { return text }
      let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
      if parts.count == 2, ClientAliases.isAlias(parts[0]), BucketName.problem(parts[1]) == nil {
        throw UsageProblem(
          message:
            "\"\(text)\" is no bucket's name; mc's alias stands apart from it: \(parts[1]) --alias \(parts[0])"
        )
      }
      throw UsageProblem(message: "\"\(text)\" is no bucket's name: it \(problem)")
    }
  }
}
