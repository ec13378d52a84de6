// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import Linux
import Model
import Secrets
internal import Sockets
import StandInTransport
import Threads

/// A stand-in for the Key Manager, written from what is public about it (docs/facts.md,
/// "Key Manager paths" to "Key Manager errors").
///
/// `minkms server [--address [HOST]:PORT] [--host NAME] [--certs-dir DIR] [--peers HOST:PORT,...]
/// [--faults FILE] STATE_FILE`
@main enum Main {
  static func main() {
    Signals.prepare()
    let place: HostPort
    do {
      let options = try Options(Array(CommandLine.arguments.dropFirst()))
      let state = try State.load(options.stateFile)
      let cluster = try Cluster(
        secret: state.clusterSecret, peers: options.peers,
        authorities: "\(options.certificatesDirectory)/CAs")
      func pem(_ name: String) throws -> String {
        let path = "\(options.certificatesDirectory)/\(name)"
        return String(
          decoding: try FileReading.read(path, limitBytes: 1 << 20).bytes, as: UTF8.self)
      }
      func context(isOutdated: Bool) throws -> StandInTLSContext {
        try .acceptingAnyClient(
          certificatePEM: try pem("public.crt"), keyPEM: Secret(try pem("private.key")),
          isOutdated: isOutdated)
      }
      let server = try Server(
        on: options.address,
        Server.Identity(
          tls: try context(isOutdated: false), outdatedTLS: try context(isOutdated: true),
          host: options.host ?? hostName(), faultsFile: options.faultsFile),
        Commands(stateFile: options.stateFile, state, cluster))
      place = HostPort(host: server.listener.address.host, port: server.listener.address.port)
      try Thread.start("accept") { server.run() }
    } catch {
      log("minkms: \(error)")
      _exit(1)
    }
    log("=> Server is up and running on \(place.text)")
    while Signals.wait(until: nil) != .stop {}
    _exit(0)
  }

  static func log(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = write(2, line, line.count)
  }

  private static func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count)
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

struct Options {
  var address = HostPort(host: "0.0.0.0", port: 7373)
  var certificatesDirectory = "/etc/minkms/certs"
  var stateFile = ""
  /// The name that it gives itself; nil for the host's.
  var host: String?
  var peers: [HostPort] = []
  var faultsFile: String?

  struct Problem: Error, CustomStringConvertible { var description: String }

  init(_ arguments: [String]) throws(Problem) {
    guard arguments.first == "server" else { throw Problem(description: "no command 'server'") }
    var rest = arguments.dropFirst()
    while let argument = rest.popFirst() {
      switch argument {
      case "--address":
        let text = rest.popFirst() ?? ""
        // Port 0 is any free one.
        let any = text.hasSuffix(":0") ? HostPort(host: String(text.dropLast(2)), port: 0) : nil
        guard let place = any ?? HostPort(text.hasPrefix(":") ? "0.0.0.0" + text : text) else {
          throw Problem(description: "--address needs [HOST]:PORT")
        }
        address = place
      case "--certs-dir": certificatesDirectory = rest.popFirst() ?? ""
      case "--host": host = rest.popFirst()
      case "--faults": faultsFile = rest.popFirst()
      case "--peers":
        for text in (rest.popFirst() ?? "").split(separator: ",") {
          guard let peer = HostPort(String(text)) else {
            throw Problem(description: "--peers needs HOST:PORT,...")
          }
          peers.append(peer)
        }
      case _ where argument.hasPrefix("-"): throw Problem(description: "unknown flag \(argument)")
      default: stateFile = argument
      }
    }
    if stateFile.isEmpty { throw Problem(description: "no state file is named") }
  }
}
