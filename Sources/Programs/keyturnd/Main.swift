// SPDX-License-Identifier: Apache-2.0
import Agent
import CBuild
import Glibc
import HTTPS
import Linux
import Model
import Probes
import Sockets
import Rollout
import Systemd
import TLS
import Threads

/// `keyturnd`: reads its configuration, wires the adapters to the agent, serves, and ends on
/// SIGTERM.
@main
enum Daemon {
  /// EX_USAGE and EX_CONFIG of sysexits.h: systemd does not start the agent again after these
  /// (`RestartPreventExitStatus=` of its unit).
  private static let (usageStatus, configurationStatus): (Int32, Int32) = (64, 78)
  /// EX_TEMPFAIL: something is not there yet, for example the port. systemd starts the agent again.
  private static let busyStatus: Int32 = 75

  static func main() {
    Signals.prepare()
    ProgramMemory.keepFromOthers()
    KeyMemory.lock()
    var environment: [String: String] = [:]
    for name in ["STATE_DIRECTORY", "RUNTIME_DIRECTORY"] + HandedSockets.variables {
      environment[name] = getenv(name).map { String(cString: $0) }
    }
    switch DaemonConfiguration.parse(
      Array(CommandLine.arguments.dropFirst()), environment: environment)
    {
    case .print(let text):
      write(1, text)
    case .usage(let problem):
      write(2, "keyturnd: \(problem); keyturnd --help shows the options\n")
      exit(usageStatus)
    case .atRest(let state): exit(AtRestOption.answer(state: state) { write(1, $0) })
    case .run(let configuration):
      do throws(Refusal) { try run(configuration) } catch {
        log(.error, error.message)
        switch error.code {
        case .configuration: exit(configurationStatus)
        case .busy: exit(busyStatus)
        default: exit(EXIT_FAILURE)
        }
      }
    }
  }

  private static func run(_ configuration: DaemonConfiguration) throws(Refusal) {
    let inventory = try configuration.inventory()
    let credentials = HostCredentials(
      issued: try configuration.context(), state: configuration.state, log: log)
    let principal = credentials.certificate.principal
    guard principal.cluster == inventory.cluster else {
      throw notInInventory(principal, configuration, inventory)
    }
    switch principal.role {
    case .node:
      let records = try records(configuration)
      let agreed = Agent.agreedInventory(in: records)
      guard
        let node = agreed?.node(named: principal.name) ?? inventory.node(named: principal.name)
          // One that has left says so, whatever its file says.
          ?? agreed.map({ _ in Inventory.Node(name: principal.name, address: principal.name) })
      else { throw notInInventory(principal, configuration, inventory) }
      try runNode(node, configuration, inventory, records, credentials)
    case .witness:
      let records = try records(configuration)
      let agreed = Agent.agreedInventory(in: records)
      guard let host = (agreed ?? inventory).keyManager(named: principal.name),
        let place = host.witnessPlace
      else { throw notInInventory(principal, configuration, inventory) }
      try runWitness(host, place, configuration, inventory, records, credentials)
    case .operator, .observer:
      throw Refusal(
        .configuration,
        "the certificate is for role \(principal.role.rawValue); an agent needs one for role node, or witness on a Key Manager host"
      )
    }
  }

  private static func notInInventory(
    _ principal: Principal, _ configuration: DaemonConfiguration, _ inventory: Inventory
  ) -> Refusal {
    let what =
      principal.role == .witness ? "keyManagers have no such host with a witness" : "is not"
    return Refusal(
      .configuration,
      "the certificate is for \(principal.role.rawValue) \(principal.name) of cluster \(principal.cluster), which \(what) in \(configuration.inventoryPath) (cluster \(inventory.cluster))"
    )
  }

  private static var build: String { Version.build(of: String(cString: kt_commit())) }

  /// Once the port is this agent's: one that cannot serve has nothing to tell.
  private static func tellState(_ configuration: DaemonConfiguration) {
    do throws(Refusal) { try configuration.tellState() } catch {
      log(.warning, "\(error.message); commands of root on this host look into /var/lib/keyturn")
    }
  }

  private static func runNode(
    _ node: Inventory.Node, _ configuration: DaemonConfiguration, _ inventory: Inventory,
    _ records: HostRecords, _ credentials: HostCredentials
  ) throws(Refusal) {
    let agent = Agent(
      node: node.name, inventory: inventory, version: AgentVersion(build),
      ports: try ports(inventory, records, credentials), credentials: credentials)
    let listener = try configuration.listener(port: node.agentPlace?.port)
    tellState(configuration)
    agent.start()
    let server = try serve(
      listener, credentials, bounds: .agent, policy: .agent(agent, log))
    // What was under way is finished before the server may start with the wrong file; the other
    // agents may need this one for that, so it serves already.
    agent.catchUp(until: .inMilliseconds(10_000))
    let local = serveLocally(agent, configuration)
    try agent.watch()
    serveUntilTheEnd(
      server, local: local, "\(inventory.cluster)/\(node.name)", credentials,
      isResponsive: { agent.isResponsive }, isAtRest: { agent.isAtRest })
  }

  /// A Key Manager host: no bus, no file of MinIO's.
  private static func runWitness(
    _ host: Inventory.KeyManagerHost, _ place: HostPort, _ configuration: DaemonConfiguration,
    _ inventory: Inventory, _ records: HostRecords, _ credentials: HostCredentials
  ) throws(Refusal) {
    let witness = Witness(
      name: host.name, inventory: inventory, records: records, version: build,
      credentials: credentials,
      reach: HostReach(identity: credentials.identity),
      peers: HostPeers(cluster: inventory.cluster, identity: credentials.identity), log: log)
    let server = try serve(
      configuration.listener(port: place.port), credentials, bounds: .witness,
      policy: .witness(witness, log))
    tellState(configuration)
    try witness.watch()
    serveUntilTheEnd(
      server, local: nil, "\(inventory.cluster)/\(host.name) as a witness", credentials,
      isResponsive: { witness.isResponsive }, isAtRest: { witness.isAtRest })
  }

  private static func serve(
    _ listener: Listener, _ credentials: HostCredentials, bounds: HTTPSServer.Bounds,
    policy: ServingPolicy
  ) throws(Refusal) -> HTTPSServer {
    do throws(Errno) {
      let identity = credentials.identity
      let server = try HTTPSServer.start(
        listener: listener, identity: identity, bounds: bounds, policy: policy,
        log: { log(.warning, $0) })
      credentials.whenRefused { server.cutRefused(identity) }
      return server
    } catch { throw Refusal(.failed, "start the server: \(error)") }
  }

  private static func serveUntilTheEnd(
    _ server: HTTPSServer, local: HTTPSServer?, _ name: String, _ credentials: HostCredentials,
    isResponsive: () -> Bool, isAtRest: () -> Bool
  ) {
    Notify.ready(status: "serving \(name) on \(server.address)")
    log(.information, "keyturnd \(Version.text) serves \(name)")
    let now = Clock.realtimeMicroseconds() / 1_000_000
    if let finding = credentials.certificate.finding(at: now) { log(.warning, finding.statement) }
    ProgramMemory.releaseAtRest()
    waitForTheEnd(isResponsive, isAtRest)
    Notify.stopping()
    local?.stop(until: .inMilliseconds(100))
    server.stop(until: .inMilliseconds(700))
    // Threads that wait for the Key Manager or the journal end with the process: what matters is in
    // the records. Not exit(3): its handlers would take OpenSSL away from under them.
    _exit(EXIT_SUCCESS)
  }

  /// The local socket. Without it everything but `keyturn propose` works; nil then, and it is said.
  private static func serveLocally(
    _ agent: Agent, _ configuration: DaemonConfiguration
  ) -> HTTPSServer? {
    var bounds = HTTPSServer.Bounds()
    bounds.connections = .init(places: Limits.localConnections, perHolder: Limits.localConnections)
    do {
      return try HTTPSServer.start(
        local: Listener.bind(local: configuration.socket), user: geteuid(), bounds: bounds,
        log: { log(.warning, $0) }, handler: { agent.answerLocally($0) })
    } catch {
      log(
        .error,
        "\(error); keyturn propose does not work on this host (RuntimeDirectory= of keyturnd.service)"
      )
      return nil
    }
  }

  /// A state directory that is wrong stays wrong.
  private static func records(_ configuration: DaemonConfiguration) throws(Refusal) -> HostRecords {
    do { return try HostRecords(directory: configuration.state) } catch {
      throw Refusal(.configuration, "\(error)")
    }
  }

  /// What the agent needs of its host. What is not there now may be in a moment, so systemd tries
  /// again.
  private static func ports(
    _ inventory: Inventory, _ records: HostRecords, _ credentials: HostCredentials
  ) throws(Refusal) -> Ports {
    do {
      return Ports(
        file: HostEnvironmentFile(),
        unit: HostUnit(bus: try SystemBus(), name: inventory.unit),
        journal: HostJournal(unit: inventory.unit), process: try HostProcess(),
        probe: HostProbe(), records: records,
        peers: HostPeers(cluster: inventory.cluster, identity: credentials.identity),
        witnesses: HostWitnesses(cluster: inventory.cluster, identity: credentials.identity),
        watch: try HostFileWatch(),
        event: tell, log: log)
    } catch {
      throw Refusal(.busy, "\(error); systemd starts keyturnd again until this works")
    }
  }

  /// Blocks until SIGTERM or SIGINT. Tells the watchdog that the agent's state can still be had.
  private static func waitForTheEnd(_ isResponsive: () -> Bool, _ isAtRest: () -> Bool) {
    let interval = Notify.watchdogIntervalMicroseconds.map { Int($0 / 2000) }
    while true {
      switch Signals.wait(until: interval.map { .inMilliseconds($0) }) {
      case .stop: return
      case .reload:
        log(
          .notice,
          "SIGHUP: nothing to reload; keyturn inventory apply changes the inventory without a restart"
        )
      case nil:
        if isResponsive() { Notify.watchdog() }
        if isAtRest() { ProgramMemory.releaseAtRest() }
      }
    }
  }

  /// A message with its fields to the journal, or as a line where there is none.
  @Sendable private static func tell(_ event: AgentEvent) {
    let isSent = JournalMessage.send(
      id: event.id, priority: event.priority, event.message, fields: event.fields)
    if !isSent { log(event.priority, event.message) }
  }

  /// One line to standard error, which journald takes with its priority.
  @Sendable private static func log(_ priority: LogPriority, _ message: String) {
    write(2, "<\(priority.rawValue)>\(message.split(separator: "\n").joined(separator: " | "))\n")
  }

  private static func write(_ descriptor: Int32, _ text: String) {
    let bytes = Array(text.utf8)
    _ = Glibc.write(descriptor, bytes, bytes.count)
  }
}
