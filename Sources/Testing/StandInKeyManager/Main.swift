import Glibc
import KeyManager
import LinuxIO
import Model
import TLS

/// A stand-in for the Key Manager, written from what is public about it (facts, section B).
///
/// `minkms server [--address [HOST]:PORT] [--certs-dir DIR] STATE_FILE`
@main enum Main {
  static func main() {
    Signals.prepare()
    do {
      let options = try Options(Array(CommandLine.arguments.dropFirst()))
      let commands = try Commands(stateFile: options.stateFile)
      func pem(_ name: String) throws -> String {
        let path = "\(options.certificatesDirectory)/\(name)"
        return String(
          decoding: try FileReading.read(path, limitBytes: 1 << 20).bytes, as: UTF8.self)
      }
      let tls = try StandInTLSContext.acceptingAnyClient(
        certificatePEM: try pem("public.crt"), keyPEM: Secret(try pem("private.key")))
      let server = try Server(on: options.address, tls, commands)
      try Thread.start("accept") { server.run() }
    } catch {
      log("minkms: \(error)")
      _exit(1)
    }
    log("=> Server is up and running...")
    while Signals.wait(until: nil) != .stop {}
    _exit(0)
  }

  static func log(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = write(2, line, line.count)
  }
}

/// The command line.
struct Options {
  var address = HostPort(host: "0.0.0.0", port: 7373)
  var certificatesDirectory = "/etc/minkms/certs"
  var stateFile = ""

  /// What is wrong with it.
  struct Problem: Error, CustomStringConvertible { var description: String }

  init(_ arguments: [String]) throws(Problem) {
    guard arguments.first == "server" else { throw Problem(description: "no command 'server'") }
    var rest = arguments.dropFirst()
    while let argument = rest.popFirst() {
      switch argument {
      case "--address":
        let text = rest.popFirst() ?? ""
        guard let place = HostPort(text.hasPrefix(":") ? "0.0.0.0" + text : text) else {
          throw Problem(description: "--address needs [HOST]:PORT")
        }
        address = place
      case "--certs-dir": certificatesDirectory = rest.popFirst() ?? ""
      case _ where argument.hasPrefix("-"): throw Problem(description: "unknown flag \(argument)")
      default: stateFile = argument
      }
    }
    if stateFile.isEmpty { throw Problem(description: "no state file is named") }
  }
}
