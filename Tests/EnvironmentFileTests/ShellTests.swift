// SPDX-License-Identifier: Apache-2.0
@testable import EnvironmentFile
import TestSupport
import Testing
import Threads

/// What Keyturn writes, and what the lint holds to be clean, held against the real /bin/sh.
@Suite struct ShellTests {
  /// The values that `sh -u` has after it has sourced `text`; nil for a variable that it does not have, nothing
  /// at all if it ended in an error.
  private func sourced(_ text: String, _ names: [String]) throws -> [String?]? {
    let prints = names.map { "printf '%s\\0' \"${\($0)-none}\"" }.joined(separator: ";")
    let outcome = try Subprocess.run(
      "/bin/sh", ["-u", "-c", ". /dev/stdin && { \(prints); }"],
      // Whatever a file would run, it is not found.
      environment: ["PATH": "/nonexistent"], input: text, until: .inMilliseconds(10_000))
    if outcome.status != 0 || !outcome.stderr.isEmpty { return nil }
    return outcome.stdout.split(separator: "\0", omittingEmptySubsequences: false).dropLast().map {
      $0 == "none" ? nil : String($0)
    }
  }

  static let values = [
    "", "v", " lead and trail ", "it's", "'", "''", "a#b # c", "#", "~", "~/x:~root/y", "=", "a=b",
    "http://minio-{1...4}.example.net:9000/data{1,2}", "*", "/*", "[a-z]?", "!", "!!",
    "a;b", "a&b", "a|b", "<>", "()", "100%", "%s", "-n", "- -- -x", "export A=1",
    "\u{E9}\u{1F511}",
    "\u{FEFF}", "\u{A0}", "\u{2028}", "e\u{301}", String(repeating: "v", count: 65_000), "a^b", "{",
    "}",
    "if true", "x,y", "@:/+-._", "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw",
  ]

  @Test("what is written is what sh -u reads, whatever the value", arguments: values)
  func written(_ value: String) throws {
    let file = try document("# Keyturn's\nMINIO_OLD='x'\n").applying([
      set("MINIO_A", value), set("MINIO_Z", "after"),
    ])
    #expect(file.systemd["MINIO_A"] == value && file.minio["MINIO_A"] == value)
    #expect(try sourced(file.text, ["MINIO_A", "MINIO_Z"]) == [value, "after"])
  }

  @Test(
    "whatever the changes, each line that an edit writes is read alike by systemd, MinIO and sh")
  func edits() throws {
    var random = SeededGenerator(seed: 11)
    let alphabet = Array("ab =#;'~*?!&|<>(){}[]%,:/@+-._^\u{E9}\u{A0}\u{1F511}")
    for _ in 0..<100 {
      let values = (0..<3).map { _ in
        String(
          (0..<Int.random(in: 0..<12, using: &random)).map { _ in
            alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
          })
      }
      let names = ["MINIO_A", "MINIO_B", "MINIO_C"]
      let file = try document("MINIO_B=old\n# c").applying(zip(names, values).map { set($0, $1) })
      #expect(names.map { file.systemd[$0] } == values)
      #expect(names.map { file.minio[$0] } == values)
      #expect(try sourced(file.text, names) == values, "\(file.text.debugDescription)")
    }
  }

  @Test("of a file in which the lint finds nothing sh -u has what systemd and MinIO have")
  func clean() throws {
    var random = SeededGenerator(seed: 12)
    let pieces = [
      "A=", "B=", "A=", "B=", "x", "y z", " ", "\t", "\n", "\n", "\n", "'", "'", "\"", "\"", "\\",
      "#",
      " # c", ";", "$", "$A", "${B}", "`", "~", ":", "&", "|", "(", ")", "<", ">", "{1...4}", "*",
      "!",
      "=", "export ", "-", "\u{E9}", "\\\n",
    ]
    var checked = 0
    for _ in 0..<6000 {
      let text =
        "A="
        + (0..<Int.random(in: 1..<12, using: &random)).map { _ in
          pieces[Int.random(in: 0..<pieces.count, using: &random)]
        }.joined() + "\n"
      let file = document(text)
      guard EnvironmentLint.findings(in: file, file: nil).isEmpty else { continue }
      checked += 1
      if checked > 250 { break }
      #expect(
        try sourced(text, ["A", "B"]) == [file.systemd["A"], file.systemd["B"]],
        "\(text.debugDescription)")
    }
    #expect(checked > 200, "\(checked)")
  }

  @Test("where the scan of the shell's grammar has a value, sh has it too")
  func scan() throws {
    var random = SeededGenerator(seed: 13)
    let pieces = [
      "A=", "B=", "\nA=", "\nB=", "x", "y", "'", "'", "\"", "\"", "\\", "#", " # c", "$", "~", ":",
      "{1,2}", "*", "!", "=", "\nexport ", "export A=", "\\\n", "\u{E9}", "\r", " ", "\\$", "\\\"",
    ]
    var checked = 0
    for _ in 0..<4000 where checked < 250 {
      let text =
        (0..<Int.random(in: 2..<12, using: &random)).map { _ in
          pieces[Int.random(in: 0..<pieces.count, using: &random)]
        }.joined() + "\n"
      let scan = ShellScan(document(text))
      let names = ["A", "B"]
      let values = names.map { name -> String? in
        guard let value = scan.text.number(of: name).flatMap(scan.value) else { return nil }
        return value.slice.map(scan.text.string) ?? ""
      }
      guard scan.problems.isEmpty, values.contains(where: { $0 != nil }) else { continue }
      checked += 1
      #expect(try sourced(text, names) == values, "\(text.debugDescription)")
    }
    #expect(checked >= 250, "\(checked)")
  }
}
