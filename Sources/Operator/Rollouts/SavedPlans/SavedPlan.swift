// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Crypto
internal import KeyManager
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
  /// Whether servers would be restarted.
  var restartsServers: Bool
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
    restartsServers = plan.restartsServers(request, isForced: forcesRestart)
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
    case consent

    /// Of a value that the node did not tell.
    static let unknown = "not known"
    /// The rules of findings that somebody agrees to who goes on. Others come and go, and change nothing of what is done.
    private static let consented: Set = [
      "volumes-pools", "volumes-pools-text", "volumes-pools-unknown", "volumes-pools-before",
      KeySourceChange.lesserRule, KeyProofs.missingRule,
    ]

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
      case .consent: "what has to be agreed to"
      }
    }

    /// Whether its value is for people to read.
    var isText: Bool {
      switch self {
      case .generation, .restart, .seal, .keyManager, .inventory, .consent: true
      case .file, .result, .unit, .program, .state: false
      }
    }

    /// The longest text of a value in a message, bytes.
    private static let shownBytes = 300

    /// What is said of two values that differ.
    func difference(_ old: String?, _ new: String?) -> String {
      let (old, new) = (old ?? Self.unknown, new ?? Self.unknown)
      if isText {
        let (then, now) = (old.cut(toBytes: Self.shownBytes), new.cut(toBytes: Self.shownBytes))
        return "\(name) was \"\(then)\" and is \"\(now)\""
      }
      if old == Self.unknown { return "\(name) was not known at the plan" }
      return "\(name) is \(new == Self.unknown ? "not known now" : "another one")"
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
      case .restart:
        [answer.restartReason, answer.whyRestart ?? ""].filter { !$0.isEmpty }
          .reduce(into: []) { if !$0.contains($1) { $0.append($1) } }.joined(separator: "; ")
      case .unit: answer.unit.map { salted([$0.hex]) } ?? Self.unknown
      case .program: answer.programs?.installed.map { salted([$0.digest.hex]) } ?? Self.unknown
      case .seal:
        answer.seal.map { "\($0.keyName) in \($0.enclave)" }
          ?? (answer.lifted == nil ? "none" : "lifted")
      case .keyManager:
        [answer.keyManager, answer.identities?.present, answer.identities?.wanted]
          .compactMap(\.self).joined(separator: ", ")
      case .inventory: answer.inventory?.text ?? Self.unknown
      case .state: answer.incarnation?.hex ?? Self.unknown
      case .consent:
        answer.findings.filter { Self.consented.contains($0.rule) }.map(\.message)
          .joined(separator: "; ")
      }
    }
  }

  // MARK: what is different

  /// The longest name of a cluster or a person in it, bytes.
  private static let nameBytes = 300

  /// Why it cannot be used, whoever has written it; nil if it can.
  var problem: String? {
    if nodes.count > Limits.inventoryNodes || variables.count > Limits.settingsInChange {
      return "it has more nodes or variables than there can be"
    }
    if Set(nodes.map(\.name)).count < nodes.count { return "it names a node twice" }
    if let name = nodes.map(\.name).first(where: { Name.problem(in: $0) != nil }) {
      return "\"\(name.cut(toBytes: Limits.nameInMessageBytes))\" is no name of a node"
    }
    if [cluster, createdBy].contains(where: { $0.utf8.count > Self.nameBytes }) {
      return "a name in it is too long"
    }
    let words = Set(nodes.flatMap(\.basis.keys))
    if let word = words.first(where: { Basis(rawValue: $0) == nil }) {
      return
        "it rests on \"\(word.cut(toBytes: Limits.nameInMessageBytes))\", which this program does not know: plan again with the program that applies"
    }
    return nil
  }

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
    // What it allows is said again: whoever can write the file must not be able to say it.
    for (option, then, now) in [
      ("--restart", self.forcesRestart, forcesRestart),
      ("--change-pools", changesPools, request.changesPools ?? false),
    ] where then != now {
      found.append(
        then
          ? "the plan was made with \(option): give it again"
          : "the plan was made without \(option)")
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

  /// The same for what becomes of the servers.
  func differences(restartsServers: Bool) -> [String] {
    if restartsServers == self.restartsServers { return [] }
    return [
      restartsServers
        ? "the plan restarts no server, and all would be restarted now"
        : "the plan restarts all servers, and none would be restarted now"
    ]
  }

  /// What each node tells otherwise now, as a clause; nodes without a difference are left out.
  func differences(of plan: ClusterPlan) -> [(name: String, value: String)] {
    let then = Dictionary(nodes.map { ($0.name, $0.basis) }, uniquingKeysWith: { $1 })
    return plan.rows.flatMap { row -> [(name: String, value: String)] in
      guard let answer = row.answer else { return [] }
      guard let before = then[row.name] else { return [(row.name, "it was not in the plan")] }
      let now = Basis.values(of: answer, salt)
      return Basis.allCases.filter { before[$0.rawValue] != now[$0.rawValue] }.map { basis in
        return (row.name, basis.difference(before[basis.rawValue], now[basis.rawValue]))
      }
    }
      + Set(then.keys).subtracting(plan.rows.map(\.name)).sorted().map {
        ($0, "it is no node any more")
      }
  }
}
