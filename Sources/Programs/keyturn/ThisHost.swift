// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import HTTPS
import Linux
import Model
import Operator
import Sockets

/// The host that the command runs on, as it joins a cluster.
struct ThisHost: JoiningHost {
  private static let unit = "keyturnd.service"

  func put(_ path: String, _ bytes: [UInt8], mode: UInt32) throws(Refusal) {
    do throws(FileFailure) {
      for directory in Self.directories(of: path) {
        if let problem = try FileTrust.problem(of: directory) {
          throw FileFailure(
            .notPermitted, directory, "\(problem): take that right away (chmod go-w)")
        }
        try NewFile.makeDirectory(
          directory, mode: directory.hasSuffix("/credentials") ? 0o700 : 0o755)
      }
      try NewFile.replace(path, bytes, mode: mode)
    } catch { throw Refusal(.failed, error.message) }
  }

  func putRecord(_ path: String, _ bytes: [UInt8]) throws(Refusal) {
    do throws(FileFailure) {
      if let slash = path.lastIndex(of: "/") {
        try DurableRecord.makeDirectory(String(path[..<slash]))
      }
      try DurableRecord.write(path, bytes)
    } catch { throw Refusal(.failed, error.message) }
  }

  /// Those below `/etc`, the outer one first.
  private static func directories(of path: String) -> [String] {
    var directories: [String] = []
    var rest = path[...]
    while let slash = rest.lastIndex(of: "/"), slash != rest.startIndex {
      rest = rest[..<slash]
      if rest != "/etc" { directories.insert(String(rest), at: 0) }
    }
    return directories
  }

  func agentObstacle() throws(Refusal) -> String? {
    try systemctl("cat", "--", Self.unit) == 0
      ? nil
      : "\(Self.unit) is not installed on this host: install the programs and units (docs/use/install.md)"
  }

  func isHere(_ place: HostPort, deadline: Instant) throws(Refusal) -> Bool {
    let (addresses, own): ([SocketAddress], Set<String>)
    do {
      addresses = try Resolver.resolve(place.host, port: 0, until: deadline)
      own = try OwnAddresses.hosts()
    } catch { throw Refusal(.failed, "\(error)") }
    func isLoopback(_ address: SocketAddress) -> Bool {
      IPAddress(address.host)?.isLoopback ?? address.host.hasPrefix("127.")
    }
    if addresses.contains(where: { !isLoopback($0) && own.contains($0.host) }) { return true }
    // Debian has the host's own name for 127.0.1.1 in /etc/hosts; a copied file of that kind has another's.
    guard addresses.allSatisfy(isLoopback) else { return false }
    let name = OwnAddresses.hostName
    return IPAddress(place.host) != nil || place.host == "localhost" || place.host == name
      || place.host.hasPrefix("\(name).") || name.hasPrefix("\(place.host).")
  }

  func use(_ dropIn: DropIn, for unit: String) throws(Refusal) -> String? {
    do throws(FileFailure) {
      for prefix in ["/usr/lib", "/usr/local/lib"] {
        let installed = "\(prefix)/\(dropIn.rawValue)"
        guard try FileReading.isRegularFile(installed) else { continue }
        let directory = "/etc/systemd/system/\(unit).d"
        try NewFile.makeDirectory(directory, mode: 0o755)
        // A link, so that an upgrade of the package changes what the unit has.
        return try NewFile.link("\(directory)/\(dropIn.name)", to: installed)
          ? "\(directory)/\(dropIn.name)" : nil
      }
      return nil
    } catch { throw Refusal(.failed, error.message) }
  }

  func startAgent() throws(Refusal) {
    // What is enabled and started takes the socket with it (Also= of the unit).
    for step in [["daemon-reload"], ["enable", "--quiet", Self.unit], ["restart", Self.unit]]
    where try systemctl(step) != 0 {
      throw Refusal(
        .failed,
        "systemctl \(step.joined(separator: " ")) failed: journalctl -u keyturnd says why; inventory and credentials are in place, and the command may be run again"
      )
    }
  }

  func obstacle(connecting place: HostPort, deadline: Instant) -> String? {
    do throws(HTTPSFailure) {
      _ = try HTTPConnection.connect(place, until: deadline)
      return nil
    } catch { return "\(error)" }
  }

  private func systemctl(_ arguments: String...) throws(Refusal) -> Int32 {
    try systemctl(arguments)
  }

  /// Its exit status. What it prints for people is dropped: what matters is said here.
  private func systemctl(_ arguments: [String]) throws(Refusal) -> Int32 {
    var argv = (["systemctl"] + arguments).map { strdup($0) } + [nil]
    defer { for text in argv { free(text) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor in 0...2 as ClosedRange<Int32> {
      posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
    }
    // The signals that this program takes by itself are for it alone.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var process: pid_t = 0
    let code = posix_spawnp(&process, "systemctl", &actions, &attributes, &argv, environ)
    if code != 0 { throw Refusal(.failed, "\(Errno(code, "start systemctl"))") }
    var status: Int32 = 0
    do throws(Errno) {
      _ = try retrying("wait for systemctl") { waitpid(process, &status, 0) }
    } catch { throw Refusal(.failed, "\(error)") }
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + status & 0x7F
  }
}
