import Agent
import Glibc
import HTTPS
import LinuxIO
import Model
import Probes
import Systemd
import TLS

/// `keyturnd`: reads its configuration, wires the adapters to the agent, serves, and ends on
/// SIGTERM.
@main
enum Daemon {
  static func main() {
    Signals.prepare()
    let environment = ["STATE_DIRECTORY": getenv("STATE_DIRECTORY").map { String(cString: $0) }]
      .compactMapValues(\.self)
    switch Configuration.parse(Array(CommandLine.arguments.dropFirst()), environment: environment) {
    case .print(let text):
      write(1, text)
    case .usage(let problem):
      write(2, "keyturnd: \(problem); keyturnd --help tells what there is\n")
      exit(ExitCode.usage.rawValue)
    case .run(let configuration):
      do throws(Refusal) { try run(configuration) } catch {
        log(3, error.message)
        exit(error.code.exitCode.rawValue)
      }
    }
  }

  private static func run(_ configuration: Configuration) throws(Refusal) {
    let inventory = try configuration.inventory()
    let context = try configuration.context()
    let principal = context.principal
    guard principal.role == .node else {
      throw Refusal(
        .configuration,
        "the certificate is for role \(principal.role.rawValue); an agent needs one for role node")
    }
    guard principal.cluster == inventory.cluster, let node = inventory.node(named: principal.name)
    else {
      throw Refusal(
        .configuration,
        "the certificate is for \(principal.name) of cluster \(principal.cluster), which is not in \(configuration.inventoryPath) (cluster \(inventory.cluster))"
      )
    }
    let agent = Agent(
      node: node.name, inventory: inventory, version: Version.text,
      ports: try ports(configuration, inventory, context))
    let listener = try listen(configuration, node)
    agent.start()
    let server: HTTPSServer
    do throws(Errno) {
      server = try HTTPSServer.start(
        listener: listener, context: context, log: { log(4, $0) },
        handler: { request, principal, _ in agent.answer(request, from: principal) })
    } catch { throw Refusal(.failed, "start the server: \(error)") }
    // What was under way is finished before the server may start with the wrong file; the other
    // agents may need this one for that, so it serves already.
    agent.settle(until: .inMilliseconds(10_000))
    try agent.keepSealInBackground()
    try agent.watchDrift()
    Notify.ready(status: "serving \(inventory.cluster)/\(node.name) on \(server.address)")
    log(6, "keyturnd \(Version.text) serves \(inventory.cluster)/\(node.name)")
    ProgramMemory.releaseAtRest()
    waitForTheEnd(agent)
    Notify.stopping()
    server.stop(until: .inMilliseconds(700))
    // Threads that wait for the Key Manager or the journal end with the process: what matters is in
    // the records. Not exit(3): its handlers would take OpenSSL away from under them.
    _exit(ExitCode.done.rawValue)
  }

  private static func ports(
    _ configuration: Configuration, _ inventory: Inventory, _ context: TLSContext
  ) throws(Refusal) -> Ports {
    do {
      return Ports(
        file: HostEnvironmentFile(),
        unit: HostUnit(bus: try SystemBus(), name: inventory.unit),
        journal: HostJournal(unit: inventory.unit), process: try HostProcess(),
        probe: HostProbe(), records: try HostRecords(directory: configuration.state),
        peers: HostPeers(inventory: inventory, context: context), watch: try HostFileWatch(),
        event: tell, log: log)
    } catch {
      throw Refusal(.configuration, "\(error)")
    }
  }

  private static func listen(
    _ configuration: Configuration, _ node: Inventory.Node
  ) throws(Refusal) -> Listener {
    let port =
      HostPort(node.address, defaultPort: Inventory.defaultAgentPort)?.port
      ?? Inventory.defaultAgentPort
    let places =
      configuration.listen.map { [$0] } ?? [
        HostPort(host: "::", port: port), HostPort(host: "0.0.0.0", port: port),
      ]
    var failure = ""
    for place in places {
      do throws(SocketFailure) { return try Listener.bind(place) } catch { failure = "\(error)" }
    }
    throw Refusal(.configuration, "\(failure); is another program on that port?")
  }

  /// Blocks until SIGTERM or SIGINT. Tells the watchdog that the agent's state can still be had.
  private static func waitForTheEnd(_ agent: Agent) {
    let interval = Notify.watchdogIntervalMicroseconds.map { Int($0 / 2000) }
    while true {
      switch Signals.wait(until: interval.map { .inMilliseconds($0) }) {
      case .stop: return
      case .reload:
        log(
          5,
          "SIGHUP: nothing to reload; systemctl restart keyturnd reads the inventory anew and loses nothing"
        )
      case nil:
        if agent.isResponsive { Notify.watchdog() }
        if agent.isAtRest { ProgramMemory.releaseAtRest() }
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
  @Sendable private static func log(_ priority: Int, _ message: String) {
    write(2, "<\(priority)>\(message.split(separator: "\n").joined(separator: " | "))\n")
  }

  private static func write(_ descriptor: Int32, _ text: String) {
    let bytes = Array(text.utf8)
    _ = Glibc.write(descriptor, bytes, bytes.count)
  }
}
