// SPDX-License-Identifier: Apache-2.0
import Glibc
import Threads

/// The terminal that standard input is.
enum Terminal {
  /// What it is to be again, while it does not show what is typed.
  private static let before = Lock<termios?>(nil)

  /// Whether a question waits for its answer.
  private static let isAsked = Lock(false)

  /// Runs `body`, which reads the answer to a question.
  static func asking<Value>(_ body: () -> Value) -> Value {
    isAsked.update { $0 = true }
    defer { isAsked.update { $0 = false } }
    return body()
  }

  /// What to say when a signal ends the program: the question's line is open; nil for nothing.
  static var lastWords: String? {
    isAsked.withLock { $0 } ? "\nkeyturn: interrupted: nothing was touched\n" : nil
  }

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
