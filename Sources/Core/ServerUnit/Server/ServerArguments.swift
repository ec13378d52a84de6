// SPDX-License-Identifier: Apache-2.0
package import Model

/// What the arguments of `minio server` say about where it listens and where it logs.
///
/// They come from the unit's `ExecStart=` with the environment put in. Of an argument that is given
/// twice the last counts, as in the server (package flag of Go).
package struct ServerArguments: Sendable, Hashable {
  /// The value of `--address` (`:9000`, `host:port`), if it is given.
  package var address: String?
  /// The value of `--certs-dir` or `-S`, or `certs` in that of `--config-dir` or `-C`.
  package var certificatesDirectory: String?
  /// The value of `--log-dir`: then the journal stays empty.
  package var logDirectory: String?
  /// The value of `--config`: a file that names the pools, and may name the address and the
  /// certificates' directory.
  package var configurationFile: String?
  /// Whether the log is JSON lines (`--json`).
  package var json = false
  /// Whether there is no banner and no INFO line (`--quiet`).
  package var quiet = false
  package var volumes: ServerVolumes

  /// - Parameters:
  ///   - environment: what the process is started with. The server takes an option that is not
  ///     given from there, before it reads any file (`StringFlag.Apply` of minio:cli).
  ///   - inForce: the same, overridden by the file that the server reads itself; only the drives are
  ///     taken from it (`serverCmdArgs` of minio:cmd). Nil if it is the same.
  package init(
    arguments: [String], environment: [String: String] = [:], inForce: [String: String]? = nil
  ) {
    let options = ServerOptions(arguments)
    let values = options.values
    address = values["address"] ?? environment["MINIO_ADDRESS"]
    logDirectory = values["log-dir"] ?? environment["MINIO_LOG_DIR"]
    let file = values["config"] ?? environment["MINIO_CONFIG"]
    configurationFile = file?.isEmpty == true ? nil : file
    json = options.switches["json"] ?? false
    quiet = options.switches["quiet"] ?? false
    certificatesDirectory =
      values["certs-dir"] ?? values["S"]
      ?? (values["config-dir"] ?? values["C"]).map {
        $0.hasSuffix("/") ? "\($0)certs" : "\($0)/certs"
      }
    volumes = Self.volumes(
      options, configurationFile, inForce ?? environment, port: Self.port(of: address))
  }

  /// The server's own order: a file, its variables, its command line.
  private static func volumes(
    _ options: ServerOptions, _ file: String?, _ environment: [String: String], port: UInt16
  ) -> ServerVolumes {
    if let file { return ServerVolumes(unknown: "its configuration file \(file) names its pools") }
    for name in ["MINIO_ARGS", "MINIO_VOLUMES", "MINIO_ENDPOINTS"] {
      guard let value = environment[name], !value.isEmpty else { continue }
      // Not as systemd splits them: quotes mean nothing here (`strings.Fields` of Go).
      return ServerVolumes(
        value.split(whereSeparator: \.isWhitespace).map(String.init), from: name, port: port)
    }
    if let unknown = options.unknown {
      return ServerVolumes(unknown: "its option \(unknown) is not known here")
    }
    guard let operands = options.operands, !operands.isEmpty else {
      return ServerVolumes(unknown: "its command line names no drive")
    }
    return ServerVolumes(operands, from: "the server's command line", port: port)
  }

  /// The port of an `--address`; 9000 if none is given, or none can be read.
  private static func port(of address: String?) -> UInt16 {
    let text = address ?? ""
    let place = HostPort(
      text.hasPrefix(":") ? "127.0.0.1\(text)" : text, defaultPort: Inventory.defaultServerPort)
    return place?.port ?? Inventory.defaultServerPort
  }

  /// Reads the words of `ExecStart=` as systemd runs them with `environment`; see
  /// ``init(arguments:environment:inForce:)``. systemd does not see what the server reads itself.
  package init(
    execStart: [String], environment: [String: String], inForce: [String: String]? = nil
  ) {
    self.init(
      arguments: Self.expand(execStart, with: environment), environment: environment,
      inForce: inForce)
  }

  /// Where the health endpoints of this host's server answer: the address it listens on, or
  /// 127.0.0.1 if that is every address; port 9000 if none is given. Nil if `--address` cannot be
  /// read.
  package var healthAddress: HostPort? {
    guard var text = address, !text.isEmpty else { return HostPort(host: "127.0.0.1", port: 9000) }
    if text.hasPrefix(":") { text = "127.0.0.1" + text }
    guard var parsed = HostPort(text, defaultPort: 9000) else { return nil }
    if parsed.host == "0.0.0.0" || parsed.host == "::" { parsed.host = "127.0.0.1" }
    return parsed
  }

  /// The directory of the server's certificate: as given, else `.minio/certs` in the service
  /// user's home; nil if that is not known either.
  package func certificatesDirectory(home: String?) -> String? {
    certificatesDirectory
      ?? home.map { $0.hasSuffix("/") ? "\($0).minio/certs" : "\($0)/.minio/certs" }
  }

  /// The words of a command line with variables put in, as systemd does it: `$NAME` as a word of
  /// its own becomes the words of its value, `${NAME}` is put in as it is (systemd.service(5)).
  package static func expand(_ words: [String], with environment: [String: String]) -> [String] {
    words.flatMap { word in
      if word.hasPrefix("$"), !word.hasPrefix("${"), !word.hasPrefix("$$") {
        return Self.words(environment[String(word.dropFirst())] ?? "")
      }
      var result = ""
      var rest = word[...]
      while let character = rest.first {
        if rest.hasPrefix("$$") {
          result += "$"
          rest = rest.dropFirst(2)
        } else if rest.hasPrefix("${"), let close = rest.firstIndex(of: "}") {
          result += environment[String(rest[..<close].dropFirst(2))] ?? ""
          rest = rest[rest.index(after: close)...]
        } else {
          result.append(character)
          rest = rest.dropFirst()
        }
      }
      return [result]
    }
  }

  /// Splits a value at blanks as systemd splits that of `$NAME`: quotes hold words together and are
  /// removed, a backslash takes the next character as it is.
  package static func words(_ text: String) -> [String] {
    var words: [String] = []
    var word: String?
    var quote: Character?
    var escaped = false
    for character in text {
      if escaped {
        word = (word ?? "") + String(character)
        escaped = false
      } else if character == "\\", quote != "'" {
        word = word ?? ""
        escaped = true
      } else if let open = quote {
        if character == open { quote = nil } else { word = (word ?? "") + String(character) }
      } else if character == "\"" || character == "'" {
        quote = character
        word = word ?? ""
      } else if character == " " || character == "\t" || character == "\n" || character == "\r" {
        if let whole = word { words.append(whole) }
        word = nil
      } else {
        word = (word ?? "") + String(character)
      }
    }
    if let whole = word { words.append(whole) }
    return words
  }
}
