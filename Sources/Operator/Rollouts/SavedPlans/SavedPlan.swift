// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Crypto
internal import Model
internal import Rollout
internal import Secrets
internal import Threads

/// A plan in a file, for an `apply` that does exactly that or nothing: what was asked of whom by whom, and what each
/// node's answer rests on. docs/use/file-formats.md describes the file.
///
/// It holds no setting unless that was asked for. What could tell of a secret is a digest with a salt of the plan's own.
struct SavedPlan: Sendable, Codable {
  static let format = "keyturn plan 1"

  /// One node's answer.
  struct Node: Sendable, Codable {
    var name: String
    /// By the words of ``Basis``.
    var basis: [String: String]
  }

  var format: String
  var cluster: String
  /// Of the operator's inventory (``Inventory/contentDigest``).
  var inventory: String
  var createdBy: String
  @Bounded<Bounds.WallMicroseconds> var createdAtMicroseconds: Int64
  /// 32 hexadecimal digits, drawn for this plan.
  var salt: String
  /// The names of the variables that are set or removed, sorted.
  var variables: [String]
  /// Over their names and values, with the salt.
  var settingsDigest: String
  var createKey: Bool
  var changesPools: Bool
  /// Restart also where no server needs it.
  var forcesRestart: Bool
  /// The settings themselves, where it was asked for.
  var settings: [SettingChange]?
  var nodes: [Node]

  /// - Parameter keepsSettings: whether the settings are kept in it, secrets included.
  init(
    of request: RolloutRequest, _ plan: ClusterPlan, for cluster: Cluster, forcesRestart: Bool,
    keepsSettings: Bool
  ) {
    let salt = Incarnation(random: RandomNumbers.word(), RandomNumbers.word()).hex
    format = Self.format
    self.cluster = cluster.inventory.cluster
    inventory = cluster.inventory.contentDigest.hex
    createdBy = cluster.connections.principal.author
    _createdAtMicroseconds = Bounded(wrappedValue: Clock.realtimeMicroseconds())
    self.salt = salt
    variables = request.changes.map(\.name).sorted()
    settingsDigest = Self.digest(of: request, salt)
    createKey = request.createKey
    changesPools = request.changesPools ?? false
    self.forcesRestart = forcesRestart
    settings = keepsSettings ? request.changes : nil
    nodes = plan.rows.compactMap { row in
      row.answer.map { Node(name: row.name, basis: Basis.values(of: $0, salt)) }
    }
  }

  private static func digest(of request: RolloutRequest, _ salt: String) -> String {
    Digest.ofFields(["keyturn plan settings 1", salt, request.proposal(cluster: "").hex]).hex
  }

  /// `2026-12-01T02:03:04Z by the operator anna`, for a message.
  var text: String { "\(CalendarTime.text(microseconds: createdAtMicroseconds)) by \(createdBy)" }

  // MARK: what it rests on

  /// What a node's answer rests on.
  enum Basis: String, CaseIterable {
    case file, result, generation, restart, unit, program, seal, keyManager, inventory, state
    case warnings

    /// What it is called in a message.
    var name: String {
      switch self {
      case .file: "the environment file"
      case .result: "the environment that the server would get"
      case .generation: "the last generation"
      case .restart: "why the server would have to restart"
      case .unit: "the server's unit"
      case .program: "the MinIO program"
      case .seal: "the sealed key"
      case .keyManager: "what the Key Managers tell"
      case .inventory: "the node's inventory"
      case .state: "the agent's state directory"
      case .warnings: "what the checks warn of"
      }
    }

    /// Whether its value is for people to read.
    var isText: Bool {
      switch self {
      case .generation, .restart, .seal, .keyManager, .inventory, .warnings: true
      case .file, .result, .unit, .program, .state: false
      }
    }

    static func values(of answer: PlanAnswer, _ salt: String) -> [String: String] {
      Dictionary(
        uniqueKeysWithValues: allCases.map { ($0.rawValue, $0.value(of: answer, salt)) })
    }

    private func value(of answer: PlanAnswer, _ salt: String) -> String {
      func salted(_ fields: [String?]) -> String {
        Digest.ofFields(["keyturn plan \(rawValue) 1", salt] + fields.map { $0 ?? "none" }).hex
      }
      return switch self {
      case .file: salted([answer.path, answer.before?.hex])
      case .result: salted([answer.after?.hex, answer.environmentDigest.hex])
      case .generation: "\(answer.generation)"
      case .restart: answer.restartReason.isEmpty ? "it need not" : answer.restartReason
      case .unit: answer.unit?.hex ?? "not told"
      case .program: salted([answer.programs?.installed?.digest.hex])
      case .seal:
        answer.seal.map { "\($0.keyName) in \($0.enclave)" }
          ?? (answer.lifted == nil ? "none" : "lifted")
      case .keyManager:
        [answer.keyManager, answer.identities?.present, answer.identities?.wanted]
          .compactMap(\.self).joined(separator: ", ")
      case .inventory: answer.inventory?.text ?? "not told"
      case .state: answer.incarnation?.hex ?? "not told"
      case .warnings:
        Set(answer.findings.filter { $0.severity > .note }.map(\.rule)).sorted()
          .joined(separator: " ")
      }
    }
  }

  // MARK: what is different

  /// Whether these settings, given again, are those of the plan; a sentence for each thing that is not.
  func differences(of request: RolloutRequest, forcesRestart: Bool) -> [String] {
    var found: [String] = []
    let names = request.changes.map(\.name).sorted()
    if names != variables {
      let (added, missing) = (Set(names).subtracting(variables), Set(variables).subtracting(names))
      if !added.isEmpty {
        found.append("the plan does not set or remove \(added.sorted().joined(separator: ", "))")
      }
      if !missing.isEmpty {
        found.append(
          "\(missing.sorted().joined(separator: ", ")) of the plan is not in the settings given")
      }
    } else if Self.digest(of: request, salt) != settingsDigest {
      found.append(
        "the settings given have another value of \(names.joined(separator: ", or of ")) than the plan's, or another --create-key"
      )
    }
    if forcesRestart && !self.forcesRestart { found.append("the plan was made without --restart") }
    if request.changesPools ?? false && !changesPools {
      found.append("the plan was made without --change-pools")
    }
    return found
  }

  /// The same for who applies it, and with which inventory.
  func differences(of cluster: Cluster) -> [String] {
    var found: [String] = []
    let (author, inventory) = (cluster.connections.principal.author, cluster.inventory)
    if self.cluster != inventory.cluster {
      found.append("the plan is of the cluster \(self.cluster), and not of \(inventory.cluster)")
    } else if self.inventory != inventory.contentDigest.hex {
      found.append("your inventory is another one than at the plan")
    }
    if createdBy != author {
      found.append("the plan was made by \(createdBy), and you are \(author)")
    }
    return found
  }

  /// What each node tells otherwise now, as a clause; nodes without a difference are left out.
  func differences(of plan: ClusterPlan) -> [(name: String, value: String)] {
    let then = Dictionary(nodes.map { ($0.name, $0.basis) }, uniquingKeysWith: { $1 })
    return plan.rows.flatMap { row -> [(name: String, value: String)] in
      guard let answer = row.answer else { return [] }
      guard let before = then[row.name] else { return [(row.name, "it was not in the plan")] }
      let now = Basis.values(of: answer, salt)
      return Basis.allCases.filter { before[$0.rawValue] != now[$0.rawValue] }.map { basis in
        let (old, new) = (before[basis.rawValue] ?? "not told", now[basis.rawValue] ?? "")
        return (
          row.name,
          basis.isText
            ? "\(basis.name) was \"\(old)\" and is \"\(new)\"" : "\(basis.name) is another one"
        )
      }
    }
      + nodes.filter { node in !plan.rows.contains { $0.name == node.name } }.map {
        ($0.name, "it is no node any more")
      }
  }
}
