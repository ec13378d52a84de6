// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model
internal import Threads

struct CommonOptions: OptionGroup {
  @Option("json", help: "print JSON lines; the last is the result") var isJSON: Bool
  @Option("quiet", short: "q", help: "print results and errors only") var isQuiet: Bool
  @Option("no-color", help: "no colours (also NO_COLOR, TERM=dumb, or no terminal)")
  var hasNoColor: Bool
  @Option("help", short: "h", help: "this text") var isHelp: Bool
}

struct ClusterOptions: OptionGroup {
  @Option(
    "inventory", takes: "FILE",
    help: "the cluster (else $KEYTURN_INVENTORY, ./inventory.json, /etc/keyturn/inventory.json)",
    as: .text)
  var inventory: String?
  @Option(
    "credentials", takes: "DIR",
    help: "ca.pem, cert.pem, key.pem (else $KEYTURN_CREDENTIALS, /etc/keyturn/credentials)",
    as: .text)
  var credentials: String?
}

struct SettingsOptions: OptionGroup {
  @Option(
    "settings", takes: "FILE", help: "the settings as KEY=value lines; - is standard input",
    as: .text)
  var settings: String?
  @Option("unset", takes: "KEY", help: "remove a setting; may be repeated", as: .text)
  var removals: [String]
  @Option(
    "api-key-file", takes: "FILE",
    help: "the value of MINIO_KMS_API_KEY, from a file of its own; - is standard input", as: .text)
  var apiKeyFile: String?
  @Option(
    "create-key", help: "let the first start create the SSE key if there is none yet")
  var createKey: Bool

  /// Whether any setting is named.
  var isGiven: Bool { settings != nil || apiKeyFile != nil || !removals.isEmpty }

  /// What is wrong, where settings are required.
  func problem(_ verb: String) -> String? {
    if settings == "-", apiKeyFile == "-" {
      return "standard input can be the settings or the API key, not both; use a file for one"
    }
    if !isGiven {
      return
        "there is nothing to \(verb): give --settings FILE, --api-key-file FILE or --unset KEY"
    }
    return nil
  }
}

/// Of a command that may look again and again.
struct WatchOptions: OptionGroup {
  @Option("watch", help: "look again and again until interrupted") var watches: Bool
  @Option(
    "every", takes: "SECONDS", help: "with --watch, 1 to 60; 5 if left out",
    as: .number(of: "seconds", in: 1...60))
  var every: Int?

  static let defaultEverySeconds = 5

  var problem: String? {
    watches || every == nil ? nil : "--every is for --watch, which is not given"
  }
}

extension CommandContext {
  /// Round after round, until it is interrupted; the last one decides.
  func rounds(_ options: WatchOptions, _ round: () -> CommandResult) -> CommandResult {
    let stops = Lock(false)
    return interruption.handled(by: { stops.update { $0 = true } }) {
      while true {
        let next = Instant.inMilliseconds(
          (options.every ?? WatchOptions.defaultEverySeconds) * 1_000)
        let result = round()
        if stops.wait(until: next, { $0 ? true : nil }) != nil { return result }
      }
    }
  }
}

/// Of every command that may bring another MINIO_VOLUMES.
struct PoolOptions: OptionGroup {
  @Option(
    "change-pools",
    help: "let MINIO_VOLUMES change pools that the servers have, as after mc admin decommission")
  var areChanged: Bool
}

/// Of every command that begins a rollout.
struct RolloutOptions: OptionGroup {
  @Option("yes", short: "y", help: "do not ask; needed where there is no terminal")
  var isUnasked: Bool
  @Option(
    "note", short: "m", takes: "TEXT",
    help: "what it is for, kept with the rollout and in the journals: a ticket, a sentence",
    as: .note)
  var note: String?
  var cluster = ClusterOptions()
}
