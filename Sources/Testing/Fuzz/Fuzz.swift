// SPDX-License-Identifier: Apache-2.0
internal import FuzzTargets
internal import Glibc

// Fuzzing (scripts/fuzz): libFuzzer has its own `main`, and calls these. Any other build is a
// program that runs files through a target once, to look at a finding.

#if FUZZING
/// The target that `KEYTURN_FUZZ` names.
private let target: FuzzTarget = {
  guard let name = getenv("KEYTURN_FUZZ"), let target = FuzzTarget(rawValue: String(cString: name))
  else { preconditionFailure("KEYTURN_FUZZ must name a target") }
  return target
}()

/// libFuzzer's entry: one input.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  if let violation = target.violation(Array(UnsafeBufferPointer(start: start, count: count))) {
    let line = Array("\(target): \(violation)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    abort()
  }
  return 0
}
#else
@main
struct Replay {
  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    guard let target = arguments.first.flatMap(FuzzTarget.init(rawValue:)) else {
      let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: "|")
      print("usage: fuzz \(names) FILE...")
      exit(64)
    }
    for path in arguments.dropFirst() {
      print("\(path): \(target.violation(read(path)) ?? "well")")
    }
  }

  private static func read(_ path: String) -> [UInt8] {
    var bytes: [UInt8] = []
    guard let file = fopen(path, "rb") else { return bytes }
    defer { fclose(file) }
    while true {
      let byte = fgetc(file)
      if byte == EOF { return bytes }
      bytes.append(UInt8(truncatingIfNeeded: byte))
    }
  }
}
#endif
