// SPDX-License-Identifier: Apache-2.0
import Glibc
import Model
import Threads

/// The server's messages: text on standard error, or JSON lines (docs/facts.md, "Output of the
/// server"). With a log directory they go to a file there, as JSON, and standard error stays empty.
struct Console: Sendable {
  private let json: Bool
  private let quiet: Bool
  private let descriptor: Int32
  private let isOld: Bool

  /// Blocks only to open the file in the log directory; without one, when it cannot be opened.
  ///
  /// - Parameter isOld: the wording of 2021: no tag on information, `ERROR ` on what ends it.
  init(json: Bool, quiet: Bool, logDirectory: String?, isOld: Bool) {
    self.quiet = quiet
    self.isOld = isOld
    if let logDirectory {
      descriptor = open(
        "\(logDirectory)/minio.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
      self.json = true
    } else {
      descriptor = 2
      self.json = json
    }
  }

  func info(_ text: String) { if !quiet { write("INFO", isOld ? "" : "INFO: ", text) } }
  func warn(_ text: String) { write("WARNING", "WARN: ", text) }
  func startup(_ text: String) { if !quiet { write("INFO", "", text) } }

  /// A runtime error, in several lines. As JSON it has an `api` and no `message`, also where the
  /// server gives it the level FATAL and goes on.
  func error(_ subsystem: String, _ text: String, level: String = "ERROR") {
    if json {
      return line(
        level,
        "\"api\":{\"name\":\"SYSTEM.\(subsystem)\",\"args\":{}},\"error\":{\"message\":"
          + "\(Self.quoted(text)),\"source\":[\"internal/logger/logger.go:271:logger.LogIf()\"]}")
    }
    var now = time(nil)
    var clock = tm()
    gmtime_r(&now, &clock)
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    write("ERROR", "", "")
    write("ERROR", "", "API: SYSTEM.\(subsystem)")
    write(
      "ERROR", "",
      "Time: \(two(clock.tm_hour)):\(two(clock.tm_min)):\(two(clock.tm_sec)) UTC "
        + "\(two(clock.tm_mon + 1))/\(two(clock.tm_mday))/\(clock.tm_year + 1900)")
    write("ERROR", "", "Error: \(text)")
    write("ERROR", "", "       1: internal/logger/logger.go:268:logger.LogIf()")
  }

  /// Says why the server cannot start, and ends it: in text `introduction` and the error, and lines
  /// that go on; as JSON the bare error, `cause` for its whole text.
  func fatal(
    _ introduction: String, _ text: String, cause: String? = nil, hints: [String] = []
  ) -> Never {
    if json {
      let error = Self.quoted(text + (cause.map { ": \($0)" } ?? ""))
      line(
        "FATAL",
        "\"message\":\(error),\"error\":{\"message\":\(error),"
          + "\"source\":[\"cmd/server-main.go:566:cmd.serverMain()\"]}")
    } else {
      write("FATAL", isOld ? "ERROR " : "FATAL ", introduction + text)
      for hint in hints { write("FATAL", "", "      \(hint)") }
    }
    _exit(1)
  }

  private static func quoted(_ text: String) -> String {
    "\""
      + text.unicodeScalars.map { scalar in
        switch scalar {
        case "\"", "\\": "\\\(scalar)"
        case _ where scalar.value < 0x20: " "
        default: String(scalar)
        }
      }.joined() + "\""
  }

  /// A line as JSON, with its level and time.
  private func line(_ level: String, _ fields: String) {
    let now = Clock.realtimeMicroseconds()
    put("{\"level\":\"\(level)\",\"time\":\"\(CalendarTime.text(microseconds: now))\",\(fields)}\n")
  }

  private func write(_ level: String, _ prefix: String, _ text: String) {
    if json {
      line(level, "\"message\":\(Self.quoted(text))")
    } else {
      put(prefix + text + "\n")
    }
  }

  /// One write for each line, so that threads do not mix.
  private func put(_ line: String) {
    let bytes = Array(line.utf8)
    _ = Glibc.write(descriptor, bytes, bytes.count)
  }
}
