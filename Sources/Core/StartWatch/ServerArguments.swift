public import Model

/// What the arguments of `minio server` say about where it listens and where it logs.
///
/// They come from the running process, or from the unit's `ExecStart=` with the environment put in.
/// Of an argument that is given twice the last counts, as in the server (package flag of Go).
public struct ServerArguments: Sendable, Hashable {
  /// The value of `--address` (`:9000`, `host:port`), if it is given.
  public var address: String?
  /// The value of `--certs-dir` or `-S`, or `certs` in that of `--config-dir` or `-C`.
  public var certificatesDirectory: String?
  /// The value of `--log-dir`: then the journal stays empty.
  public var logDirectory: String?
  /// Whether the log is JSON lines (`--json`).
  public var json = false
  /// Whether there is no banner and no INFO line (`--quiet`).
  public var quiet = false
  /// What is given beside the options: the pools' drives.
  public var volumes: ServerVolumes

  /// Reads the words of a command line; `environment` is what the server falls back to.
  public init(arguments: [String], environment: [String: String] = [:]) {
    var configurationDirectory: String?
    var certificates: String?
    var words = arguments[...]
    var others: [String] = []
    while let word = words.popFirst() {
      guard word.hasPrefix("-"), word != "-", word != "--" else {
        others.append(word)
        continue
      }
      let parts = word.drop { $0 == "-" }.split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      switch name {
      case "json": json = parts.count == 1 || Self.isTrue(parts[1])
      case "quiet": quiet = parts.count == 1 || Self.isTrue(parts[1])
      case "address", "certs-dir", "S", "config-dir", "C", "log-dir":
        guard let value = parts.count == 2 ? String(parts[1]) : words.popFirst() else { break }
        switch name {
        case "address": address = value
        case "certs-dir", "S": certificates = value
        case "config-dir", "C": configurationDirectory = value
        default: logDirectory = value
        }
      default: break
      }
    }
    if let command = others.firstIndex(of: "server") { others.removeSubrange(...command) }
    if others.isEmpty { others = Self.words(environment["MINIO_VOLUMES"] ?? "") }
    volumes = ServerVolumes(others)
    address = address ?? environment["MINIO_ADDRESS"]
    logDirectory = logDirectory ?? environment["MINIO_LOG_DIR"]
    certificatesDirectory =
      certificates
      ?? configurationDirectory.map { $0.hasSuffix("/") ? "\($0)certs" : "\($0)/certs" }
  }

  /// Reads the words of `ExecStart=` as systemd will run them with `environment`.
  public init(execStart: [String], environment: [String: String]) {
    self.init(
      arguments: Self.expand(execStart, with: environment), environment: environment)
  }

  /// Where the health endpoints of this host's server answer: the address it listens on, or
  /// 127.0.0.1 if that is every address; port 9000 if none is given. Nil if `--address` cannot be
  /// read.
  public var healthAddress: HostPort? {
    guard var text = address, !text.isEmpty else { return HostPort(host: "127.0.0.1", port: 9000) }
    if text.hasPrefix(":") { text = "127.0.0.1" + text }
    guard var parsed = HostPort(text, defaultPort: 9000) else { return nil }
    if parsed.host == "0.0.0.0" || parsed.host == "::" { parsed.host = "127.0.0.1" }
    return parsed
  }

  /// The directory of the server's certificate: as given, else `.minio/certs` in the service
  /// user's home; nil if that is not known either.
  public func certificatesDirectory(home: String?) -> String? {
    certificatesDirectory
      ?? home.map { $0.hasSuffix("/") ? "\($0).minio/certs" : "\($0)/.minio/certs" }
  }

  /// The words of a command line with variables put in, as systemd does it: `$NAME` as a word of
  /// its own becomes the words of its value, `${NAME}` is put in as it is (systemd.service(5)).
  public static func expand(_ words: [String], with environment: [String: String]) -> [String] {
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
  public static func words(_ text: String) -> [String] {
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

  /// What Go's strconv.ParseBool takes for true.
  private static func isTrue(_ text: Substring) -> Bool {
    ["1", "t", "T", "true", "TRUE", "True"].contains(text)
  }
}
