// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import Linux
internal import Secrets
import Systemd
import Threads

/// A stand-in for the AIStor server, written from what is public about it: enough of its start, its
/// messages, its health endpoints, its S3 and its KMS API for the lab.
@main enum Main {
  static func main() {
    Signals.prepare()
    var values: [String: String] = [:]
    for variable in (try? ProcessEnvironment.read(pid: getpid())) ?? [] {
      values[variable.name] = variable.value
    }
    let words = Array(CommandLine.arguments.dropFirst())
    if words == ["--version"] {
      print("minio version RELEASE.2026-01-01T00-00-00Z (stand-in)\nLicense: MinIO AIStor License")
      return
    }
    do throws(ServerArguments.Problem) {
      let arguments = try ServerArguments(words, home: values["HOME"] ?? "/")
      if arguments.pools.isEmpty { throw ServerArguments.Problem(text: "no drive is named") }
      let environment = ServerEnvironment(values)
      let behaviour = Behaviour()
      let console = Console(
        json: arguments.json, quiet: arguments.quiet, logDirectory: arguments.logDirectory,
        isOld: behaviour.text("wording") == "old")
      let thread = try? Thread.start("server") {
        var server = Server(arguments, environment, console, behaviour)
        server.start()
      }
      if thread == nil { console.fatal("Unable to start the server: ", "no thread") }
      while Signals.wait(until: nil) != .stop {}
      console.info("Exiting on signal: TERMINATED")
      Notify.stopping()
      while behaviour.has("hang-stop") { Clock.sleep(until: .inMilliseconds(60_000)) }
      _exit(0)
    } catch {
      let usage = "Incorrect Usage: \(error.text)\n\nUSAGE:\n  minio server [FLAGS] DIR...\n"
      _ = write(2, usage, usage.utf8.count)
      _exit(1)
    }
  }
}
