// SPDX-License-Identifier: Apache-2.0
#if DEBUG
internal import Glibc
#endif

/// Places in a program at which a test can end or hold it, by name and never by a sleep. A release
/// build has none of it (`scripts/test` looks).
///
/// `KEYTURN_FAULT` in the environment names a file, into which a test writes `PLACE kill` or `PLACE
/// hold`. The first thread at that place renames the file to `FILE.reached`, so that it happens
/// once, also if the program is started again; then it ends the program with SIGKILL, or waits
/// until `FILE.reached` is removed.
public enum Fault {
  #if DEBUG
  private static let file = getenv("KEYTURN_FAULT").map { String(cString: $0) }

  /// The program has come to a place. Blocks if a test wants it to.
  public static func reach(_ place: @autoclosure () -> String) {
    guard let file, let order = read(file) else { return }
    let words = order.split(whereSeparator: \.isWhitespace)
    guard words.count == 2, words[0] == place() else { return }
    let reached = file + ".reached"
    // Another thread may have been faster.
    guard rename(file, reached) == 0 else { return }
    if words[1] == "kill" {
      kill(getpid(), SIGKILL)
      while true { pause() }
    }
    while access(reached, F_OK) == 0 { usleep(2_000) }
  }

  /// The versions of the rollout protocol that this program is to speak in place of its own, as a test wants it: of
  /// `KEYTURN_FAULT_PROTOCOLS`, `OLDEST-NEWEST`. Nil if it is not set, or no range.
  public static let protocols: (oldest: Int, newest: Int)? = getenv("KEYTURN_FAULT_PROTOCOLS")
    .flatMap { text in
      let numbers = String(cString: text).split(separator: "-").map { Int($0) }
      guard numbers.count == 2, let oldest = numbers[0], let newest = numbers[1], 1 <= oldest,
        oldest <= newest, newest < 100
      else { return nil }
      return (oldest, newest)
    }

  /// The name of an enumeration's case, without what belongs to it.
  public static func name(_ value: some Any) -> String {
    String(String(describing: value).prefix { $0 != "(" })
  }

  private static func read(_ file: String) -> String? {
    let descriptor = open(file, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = Glibc.read(descriptor, &bytes, bytes.count)
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
  #else
  // Public, as nothing else is: bodies of `package` functions are not inlined in other modules, and
  // the names of the places would stay in the programs.
  @inlinable @inline(__always) public static func reach(_ place: @autoclosure () -> String) {}

  @inlinable @inline(__always) public static func name(_ value: some Any) -> String { "" }

  @inlinable @inline(__always) public static var protocols: (oldest: Int, newest: Int)? { nil }
  #endif
}
