// SPDX-License-Identifier: Apache-2.0
import Glibc
import Threads

/// The terminal that standard input is.
enum Terminal {
  /// What it is to be again, while it does not show what is typed.
  private static let before = Lock<termios?>(nil)

  /// Runs `body` while the terminal does not show what is typed.
  static func withoutEcho<Value>(_ body: () -> Value) -> Value {
    var attributes = termios()
    guard tcgetattr(STDIN_FILENO, &attributes) == 0 else { return body() }
    before.update { $0 = attributes }
    attributes.c_lflag &= ~tcflag_t(ECHO)
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &attributes)
    defer { restore() }
    return body()
  }

  /// Has it show again what is typed; also called when a signal ends the program in between.
  static func restore() {
    before.update { saved in
      if var attributes = saved { tcsetattr(STDIN_FILENO, TCSAFLUSH, &attributes) }
      saved = nil
    }
  }
}
