// SPDX-License-Identifier: Apache-2.0
import Coordination
import JSONCoding
import Model
@testable import Operator
import Testing

@Suite struct OutputTests {
  @Test(
    "names that differ in their number only are folded",
    arguments: [
      (["minio-1", "minio-2", "minio-3", "minio-5"], "minio-[1-3,5]"),
      (["minio-1"], "minio-1"),
      (["minio-3", "minio-1"], "minio-[1,3]"),
      (["n01", "n02", "n10"], "n[01-02], n10"),
      (["n1.a.net", "n2.a.net", "n3.b.net"], "n[1-2].a.net, n3.b.net"),
      (["alpha", "beta"], "alpha, beta"),
      (["rack1-n1", "rack1-n2"], "rack1-n[1-2]"),
      (["10.0.0.1"], "10.0.0.1"),
      (["x99999999999999999999"], "x99999999999999999999"),
      ([], ""),
    ])
  func folded(_ names: [String], _ text: String) {
    #expect(NodeNames.folded(names) == text)
  }

  @Test(
    "times are RFC 3339 in UTC",
    arguments: [
      (Int64(0), "1970-01-01T00:00:00.000Z"),
      (1_709_210_096_789_999, "2024-02-29T12:34:56.789Z"),
      (-1, "1969-12-31T23:59:59.999Z"),
      (4_102_444_800_000_000, "2100-01-01T00:00:00.000Z"),
    ])
  func timestamp(_ microseconds: Int64, _ text: String) {
    #expect(CalendarTime.text(microseconds: microseconds) == text)
  }

  @Test(
    "a time is given as a duration back or in UTC",
    arguments: [
      ("90s", Int64(910_000_000)), ("15m", 100_000_000), ("1970-01-02", 86_400_000_000),
      ("2024-02-29T12:34:56Z", 1_709_210_096_000_000),
    ])
  func time(_ text: String, _ microseconds: Int64) {
    #expect(CalendarTime.microseconds(text, now: 1_000_000_000) == microseconds)
  }

  @Test(
    "anything else is no time",
    arguments: [
      "", "s", "1x", "-5m", "2023-02-29", "2024-13-01", "2024-02-29T25:00:00Z",
      "2024-02-29T12:00:00", "99999999999d", "2024-02-29TT",
    ])
  func noTime(_ text: String) {
    #expect(CalendarTime.microseconds(text, now: 1000) == nil || text == "15m")
  }

  @Test("control characters in what others wrote do not reach the terminal")
  func visible() {
    #expect(
      Console.visible("a\u{1B}[2Jb\r\nc\td\u{9B}x") == "a\u{FFFD}[2Jb\u{FFFD}\u{FFFD}c\td\u{FFFD}x")
    #expect(Console.visible("plain – text") == "plain – text")
  }

  /// Characters that nobody sees or that turn the order of others around, one of each kind.
  private static let hidden: [Unicode.Scalar] = [
    "\u{202A}", "\u{202B}", "\u{202C}", "\u{202D}", "\u{202E}", "\u{2066}", "\u{2067}",
    "\u{2068}", "\u{2069}", "\u{200E}", "\u{200F}", "\u{061C}", "\u{2028}", "\u{2029}", "\u{85}",
    "\u{9B}", "\u{7F}", "\u{200B}", "\u{200C}", "\u{200D}", "\u{2060}", "\u{FEFF}", "\u{AD}",
    "\u{180E}", "\u{E0041}", "\u{115F}", "\u{FFF9}",
  ]

  @Test(
    "what cannot be seen, or turns text around, is visible in text, HTML and JSON",
    arguments: hidden)
  func hiddenCharacters(scalar: Unicode.Scalar) throws {
    let text = "minio-1\(scalar)x"
    for shown in [Console.visible(text), HTML.escaped(text), json(text)] {
      #expect(!shown.unicodeScalars.contains(scalar), "\(shown.debugDescription)")
      #expect(shown.contains("minio-1") && shown.contains("x"))
    }
    // A program reads what was written.
    let read = try JSON.decode(
      [String: String].self, from: Array(json(text).utf8))
    #expect(try #require(read["x"]).unicodeScalars.elementsEqual(text.unicodeScalars))
  }

  private func json(_ text: String) -> String { (["x": text] as JSONObject).text }

  @Test("a value that is nil is null in JSON, one that is taken away is not there")
  func absent() {
    var object: JSONObject = ["a": nil as Int?, "b": 1, "c": ["d": [true]] as JSONObject]
    #expect(object.text == #"{"a":null,"b":1,"c":{"d":[true]}}"#)
    object["b"] = nil
    #expect(object.text == #"{"a":null,"c":{"d":[true]}}"#)
  }

  @Test("such a character is named where it stood")
  func hiddenNames() {
    #expect(Console.visible("a\u{202E}b\u{200B}") == "a<U+202E>b<U+200B>")
    #expect(HTML.escaped("<\u{202E}>") == "&lt;&lt;U+202E&gt;&gt;")
    #expect(json("a\u{202E}\u{9B}\u{E0041}") == #"{"x":"a\u202e\u009b\udb40\udc41"}"#)
    #expect(Console.visible("Zürich – 東京 ✓") == "Zürich – 東京 ✓")
    #expect(json("Zürich – 東京") == #"{"x":"Zürich – 東京"}"#)
  }

  @Test("the help of the program and of every command is the one that was agreed")
  func help() {
    let help = HelpText(columns: 120)
    #expect(help.program.hasPrefix("keyturn: apply the same settings"))
    #expect(
      help.command(StatusCommand.self) == """
        keyturn status: one row for each node of the inventory, reachable or not

        Examples:
          keyturn status
              unit, sealed key, generation, rollout, drift
          keyturn status --watch
              while nodes are being worked on

        Usage: keyturn status [OPTIONS]

        Options:
              --watch                   look again and again until interrupted
              --every SECONDS           with --watch, 1 to 60; 5 if left out
              --inventory FILE          the cluster (else $KEYTURN_INVENTORY, ./inventory.json,
                                        /etc/keyturn/inventory.json)
              --credentials DIR         ca.pem, cert.pem, key.pem (else $KEYTURN_CREDENTIALS,
                                        /etc/keyturn/credentials)
              --json                    print JSON lines; the last is the result
          -q, --quiet                   print results and errors only
              --no-color                no colours (also NO_COLOR, TERM=dumb, or no terminal)
          -h, --help                    this text

        Exit codes:
          0   done, or nothing to do
          1   failed
          3   some node's state is unknown
          64  usage
          77  not permitted
          78  own configuration is bad

        """)
  }

  @Test(
    "a node's times are corrected by more than the way there and back can explain, else not",
    arguments: [
      (reading: 1_050, correction: 0), (1_100, 0), (1_000, 0), (999, 51), (1_101, -51),
      (0, 1_050), (.min, 1_050 &- .min),
    ] as [(Int64, Int64)])
  func correction(reading: Int64, correction: Int64) {
    #expect(NodeClock.correction(asked: 1_000, answered: 1_100, reading) == correction)
    #expect(NodeClock.correction(asked: 1_100, answered: 1_000, 1_050) == 0)
    #expect(NodeClock.correction(asked: 0, answered: 1, 1) == 0)
  }

  @Test("no line of a help is wider than 80, or than the terminal, but for examples")
  func width() {
    let commands = CommandTable.commands
    for columns in [80, 100] {
      let help = HelpText(columns: columns)
      for text in [help.program, help.group(commands)] + commands.map(help.command) {
        for line in text.split(separator: "\n")
        where !line.hasPrefix("  keyturn ") && !line.hasPrefix("Usage: ") {
          #expect(line.count <= columns, "\(line)")
        }
      }
    }
  }

  @Test(
    "words are wrapped between them, and what is longer than a line stands alone",
    arguments: [
      ("a bc def", 8, ["a bc def"]), ("a bc def", 7, ["a bc", "  def"]),
      ("  a bc", 5, ["  a", "  bc"]), ("abcdefgh ij", 4, ["abcdefgh", "  ij"]),
      ("a  b", 2, ["a ", "  b"]), ("", 1, [""]),
    ] as [(String, Int, [String])])
  func wrapping(_ text: String, _ columns: Int, _ lines: [String]) {
    #expect(Wrapping.lines(text, columns: columns, indent: 2) == lines)
  }

  @Test("a table that is wider than the terminal is a paragraph for each row")
  func narrowTable() {
    let header = ["ROLLOUT", "BY", "RESULT"]
    let rows = [
      ["0d07", "alice", "minio-[1-2,4] confirmed, minio-3 failed"], ["0d08", "", "done"],
    ]
    #expect(TextTable.lines(header, rows, columns: 80) == TextTable.lines(header, rows))
    #expect(
      TextTable.lines(header, rows, columns: 40) == [
        "ROLLOUT    0d07", "  BY       alice", "  RESULT   minio-[1-2,4] confirmed,",
        "           minio-3 failed", "ROLLOUT    0d08", "  RESULT   done",
      ])
  }

  @Test(
    "how long a certificate is good for, in days",
    arguments: [
      (0, "expired today"), (-1, "expired 1 day ago"), (-9, "expired 9 days ago"),
      (1, "1 day left"), (824, "824 days left"),
    ] as [(Int64, String)])
  func left(_ days: Int64, _ text: String) {
    let now: Int64 = 1_800_000_000_000_000
    #expect(PKIShowCommand.left(until: now + days * 86_400_000_000, at: now) == text)
    #expect(PKIShowCommand.left(until: now + 1, at: now) == "less than a day left")
  }

  @Test("every exit code of the issue stands in the program's help")
  func codes() {
    let help = HelpText().program
    for code in ExitCode.allCases { #expect(help.contains("\n  \(code.rawValue) ")) }
  }
}
