// SPDX-License-Identifier: Apache-2.0
package import API
package import Coordination
package import Crypto
package import KeyManager
package import Linux
package import Model
package import Rollout
package import Secrets
package import ServerUnit
package import StartWatch
internal import Threads

// What the agent needs of the host that it runs on. Adapters implement these; tests give fakes.
// Everything here may block up to its deadline, and runs on threads of our own.

/// The files that the server's environment comes from, and their staged successors.
package protocol EnvironmentFilePort: Sendable {
  /// A file's bytes as systemd would get them; nil if there is none.
  func read(_ path: String) throws(Refusal) -> [UInt8]?
  /// A file's bytes as a running process would get them, in its own mount namespace; nil if there is none.
  func read(_ path: String, seenBy pid: Int32) throws(Refusal) -> [UInt8]?
  /// When a file's content, name, owner or mode last changed, microseconds since 1970-01-01 UTC; nil
  /// if there is none.
  func changed(_ path: String) throws(Refusal) -> Int64?
  /// The same of the file that a running process sees.
  func changed(_ path: String, seenBy pid: Int32) throws(Refusal) -> Int64?
  /// The way to a file, and who beside root and the account could change where it leads or what it says.
  func place(of path: String, for account: ServiceAccount) throws(Refusal) -> ConfigFilePlace
  /// The paths that an `EnvironmentFile=` names, in systemd's order: those of a pattern (glob(7)),
  /// or the one. Empty if there is none.
  func paths(matching pattern: String) throws(Refusal) -> [String]
  /// Why the file, or a parent directory, keeps the account from reading it; nil if nothing does.
  func obstacle(reading path: String, as account: ServiceAccount) throws(Refusal) -> String?
  /// Throws why the file could not be replaced by a staged one.
  func checkReplaceable(_ path: String) throws(Refusal)
  /// Puts a new version beside the file, durable, with the old one's owner, mode and labels.
  ///
  /// - Parameter owner: who gets a file that is new, with mode 0600; nil for root.
  func stage(
    _ bytes: [UInt8], at path: String, tag: String, before: Digest?, owner: ServiceAccount?
  ) throws(Refusal)
  /// Renames the staged version over the file if the file is still `before`; does nothing if it is
  /// `after` already.
  func install(at path: String, tag: String, before: Digest?, after: Digest) throws(Refusal)
  /// Makes the rename of a file durable.
  func syncDirectory(of path: String) throws(Refusal)
  /// Removes every staged version of a file but these. None there is no error.
  func discard(beside path: String, allExcept tags: [String]) throws(Refusal)
}

/// systemd, and in it the one unit of the server.
package protocol UnitPort: Sendable {
  /// The unit's properties now.
  func state(deadline: Instant) throws(Refusal) -> UnitState
  /// What systemd itself gives every service, and its version.
  func manager(deadline: Instant) throws(Refusal) -> ManagerState
  /// Queues a restart; returns as soon as systemd has taken it.
  func restart(deadline: Instant) throws(Refusal)
  /// Stops it; blocks until it has stopped, and throws if it has not at the deadline.
  func stop(deadline: Instant) throws(Refusal)
  /// Queues a start; returns as soon as systemd has taken it.
  func start(deadline: Instant) throws(Refusal)
  /// Forgets failed starts, so that the start limit does not refuse the next.
  func resetFailed(deadline: Instant) throws(Refusal)
  /// Blocks until a property differs from `state`, or the deadline (nil).
  func change(after state: UnitState, deadline: Instant) throws(Refusal) -> UnitState?
  /// The same for who waits without end: it costs nothing while nothing changes.
  func rest(after state: UnitState, deadline: Instant) throws(Refusal) -> UnitState?
}

/// The journal of the server's unit.
package protocol JournalPort: Sendable {
  /// The cursor of the last entry; nil if the journal is empty.
  func cursor() throws(Refusal) -> String?
  /// Delivers every entry after the cursor, on a thread of the adapter's, until the token is
  /// stopped.
  func follow(
    after cursor: String?, deliver: @escaping @Sendable (JournalEntry) -> Void
  ) throws(Refusal) -> any JournalSubscription
  /// Delivers every line of the files in the server's `--log-dir` that is of this time
  /// (microseconds since 1970) or later, on a thread of the adapter's, until the token is stopped;
  /// and why they cannot be read, whenever that happens.
  func follow(
    directory: String, since: Int64, deliver: @escaping @Sendable (JournalEntry) -> Void,
    fail: @escaping @Sendable (String) -> Void
  ) throws(Refusal) -> any JournalSubscription
  /// Entries after a cursor, or since a time; waits for the first until the deadline.
  func page(_ request: JournalRequest) throws(Refusal) -> JournalPage
}

/// A running delivery of journal entries.
package protocol JournalSubscription: Sendable {
  /// Ends the delivery; an entry that is being delivered is the last. Does not block.
  func stop()
}

/// Which entries of the journal are wanted.
package struct JournalRequest: Sendable, Hashable {
  package var start: LogsQuery.Start
  package var limit: Int
  /// How long to wait for the first.
  package var deadline: Instant
}

/// What a process has used since its start.
package struct ProcessUsage: Sendable, Hashable {
  /// On all processors, in user mode and in the kernel.
  package var processorMilliseconds: Int
  package var residentBytes: Int
  package var openDescriptors: Int
  /// When it was started, milliseconds since 1970-01-01 UTC.
  package var startedMilliseconds: Int

  package init(
    processorMilliseconds: Int, residentBytes: Int, openDescriptors: Int, startedMilliseconds: Int
  ) {
    self.processorMilliseconds = processorMilliseconds
    self.residentBytes = residentBytes
    self.openDescriptors = openDescriptors
    self.startedMilliseconds = startedMilliseconds
  }
}

/// The kernel, for what it knows of processes.
package protocol ProcessPort: Sendable {
  /// The environment that a process was started with.
  func environment(of pid: Int32) throws(Refusal) -> [EnvironmentVariable]
  /// The words that it was started with, its program first; nil where they are not to be had.
  func arguments(of pid: Int32) -> [String]?
  /// The home directory of a user; nil if there is no such user.
  func home(of user: String) -> String?
  /// The boot that CLOCK_BOOTTIME belongs to.
  func bootID() -> String
  /// What the agent's own process has used; nil if the kernel does not tell.
  func usage() -> ProcessUsage?
  /// What the file of a program is now, links followed, /proc/PID/exe among them; nil if there is none.
  func programMark(_ path: String) throws(Refusal) -> ProgramMark?
  /// What is in it. Reads all of it, however large, so that it disturbs nobody who reads; never runs it.
  func program(_ path: String, deadline: Instant) throws(Refusal) -> ProgramContent
}

/// Probes of what the server depends on, and of the server itself.
package protocol ProbePort: Sendable {
  /// Every endpoint of the settings, asked as the server would ask at its start, and for each of the key proofs.
  func keyManagers(
    _ settings: KeyManagerSettings, surroundings: ServerSurroundings, proofs: [KeyProof],
    deadline: Instant
  ) -> [EndpointReport]
  /// A new key proof, made by a Key Manager of the settings that opens those that are known, and opened once.
  func makeKeyProof(
    _ settings: KeyManagerSettings, surroundings: ServerSurroundings, known: [KeyProof],
    for binding: KeyProof.Binding, by node: String, deadline: Instant
  ) throws(Refusal) -> KeyProof
  /// Key Manager hosts without any settings: resolution, TCP, TLS, version and readiness.
  func keyManagers(
    at hosts: [HostPort], surroundings: ServerSurroundings, deadline: Instant
  ) -> [EndpointReport]
  /// The server on this host, as it can be recognised from elsewhere.
  func ownServer(_ server: ServerArguments, deadline: Instant) -> OwnServer
  /// One of the server's own health endpoints.
  func health(
    _ endpoint: HealthEndpoint, of server: ServerArguments, deadline: Instant
  ) -> HealthAnswer
  /// Whether the own server would take writes, asked as its root user for so many objects of a
  /// bucket that there is not; nothing is written.
  func takesWrites(
    _ server: ServerArguments, as credentials: AccessCredentials, bucket: String, objects: Int,
    deadline: Instant
  ) -> WriteAnswer
  /// What the own server says of its Key Manager, asked as its root user.
  func kmsStatus(
    _ server: ServerArguments, as credentials: AccessCredentials, deadline: Instant
  ) -> ServerKMSAnswer
}

/// The agent's durable records, each replaced atomically and checked when read.
package protocol RecordPort: Sendable {
  /// Where they are.
  var directory: String { get }
  /// What the start guard has left of a start of the server; nil if nothing.
  func guardEvidence(of invocation: String) throws(Refusal) -> [UInt8]?
  /// A record; nil if it was never written. A damaged one is an error that names it.
  func load(_ name: String) throws(Refusal) -> [UInt8]?
  /// Replaces a record, durable when it returns.
  func save(_ name: String, _ bytes: [UInt8]) throws(Refusal)
  /// Removes a record.
  func remove(_ name: String) throws(Refusal)
  /// The names of all records in a folder.
  func list(_ folder: String) throws(Refusal) -> [String]
}

/// The kernel, for what it tells of files.
package protocol FileWatchPort: Sendable {
  /// From now on these files are watched, and no others: absolute paths, or patterns as in
  /// EnvironmentFile=. None of them needs to exist.
  func watch(_ places: [String]) throws(Refusal)
  /// Blocks until one of them may have changed or `wake` was called (true), or the deadline (false).
  func wait(until deadline: Instant?) throws(Refusal) -> Bool
  /// Makes `wait` return.
  func wake()
  /// What a file is now, links followed.
  func mark(of path: String) throws(Refusal) -> FileMark
}

/// A message of the agent's that the journal's catalogue explains (systemd/keyturn.catalog).
package struct AgentEvent: Sendable {
  /// Its MESSAGE_ID, 32 hexadecimal digits.
  package var id: String
  package var priority: LogPriority
  /// One sentence, no secret in it.
  package var message: String
  /// Journal fields for programs, none of them a secret; those without a value count as not there.
  package var fields: [(name: String, value: String)]
}

/// The agents of the other nodes.
package protocol PeerPort: Sendable {
  /// Asks one of them, where the inventory has it, on a connection that is made for this question
  /// and ends with it. Blocks until the answer is there or the deadline has come. Safe from any
  /// thread.
  func call<Answer>(
    _ request: AgentRequest<Answer>, to node: Inventory.Node, deadline: Instant
  ) throws(LinkFailure) -> Answer
}

/// The witnesses on the Key Manager hosts.
package protocol WitnessPort: Sendable {
  /// What one of them, on this Key Manager's host, meets when it connects back. Safe from any thread.
  func ask(_ witness: Inventory.KeyManagerHost, _ request: WitnessRequest, deadline: Instant)
    throws(Refusal)
    -> WitnessReport
}

/// What a witness says, and what it showed.
package struct WitnessReport: Sendable {
  package var report: ReverseReport
  /// Nil where there is no TLS.
  package var certificate: OwnCertificate?

  package init(_ report: ReverseReport, certificate: OwnCertificate? = nil) {
    self.report = report
    self.certificate = certificate
  }
}

/// Why the host gives no thread. An alias, since Swift 6.3 counts no type behind `throws` of a
/// function type as a use of its import.
package typealias ThreadFailure = Errno

/// Starts a thread of a name that runs the body; throws if the host gives none.
package typealias StartThread =
  @Sendable (_ name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadFailure) -> Void

/// Everything that the agent needs of the host.
package struct Ports: Sendable {
  package var file: any EnvironmentFilePort
  package var unit: any UnitPort
  package var journal: any JournalPort
  /// Processes.
  package var process: any ProcessPort
  /// Probes.
  package var probe: any ProbePort
  package var records: any RecordPort
  /// Changes of files.
  package var watch: any FileWatchPort
  /// A message of the agent's that the catalogue explains.
  package var event: @Sendable (AgentEvent) -> Void
  package var peers: any PeerPort
  package var witnesses: any WitnessPort
  package var startThread: StartThread
  /// One line for the agent's own log.
  package var log: @Sendable (_ priority: LogPriority, _ message: String) -> Void

  package init(
    file: any EnvironmentFilePort, unit: any UnitPort, journal: any JournalPort,
    process: any ProcessPort, probe: any ProbePort, records: any RecordPort,
    peers: any PeerPort, witnesses: any WitnessPort, watch: any FileWatchPort,
    startThread: @escaping StartThread = { (name, body) throws(Errno) in
      try Thread.start(name, body)
    },
    event: @escaping @Sendable (AgentEvent) -> Void,
    log: @escaping @Sendable (_ priority: LogPriority, _ message: String) -> Void
  ) {
    self.startThread = startThread
    self.file = file
    self.unit = unit
    self.journal = journal
    self.process = process
    self.probe = probe
    self.records = records
    self.peers = peers
    self.witnesses = witnesses
    self.watch = watch
    self.event = event
    self.log = log
  }
}
