// SPDX-License-Identifier: Apache-2.0
import Crypto
import Files
import FoundationEssentials
import Glibc
import Model
import Threads

/// How this stand-in departs from a good server, for tests: one line for each in a file.
///
///     wording open-source        or `old` (a server of 2021) or `aistor`, which it is without
///     fatal TEXT                 ends with this FATAL line, after the Key Manager was asked
///     exit STATUS                ends without a word
///     exit-after MS STATUS       ends so long after it began to serve
///     kill-after MS              is killed by SIGKILL then
///     hang-stop                  does not end on SIGTERM
///     no-ready                   sends no READY=1
///     no-banner                  prints no banner and no line of its sub-systems
///     wait-drives MS             waits for its drives for so long
///     wait-quorum MS             waits for read quorum for so long
///     miss-drives MS             sees the other nodes' drives as offline for so long after its own are there
///     refuse-writes MS           takes no writes for so long after its drives are there; health is good
///     root-off                   does not let its root user in
///     broken-iam                 serves without its users, with a banner and good health
///     error-after MS TEXT        logs this error so long after it began to serve
///     dump-environment           prints its environment in every form that a program may print it
///     flood COUNT                logs so many lines after its banner
///
/// These are read again for each request, so that nothing must be restarted for them:
///
///     user ACCESS SECRET         knows this user too, who may do all that is not denied
///     deny ACTION                denies an action to all users but the root user: s3:PutObject
///     foreign-bucket NAME        has a bucket of that name that belongs to somebody else
///     slow-down COUNT            answers so many requests with 503 SlowDown
///     s3-exit-after COUNT        carries out so many requests and one more, and is gone before its answer
///
/// `once ` before any of them: at one start only. Nothing of this is the real server's.
struct Behaviour: Sendable {
  static let path = "/run/standin-minio"

  private let directives: [[String]]

  /// The lines with `once` that were first read by this process.
  private static let claimed = Lock<Set<String>>([])

  /// Of a line that is read for each request.
  private static let ofRequests: Set<String> = [
    "user", "deny", "foreign-bucket", "slow-down", "s3-exit-after",
  ]

  /// A good server if there is no file.
  ///
  /// - Parameter isOfRequest: takes the lines that are read for each request, otherwise the others: a
  ///   server that runs must not claim what the next start is to do once.
  init(isOfRequest: Bool = false) {
    let content = try? FileReading.readIfPresent(Self.path, limitBytes: 64 << 10)
    let text = content.flatMap(\.self).map { String(decoding: $0.bytes, as: UTF8.self) } ?? ""
    directives = text.split(separator: "\n").compactMap { line in
      var words = line.split(separator: " ").map(String.init)
      let isOnce = words.first == "once"
      if isOnce { words.removeFirst() }
      guard let name = words.first, Self.ofRequests.contains(name) == isOfRequest else {
        return nil
      }
      return isOnce && !Self.isFirst(String(line)) ? nil : words
    }
  }

  /// Whether this start is the first that reads this line on this boot.
  private static func isFirst(_ line: String) -> Bool {
    if claimed.withLock({ $0.contains(line) }) { return true }
    let marker = "/tmp/standin-minio-\(Digest.sha256(Array(line.utf8)).hex)"
    let file = open(marker, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    if file < 0 { return false }
    close(file)
    claimed.update { _ = $0.insert(line) }
    return true
  }

  /// The rest of the first line of that name; nil if there is none.
  func text(_ name: String) -> String? { all(name).first }

  /// The rests of all lines of that name.
  func all(_ name: String) -> [String] {
    directives.filter { $0[0] == name }.map { $0.dropFirst().joined(separator: " ") }
  }

  func has(_ name: String) -> Bool { text(name) != nil }

  /// The number that follows the name, and what follows that.
  func number(_ name: String) -> (value: Int, rest: String)? {
    guard let text = text(name) else { return nil }
    let parts = text.split(separator: " ", maxSplits: 1)
    guard let value = parts.first.flatMap({ Int($0) }) else { return nil }
    return (value, parts.count > 1 ? String(parts[1]) : "")
  }

  /// Carries out what is due after the server began to serve, on threads of their own.
  func serve(_ console: Console) {
    after("exit-after") { Glibc._exit(Int32($0) ?? 1) }
    after("kill-after") { _ in kill(getpid(), SIGKILL) }
    after("error-after") { console.error("iam", $0) }
    if let flood = number("flood") {
      for line in 1...max(1, flood.value) { console.info("line \(line) of a flood") }
    }
  }

  private func after(_ name: String, _ body: @escaping @Sendable (String) -> Void) {
    guard let (milliseconds, rest) = number(name) else { return }
    _ = try? Thread.start("behaviour") {
      Clock.sleep(until: .inMilliseconds(milliseconds))
      body(rest)
    }
  }

  /// Prints an environment plainly, in a URL, in a JSON string and in base64.
  static func dump(_ environment: [String: String], _ console: Console) {
    for (name, value) in environment.sorted(by: { $0.key < $1.key })
    where name.hasPrefix("MINIO_") {
      console.startup("\(name)=\(value)")
      console.startup(
        "GET https://kms-1:7373/v1/key?name=x&value=\(value.utf8.percentEncoded(but: \.isLetterOrDigit)) 403"
      )
      console.startup("dump \(name): \"\(escaped(value))\", of \(value.utf8.count) bytes")
      for before in ["", "x", "xy"] {
        console.startup("Basic \(Data((before + value).utf8).base64EncodedString())")
      }
    }
  }

  private static func escaped(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
      switch scalar {
      case "\"", "\\", "/": "\\\(scalar)"
      case "<", ">", "&", "'":
        "\\u00" + String(scalar.value, radix: 16)
      default: String(scalar)
      }
    }.joined()
  }
}
