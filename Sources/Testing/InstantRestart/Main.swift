// SPDX-License-Identifier: Apache-2.0
import Glibc
import Linux
import Model
import Systemd
import Threads

/// The bare program of the benchmark: what a coordinated restart costs without anything else.
///
/// `instant-restart --unit UNIT --at NANOSECONDS` opens the bus, sleeps until that instant of
/// CLOCK_BOOTTIME, asks for the restart, and prints when it really asked and when the job was
/// queued.
@main enum Main {
  static func main() {
    Signals.prepare()
    let words = CommandLine.arguments
    guard words.count == 5, words[1] == "--unit", words[3] == "--at", let at = Int64(words[4])
    else {
      fail(64, "usage: instant-restart --unit UNIT --at NANOSECONDS")
    }
    do {
      let bus = try SystemBus()
      _ = try bus.unit(words[2], deadline: .inMilliseconds(5_000))
      Clock.sleep(until: Instant(nanoseconds: at))
      let ticket = try bus.restart(words[2], deadline: .inMilliseconds(60_000))
      print("\(ticket.requested.nanoseconds) \(ticket.queued.nanoseconds)")
    } catch {
      fail(1, "instant-restart: \(error)")
    }
  }

  private static func fail(_ code: Int32, _ text: String) -> Never {
    let line = Array("\(text)\n".utf8)
    _ = write(2, line, line.count)
    exit(code)
  }
}
