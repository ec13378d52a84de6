// SPDX-License-Identifier: Apache-2.0
import CBuild
import Files
import Glibc
import JSONCoding
import Model
import Secrets
import Sockets
import TLS

/// What the daemon is started with.
struct DaemonConfiguration {
  static let help = """
    keyturnd: the agent of one AIStor node, or a witness (systemd starts it: systemctl status keyturnd)

    usage: keyturnd [--inventory FILE] [--credentials DIR] [--state DIR] [--listen HOST:PORT]
                    [--socket PATH]
           keyturnd --at-rest [--state DIR]

      --inventory FILE    the cluster's inventory       (/etc/keyturn/inventory.json)
      --credentials DIR   ca.pem, cert.pem, key.pem     (/etc/keyturn/credentials)
      --state DIR         durable records, 0700         ($STATE_DIRECTORY, else /var/lib/keyturn)
                          /run/keyturn/state says which, for keyturn on this host (not with --credentials)
      --listen HOST:PORT  where to serve, unless systemd hands over a socket (keyturnd.socket)
                                                        (every address, the port in the inventory)
      --socket PATH       where to serve keyturn propose ($RUNTIME_DIRECTORY, else /run/keyturn, agent.sock)
      --at-rest           only say whether the node is in a rollout, by its records: 0 no, 1 yes, 2 not known
      --version, --help

    The agent finds itself in the inventory by the name in its certificate (role node). On a Key Manager host
    (role witness) it only tells the nodes whether they can be reached from there.
    exit codes: 0 ended by SIGTERM, 64 usage, 75 something that it needs is not there now (its port, the system
    bus): systemd tries again, 78 its configuration is bad

    """

  var inventoryPath = "/etc/keyturn/inventory.json"
  private static let credentials = "/etc/keyturn/credentials"
  var credentials = DaemonConfiguration.credentials
  var state = "/var/lib/keyturn"
  var listen: HostPort?
  static let socket = "/run/keyturn/agent.sock"
  /// Where the commands of root look, in a directory that is root's alone.
  private static let statePlace = "/run/keyturn/state"
  var socket = DaemonConfiguration.socket
  /// Where the service manager says which sockets it has handed over (sd_listen_fds(3)).
  var handed: [String: String] = [:]

  /// What the arguments ask for.
  enum Request {
    case run(DaemonConfiguration)
    /// Whether the records in this directory are of a rollout that has not ended.
    case atRest(state: String)
    case print(String)
    case usage(String)
  }

  static func parse(_ arguments: [String], environment: [String: String]) -> Request {
    var configuration = DaemonConfiguration()
    // systemd may name several directories, separated by colons; ours is the first.
    if let directory = environment["STATE_DIRECTORY"]?.split(separator: ":").first {
      configuration.state = String(directory)
    }
    if let directory = environment["RUNTIME_DIRECTORY"]?.split(separator: ":").first {
      configuration.socket = "\(directory)/agent.sock"
    }
    configuration.handed = environment.filter { HandedSockets.variables.contains($0.key) }
    var asksForRest = false
    var rest = arguments[...]
    while let option = rest.popFirst() {
      switch option {
      case "--help", "-h": return .print(help)
      case "--version":
        return .print(Version.line(of: "keyturnd", commit: String(cString: kt_commit())) + "\n")
      case "--at-rest": asksForRest = true
      case "--inventory", "--credentials", "--state", "--listen", "--socket":
        guard let value = rest.popFirst() else { return .usage("\(option) needs a value") }
        switch option {
        case "--inventory": configuration.inventoryPath = value
        case "--credentials": configuration.credentials = value
        case "--state": configuration.state = value
        case "--socket": configuration.socket = value
        default:
          guard let listen = HostPort(value, defaultPort: Inventory.defaultAgentPort) else {
            return .usage("--listen \(value) is not HOST:PORT")
          }
          configuration.listen = listen
        }
      default: return .usage("unknown argument \(option)")
      }
    }
    return asksForRest ? .atRest(state: configuration.state) : .run(configuration)
  }

  /// Says to the commands of root beside the agent where its state is: as they use its credentials, they must use what
  /// these were renewed by. Another agent on the host, with credentials of its own, says nothing. Blocks on the disk.
  func tellState() throws(Refusal) {
    if credentials != Self.credentials || socket != Self.socket { return }
    do {
      try NewFile.replace(
        Self.statePlace, Array("\(try NewFile.absolute(state))\n".utf8), mode: 0o600)
    } catch {
      // What another one has said is not so any more.
      _ = unlink(Self.statePlace)
      throw Refusal(.file, "\(error)")
    }
  }

  func inventory() throws(Refusal) -> Inventory {
    do throws(FileFailure) {
      let file = try FileReading.read(inventoryPath, limitBytes: Limits.inventoryFileBytes)
      let inventory: Inventory
      do throws(JSONFailure) { inventory = try JSON.decode(Inventory.self, from: file.bytes) } catch
      {
        throw FileFailure(.invalid, inventoryPath, "read \(inventoryPath): \(error)")
      }
      if let problem = inventory.problems().first {
        throw FileFailure(.invalid, inventoryPath, "read \(inventoryPath): \(problem)")
      }
      return inventory
    } catch { throw Refusal(.configuration, error.message) }
  }

  func context() throws(Refusal) -> TLSContext {
    func read(_ name: String, secret: Bool) throws(FileFailure) -> String {
      let path = "\(credentials)/\(name)"
      let file = try FileReading.read(path, limitBytes: 64 << 10)
      if secret && file.facts.mode & 0o077 != 0 {
        throw FileFailure(
          .notPermitted, path, "read \(path): others than its owner can read it; chmod 600 \(path)")
      }
      return String(decoding: file.bytes, as: UTF8.self)
    }
    do {
      return try TLSContext.mutual(
        certificatePEM: read("cert.pem", secret: false),
        keyPEM: Secret(read("key.pem", secret: true)), caPEM: read("ca.pem", secret: false))
    } catch {
      throw Refusal(
        .configuration,
        "the credentials in \(credentials): \(error); `keyturn pki issue` makes a set")
    }
  }
}
