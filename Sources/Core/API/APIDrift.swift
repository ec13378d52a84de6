// SPDX-License-Identifier: Apache-2.0
package import Model

/// A way in which a node can have drifted from its last confirmed start.
package enum DriftKind: String, Sendable, Codable, Hashable, CaseIterable {
  /// The last generation's file has another content.
  case edited
  /// A file of the environment was replaced by another one of the same content.
  case replaced
  /// A file of the environment has another mode or owner.
  case attributes
  /// Another file of the environment has another content, or came, or is gone.
  case otherFile
  /// A process that was started now would get another environment than the running one has.
  case process
  /// The running server is another program than the unit's `ExecStart=` names now.
  case binary
  /// The unit says something else about the environment, or consists of other files.
  case unit
  /// The start guard would refuse a start.
  case key
  /// The running server uses another key than the sealed one, or it cannot be told which.
  case runningKey
  /// A Key Manager has another key than the one that was proven, or the key cannot be proven.
  case keyProof
  /// The start guard of a sealed node is missing, not as it must be, or did not run.
  case startGuard
}

/// One thing that has drifted.
package struct DriftItem: Sendable, Codable, Hashable {
  package var kind: DriftKind
  /// How bad it is: a note where nothing would be different after a start.
  package var severity: Severity
  /// The file, the unit or the process that it is about.
  package var place: String
  /// The variables that differ, names only, where that is known.
  package var variables: [String]
  /// What was seen, one sentence without a value of any variable but the key's name.
  package var message: String

  package init(
    _ kind: DriftKind, _ severity: Severity, place: String, variables: [String] = [],
    message: String
  ) {
    self.kind = kind
    self.severity = severity
    self.place = place
    self.variables = variables
    self.message = message
  }
}

/// What differs between the files, the unit, the running process and the last confirmed start.
package struct Drift: Sendable, Codable, Hashable {
  /// The file is not the last confirmed generation.
  package var fileChanged: Bool
  /// MINIO_* variables that differ between the file and the running process, names only.
  package var processDiffers: [String]
  /// All of it, the worst first; nil from an agent that does not know more than the above.
  package var items: [DriftItem]?

  package init(fileChanged: Bool = false) {
    self.fileChanged = fileChanged
    processDiffers = []
  }

  package init(_ items: [DriftItem]) {
    self.items = items.sorted { $0.severity > $1.severity }
    fileChanged = items.contains { $0.kind == .edited }
    processDiffers = items.filter { $0.kind == .process }.flatMap(\.variables)
  }

  /// Whether there is any; what is only a note does not count.
  package var isEmpty: Bool {
    !fileChanged && processDiffers.isEmpty && !(items ?? []).contains { $0.severity > .note }
  }
}
