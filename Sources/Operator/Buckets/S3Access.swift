// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import S3
internal import Secrets

/// The server of ``S3Options``, found in the files and variables that operators have for other clients.
struct S3Access {
  var endpoint: S3Endpoint
  var credentials: S3Credentials
  var region: String?
  var link: any S3Link
  /// How people name the server: `primary (https://minio-1:9000)`.
  var name: String

  /// Reads files; connects to nothing.
  static func resolve(
    _ options: S3Options, _ context: CommandContext
  ) throws(Refusal) -> S3Access {
    let finder = Finder(options: options, context: context)
    do throws(Refusal) {
      var access = try finder.find()
      if let addressing = options.addressing { access.endpoint.style = addressing.style }
      access.region = options.region ?? access.region
      return access
    } catch {
      // What cannot be read is the configuration of this command.
      throw Refusal(error.code == .failed ? .configuration : error.code, error.message)
    }
  }

  private struct Finder {
    let options: S3Options
    let context: CommandContext

    private var host: any CommandHost { context.host }

    func find() throws(Refusal) -> S3Access {
      if let alias = options.alias { return try alias_(alias) }
      if options.isLocal { return try local() }
      if let endpoint = options.endpoint { return try server(endpoint) }
      for name in ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"] {
        guard let url = variable(name) else { continue }
        return try server(try parse(url, "$\(name)"))
      }
      if let url = try profile().endpoint {
        return try server(try parse(url, "the profile's endpoint"))
      }
      throw Refusal(
        .configuration,
        "no server is named: give --alias NAME (as mc knows it), --endpoint URL, or --local on a node"
      )
    }

    // MARK: mc's aliases

    private func alias_(_ alias: String) throws(Refusal) -> S3Access {
      let directory = try clientDirectory()
      let found: ClientAlias
      if let value = variable(ClientAliases.variablePrefix + alias) {
        do throws(ClientAliasProblem) { found = try ClientAliases.variable(value) } catch {
          throw Refusal(
            .configuration, "$\(ClientAliases.variablePrefix)\(alias) \(error.reason)")
        }
      } else {
        found = try inFile(alias, directory)
      }
      return S3Access(
        endpoint: found.endpoint, credentials: found.credentials,
        region: variable("MC_REGION") ?? variable("AWS_REGION"),
        link: try open(folder: directory.map { "\($0)/certs/CAs" }),
        name: "\(alias) (\(found.endpoint.text))")
    }

    /// Nil where there is no home.
    private func clientDirectory() throws(Refusal) -> String? {
      options.clientDirectory ?? variable("MC_CONFIG_DIR") ?? variable("HOME").map { "\($0)/.mc" }
    }

    private func inFile(_ alias: String, _ directory: String?) throws(Refusal) -> ClientAlias {
      guard let directory else {
        throw Refusal(
          .configuration,
          "look up the alias \(alias): there is no $HOME to find mc's folder in; give --mc-config-dir DIR"
        )
      }
      let path = "\(directory)/config.json"
      guard let content = try host.read(path, limitBytes: Limits.environmentFileBytes) else {
        throw Refusal(
          .configuration,
          "look up the alias \(alias): there is no \(path); mc alias set makes it, or give --mc-config-dir DIR"
        )
      }
      if content.isShared {
        context.console.message(
          .warning, "\(path) can be read by others, and it holds secret keys: chmod 600 it")
      }
      let found: ClientAlias?
      do throws(ClientAliasProblem) {
        found = try ClientAliases.file(content.bytes, alias: alias)
      } catch {
        throw Refusal(.configuration, "look up the alias \(alias): \(path) \(error.reason)")
      }
      if let found { return found }
      let names = ClientAliases.names(content.bytes)
      let advice =
        WordList.nearest(to: alias, among: names).map { "did you mean \($0)?" }
        ?? (names.isEmpty ? "it has none" : "it has \(names.joined(separator: ", "))")
      throw Refusal(.configuration, "there is no alias \(alias) in \(path); \(advice)")
    }

    // MARK: AWS's variables and files

    private var profileName: String { options.profile ?? variable("AWS_PROFILE") ?? "default" }

    /// The two files, by the variables that name them.
    private var files: [(variable: String, path: String)] {
      let home = variable("HOME")
      return [("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config")].map {
        name, file in
        guard let named = variable(name) else { return (name, "\(home ?? "")/.aws/\(file)") }
        // As botocore has it.
        let isOfHome = named == "~" || named.hasPrefix("~/")
        return (name, isOfHome ? (home ?? "") + named.dropFirst() : named)
      }
    }

    private func profile() throws(Refusal) -> AWSProfile {
      func read(_ variable: String, _ path: String) throws(Refusal) -> [UInt8]? {
        let content: ReadContent?
        do throws(Refusal) {
          content = try host.read(path, limitBytes: Limits.environmentFileBytes)
        } catch {
          throw Refusal(
            .configuration, "look up the profile \(profileName): \(error.message)")
        }
        if content == nil, self.variable(variable) != nil {
          throw Refusal(
            .configuration,
            "look up the profile \(profileName): there is no \(path), which $\(variable) names; correct or unset it"
          )
        }
        return content?.bytes
      }
      let files = files
      return AWSProfile(
        profileName, credentials: try read(files[0].variable, files[0].path),
        config: try read(files[1].variable, files[1].path))
    }

    private func server(_ endpoint: S3Endpoint) throws(Refusal) -> S3Access {
      let own = try variables()
      var profile: AWSProfile?
      do throws(Refusal) { profile = try self.profile() } catch {
        // Who asks is said elsewhere; only region, style and authorities could stand there.
        if own == nil { throw error }
        context.console.message(.warning, error.message)
      }
      if own == nil, profileName != "default" || options.profile != nil, profile?.isPresent != true
      {
        let place = options.profile == nil ? " (of $AWS_PROFILE)" : ""
        throw Refusal(
          .configuration,
          "there is no profile \(profileName)\(place) in \(files[0].path) or \(files[1].path); aws configure list-profiles shows them"
        )
      }
      var endpoint = endpoint
      if let style = profile?.style { endpoint.style = style }
      let authorities = [variable("AWS_CA_BUNDLE") ?? profile?.authorityFile].compactMap(\.self)
      let credentials = if let own { own } else { try credentials(profile) }
      return S3Access(
        endpoint: endpoint, credentials: credentials,
        region: variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") ?? profile?.region,
        link: try open(files: authorities, folder: nil), name: endpoint.text)
    }

    /// The access key of the variables; nil where there is none, or where a profile that is named wins
    /// over them, as these win over one that is not (botocore).
    private func variables() throws(Refusal) -> S3Credentials? {
      if options.profile != nil { return nil }
      let (access, secret) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
      if (access == nil) != (secret == nil) {
        // A profile would sign as somebody else than whoever has set the variable means.
        throw Refusal(
          .configuration,
          "only \(access == nil ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID") is set; set both, or neither to take a profile"
        )
      }
      guard let access, let secret else { return nil }
      return S3Credentials(
        AccessCredentials(accessKey: Secret(access), secretKey: Secret(secret)),
        sessionToken: variable("AWS_SESSION_TOKEN").map { Secret($0) })
    }

    private func credentials(_ profile: AWSProfile?) throws(Refusal) -> S3Credentials {
      if let found = profile?.credentials { return found }
      if let missing = profile?.missingKey {
        throw Refusal(
          .configuration,
          "the profile \(profileName) has no \(missing) beside its other key, in the same file of \(files[0].path) and \(files[1].path); add it there"
        )
      }
      if let way = profile?.unsupported {
        throw Refusal(
          .configuration,
          "the profile \(profileName) gets its keys by \(way), which is not spoken here; export them with aws configure export-credentials --format env"
        )
      }
      throw Refusal(
        .configuration,
        "there is no access key\(profile?.isPresent == true ? " in the profile \(profileName)" : ""): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with --profile, or take mc's with --alias"
      )
    }

    // MARK: this host

    private func local() throws(Refusal) -> S3Access {
      let server = try context.stores.local(unit: options.unit ?? "minio.service")
      return S3Access(
        endpoint: server.endpoint, credentials: server.credentials, link: server.link,
        name: "this host's server (\(server.endpoint.text))")
    }

    // MARK: pieces

    private func parse(_ url: String, _ place: String) throws(Refusal) -> S3Endpoint {
      do throws(S3EndpointProblem) { return try S3Endpoint(url: url) } catch {
        throw Refusal(.configuration, "\(place) is no server's address: \(error.reason)")
      }
    }

    private func open(files: [String] = [], folder: String?) throws(Refusal) -> any S3Link {
      try context.stores.open(S3Authorities(files: options.authorities + files, folder: folder))
    }

    /// Nil for an empty one, as the clients have it.
    private func variable(_ name: String) -> String? {
      host.variable(name).flatMap { $0.isEmpty ? nil : $0 }
    }
  }
}
