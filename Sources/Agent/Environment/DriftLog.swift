// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model
internal import Secrets

/// What the watch has told already.
struct DriftLog {
  /// One thing that was told, and a mark that is another when it has changed since.
  struct Entry: Sendable, Codable, Hashable {
    var kind: DriftKind
    var place: String
    var mark: Digest
  }

  var drift = Drift()
  var entries: [Entry] = []
  /// How often each kind came up or changed since the agent's start.
  var totals: [DriftKind: Int] = [:]
  /// Whether changes are seen as they happen.
  var isWatching = false
}

extension AgentEvent {
  /// A thing that has drifted.
  init(_ item: DriftItem) {
    self.init(
      id: item.kind.messageID, priority: item.severity.priority, message: item.message,
      fields: [
        (name: "KEYTURN_KIND", value: item.kind.rawValue),
        (name: "KEYTURN_FILE", value: item.place),
        (name: "KEYTURN_VARIABLES", value: item.variables.joined(separator: " ")),
      ])
  }

  /// It is as it was again.
  init(goneFrom place: String, kind: DriftKind) {
    self.init(
      id: "ba85b74afda8461fb22d57c1e2a1ffa4", priority: .information,
      message: "\(place): no drift any more (\(kind.rawValue))",
      fields: [
        (name: "KEYTURN_KIND", value: kind.rawValue), (name: "KEYTURN_FILE", value: place),
      ])
  }
}

extension DriftKind {
  /// In systemd/keyturn.catalog.
  var messageID: String {
    switch self {
    case .edited: "4a1888d3292d4122a1461c9b82874261"
    case .replaced: "c8a7040143e143c7af1cd4735ece9381"
    case .attributes: "db8c1467393e41e09f3439fec8dc885c"
    case .otherFile: "7193f547bba646b9b69126c85527b2fd"
    case .process: "f8c31ce1947149db889dc00e1ac5bb98"
    case .binary: "9f2e6b0d4c1a4f7e8b35d2a6c07e91f4"
    case .unit: "471924178a804abb98fd2937a2c31942"
    case .key: "da661bd4a07a4dd0ba609da4cb592754"
    case .runningKey: "4bac44fbc40b4de3a9da2e2b613a66da"
    case .keyProof: "5d0c8a1f7b3e4f2c9a6d1e8b40f7c352"
    case .startGuard: "7f9264b43ce9450e93b333e13aca44a5"
    }
  }

  /// Whether it is found without the files.
  var isOfKey: Bool { self == .runningKey || self == .keyProof || self == .startGuard }
}

extension Severity {
  fileprivate var priority: LogPriority {
    switch self {
    case .error: .error
    case .warning: .warning
    case .note: .notice
    }
  }
}

extension DriftKind {
  /// Of the finding that a thing is where it is an error.
  var rule: String {
    switch self {
    case .runningKey: "running-key"
    case .keyProof: "key-proof"
    case .startGuard: "start-guard"
    case .edited, .replaced, .attributes, .otherFile, .process, .binary, .unit, .key: "start-guard"
    }
  }
}
