import Glibc
import LinuxIO

/// The server's messages: text on standard error, or JSON lines (facts, section D.3). With a log
/// directory they go to a file there, as JSON, and standard error stays empty.
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

  /// A runtime error, in several lines.
  func error(_ subsystem: String, _ text: String) {
    if json { return write("ERROR", "", text) }
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

  /// Says why the server cannot start, and ends it.
  func fatal(_ text: String) -> Never {
    write("FATAL", isOld ? "ERROR " : "FATAL ", text)
    _exit(1)
  }

  private func write(_ level: String, _ prefix: String, _ text: String) {
    var line = prefix + text + "\n"
    if json {
      let escaped = text.unicodeScalars.map { scalar in
        switch scalar {
        case "\"", "\\": "\\\(scalar)"
        case _ where scalar.value < 0x20: " "
        default: String(scalar)
        }
      }
      let (seconds, milliseconds) = {
        let now = Clock.realtimeMicroseconds()
        return (now / 1_000_000, now / 1000 % 1000)
      }()
      line =
        "{\"level\":\"\(level)\",\"time\":\(seconds * 1000 + milliseconds),"
        + "\"message\":\"\(escaped.joined())\"}\n"
    }
    // One write for one line, so that no other thread's comes into it.
    let bytes = Array(line.utf8)
    _ = Glibc.write(descriptor, bytes, bytes.count)
  }
}
