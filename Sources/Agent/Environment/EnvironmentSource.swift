// SPDX-License-Identifier: Apache-2.0
internal import EnvironmentFile
internal import KeyManager
internal import Secrets

/// One place that variables of the server's environment come from.
struct EnvironmentSource {
  /// What kind of place it is, in the order in which they count.
  enum Kind: Equatable {
    /// The service manager's own environment.
    case manager
    /// `PassEnvironment=`.
    case passed
    /// `Environment=`.
    case unit
    /// A file of `EnvironmentFile=`, which systemd reads.
    case file(isOptional: Bool)
    /// The file of MINIO_CONFIG_ENV_FILE, which the server reads.
    case config
  }

  struct Definition {
    var name: String
    /// Any may be a secret.
    var value: String
    /// 1-based, in a file.
    var line: Int?
    /// Whether its reader takes it for a variable.
    var counts = true
    /// Whether only the reader that does not read this place would see it so.
    var isOtherReaders = false
  }

  let kind: Kind
  /// The file or, where none matches it, the pattern; or where else it is, for people.
  let place: String
  /// The file that it is; nil if it is no file.
  let path: String?
  /// The file as it is; nil if it is no file, or if there is none.
  let document: EnvironmentDocument?
  /// Why its reader refuses the whole file, with the line.
  let failure: String?
  /// What its reader defines, also what is overridden later in it, in order.
  let definitions: [Definition]
  /// What the other of the two readers would make of the file and its own does not. The same text
  /// read alike is not in it.
  let misreadings: [Definition]
  /// Those that win in it.
  let variables: [EnvironmentVariable]

  /// A place that is no file; each assignment is `NAME=value`.
  init(_ kind: Kind, _ place: String, assignments: [(name: String, value: String)]) {
    self.kind = kind
    self.place = place
    path = nil
    document = nil
    failure = nil
    definitions = assignments.map { Definition(name: $0.name, value: $0.value) }
    misreadings = []
    variables = assignments.map { EnvironmentVariable(name: $0.name, value: $0.value) }
  }

  /// A file; without a document there is none.
  init(_ kind: Kind, path: String, _ document: EnvironmentDocument?, comments: CommentGrammar) {
    self.kind = kind
    place = path
    self.path = path
    self.document = document
    guard let document else {
      (failure, definitions, misreadings, variables) = (nil, [], [], [])
      return
    }
    let systemd = document.systemd(comments: comments)
    let (own, other) = kind == .config ? (document.minio, systemd) : (systemd, document.minio)
    func definition(_ entry: EnvironmentDocument.Variable) -> Definition {
      Definition(
        name: entry.name, value: entry.value, line: entry.line, counts: !entry.isDropped)
    }
    failure = own.failure
    definitions = own.definitions.map(definition)
    let seen = Set(definitions.map(Mark.init))
    misreadings = other.definitions.map(definition).filter { !seen.contains(Mark($0)) }.map {
      var definition = $0
      definition.isOtherReaders = true
      return definition
    }
    variables = own.variables.map {
      EnvironmentVariable(name: $0.name, value: $0.value, line: $0.line)
    }
  }

  /// A pattern that matches no file.
  init(_ kind: Kind, pattern: String) {
    self.kind = kind
    place = pattern
    path = nil
    document = nil
    failure = nil
    (definitions, misreadings, variables) = ([], [], [])
  }

  /// The same place with another content.
  func replaced(by document: EnvironmentDocument, comments: CommentGrammar) -> EnvironmentSource {
    EnvironmentSource(kind, path: place, document, comments: comments)
  }

  /// What tells a definition from another, by bytes: String holds different texts for equal.
  struct Mark: Hashable {
    private let text: [UInt8]
    private let line: Int?

    init(_ definition: Definition) {
      text = Array(definition.name.utf8) + [0] + Array(definition.value.utf8)
      line = definition.line
    }
  }
}
