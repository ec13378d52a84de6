// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model
package import Rollout
internal import Secrets

/// What a node tells of its server and of itself, so that all nodes can be judged as one cluster
/// (``ClusterHealth``).
package struct NodeReport: Sendable, Codable, Hashable {
  /// What systemd says of the server's unit.
  package struct Unit: Sendable, Codable, Hashable {
    /// `loaded`, `masked`, `not-found`, ...
    package var loadState: String
    /// `active`, `activating`, `failed`, ...
    package var activeState: String
    /// `running`, `start`, `auto-restart`, `dead`, ...
    package var subState: String
    /// How it ended last: `success`, `exit-code`, `start-limit-hit`, ...
    package var result: String
    /// Whether its main process runs.
    package var isRunning: Bool

    package init(
      loadState: String = "loaded", activeState: String = "active", subState: String = "running",
      result: String = "success", isRunning: Bool = true
    ) {
      self.loadState = loadState
      self.activeState = activeState
      self.subState = subState
      self.result = result
      self.isRunning = isRunning
    }

    /// Whether the server runs and systemd has been told that it is READY.
    package var isReady: Bool {
      isRunning && ["active", "reloading", "refreshing"].contains(activeState)
    }
  }

  /// The MINIO_* variables that all nodes must have alike.
  package struct Environment: Sendable, Codable, Hashable {
    /// Over all of them.
    package var digest: Digest
    /// Each of them; for an observer without those whose values may be secrets.
    package var variables: [NamedDigest]
    /// Those in whose values there is a password, for example in a URL, although their names do not say so; nil for
    /// none, and from an agent that is older.
    package var withPasswords: [String]?

    package init(digest: Digest, variables: [NamedDigest], withPasswords: [String]? = nil) {
      self.digest = digest
      self.variables = variables
      self.withPasswords = withPasswords
    }

    /// Those whose values are known to have no secret in them.
    fileprivate var open: [NamedDigest] {
      variables.filter {
        !SecretVariables.contains($0.name) && withPasswords?.contains($0.name) != true
      }
    }
  }

  /// Nil if it could not be read.
  package var unit: Unit?
  /// Of the running server; nil if none runs, or if it is not known.
  package var running: Environment?
  /// Of what a start would run with; nil if it is not known.
  package var files: Environment?
  /// The parts of the agent's inventory.
  package var inventory: [NamedDigest]
  /// The number of the last confirmed generation; 0 if there is none.
  @Bounded<Bounds.Generation> package var generation: Int
  /// The seal's digest; nil if nothing is sealed.
  package var seal: Digest?
  /// Whether every start goes through the start guard; nil if it is not known.
  package var hasStartGuard: Bool?
  /// The server's programs; nil if they are not known.
  package var programs: ServerPrograms?
  /// The rollout whose file and restart are under way here; nil if none is.
  package var restartsIn: String?
  /// The number of the agreed inventory that it goes by; nil from an agent that is older.
  @BoundedIfPresent<Bounds.Count> package var inventoryNumber: Int?
  /// The agent's; nil from one that is older and does not tell.
  package var version: AgentVersion?
  /// The number of its list of revoked certificates; nil if it has none.
  @BoundedIfPresent<Bounds.Count> package var revocations: Int?

  package init(
    unit: Unit?, running: Environment? = nil, files: Environment? = nil,
    inventory: [NamedDigest] = [], generation: Int = 0, seal: Digest? = nil,
    hasStartGuard: Bool? = nil, programs: ServerPrograms? = nil, restartsIn: String? = nil
  ) {
    _revocations = BoundedIfPresent(wrappedValue: nil)
    _inventoryNumber = BoundedIfPresent(wrappedValue: nil)
    self.programs = programs
    self.unit = unit
    self.running = running
    self.files = files
    self.inventory = inventory
    self.generation = generation
    self.seal = seal
    self.hasStartGuard = hasStartGuard
    self.restartsIn = restartsIn
  }

  /// What an observer may know: of a secret that somebody could guess, its digest is enough to try the guesses.
  package var forObserver: NodeReport {
    func open(_ environment: Environment?) -> Environment? {
      environment.map { whole in
        Environment(digest: whole.digest, variables: whole.open)
      }
    }
    var report = self
    (report.running, report.files) = (open(running), open(files))
    return report
  }
}

extension NodeReport {
  /// What may be stored by whoever keeps a command's output: no digest of a secret's value, nor of anything that has
  /// one in it. Whether secrets are the same on all nodes, ``ClusterHealth`` says.
  package var forOutput: NodeReport {
    func open(_ environment: Environment?) -> Environment? {
      environment.map { whole in
        Environment(
          digest: .ofFields(
            ["keyturn open variables 1"] + whole.open.flatMap { [$0.name, $0.digest.hex] }),
          variables: whole.open)
      }
    }
    var report = self
    (report.running, report.files) = (open(running), open(files))
    return report
  }

  /// Whether systemd knows the server's unit; true where that is not known.
  var isUnitLoaded: Bool { unit.map { $0.loadState == "loaded" } ?? true }
}
