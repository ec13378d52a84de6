// SPDX-License-Identifier: Apache-2.0
import EnvironmentFile
import Testing

/// docs/facts.md, "MinIO's environment file" and "Differences of the readers".
@Suite struct MinIOReadingTests {
  @Test(
    "MinIO's own reader takes lines, one pair of quotes, and nothing else",
    arguments: [
      ("K=v\n", ["K=v"]), ("  K=v  \n", ["K=v"]), ("# c\n\n   \n", []), ("K=v # c", ["K=v # c"]),
      ("export K=v", ["K=v"]), ("exportFOO=1", ["FOO=1"]), ("export\tK=v", ["K=v"]),
      ("KEY =v", ["KEY =v"]), ("K= v", ["K= v"]), ("K=\"v\"", ["K=v"]), ("K='v'", ["K=v"]),
      ("K=\"v'", ["K=\"v'"]), ("K=\"", ["K=\""]), ("K=\"\"", ["K="]), ("K=", ["K="]),
      ("K=a=b", ["K=a=b"]), ("K=\"'v'\"", ["K='v'"]), ("K=a\\nb", ["K=a\\nb"]),
      ("K=v\r\nL=w\r\n", ["K=v", "L=w"]), ("; K=v", ["; K=v"]), ("A=1\nB=2\nA=3", ["A=3", "B=2"]),
      ("=v\nK=w", ["K=w"]), ("K=a\0b\nL=w", ["L=w"]),
      ("\u{A0}K=v\u{2003}\u{85}\n", ["K=v"]), ("\u{3000}K=v\u{2028}", ["K=v"]),
      ("K=v\u{200B}", ["K=v\u{200B}"]), ("K=\u{E9}", ["K=\u{E9}"]),
    ])
  func lines(_ input: String, _ pairs: [String]) {
    #expect(document(input).minio.pairs == pairs)
    #expect(document(input).minio.failure == nil)
  }

  @Test(
    "a line without '=' makes MinIO refuse the whole file, and the message does not repeat the line",
    arguments: ["a=1\nsecretword\n", "a=1\n; secretword\n", "a=1\nexport secretword\n"])
  func malformed(_ input: String) throws {
    let reading = document(input).minio
    let failure = try #require(reading.failure)
    #expect(failure.hasPrefix("line 2:"))
    #expect(!failure.contains("secretword"))
    #expect(reading.variables == [])
    #expect(reading.definitions.map(\.name) == ["a"])
  }

  @Test("a line of 65535 bytes is taken, one of 65536 makes MinIO refuse the whole file")
  func longLine() {
    let line = "K=" + String(repeating: "v", count: 65533)
    #expect(document(line + "\n").minio.failure == nil)
    #expect(document(line).minio.failure == nil)
    #expect(document(line + "v\n").minio.failure?.hasPrefix("line 1: longer") == true)
    #expect(document(line + "v").minio.failure != nil)
    #expect(document(line + "\r\n").minio.failure != nil)
  }

  struct Difference: Sendable {
    var input: String
    var systemd: [String]?
    var minio: [String]?
  }

  @Test(
    "where systemd and MinIO read differently, the document says so",
    arguments: [
      Difference(input: "; comment\n", systemd: [], minio: nil),
      Difference(input: "; c=d\n", systemd: [], minio: ["; c=d"]),
      Difference(input: "export K=v\n", systemd: [], minio: ["K=v"]),
      Difference(input: "K = v\n", systemd: ["K=v"], minio: ["K = v"]),
      Difference(input: #"K="a\"b""#, systemd: [#"K=a"b"#], minio: [#"K=a\"b"#]),
      Difference(input: "K='a' # c\n", systemd: ["K=a# c"], minio: ["K='a' # c"]),
      Difference(input: "K=a\\\nL=w\n", systemd: ["K=aL=w"], minio: ["K=a\\", "L=w"]),
      Difference(input: "no equals\n", systemd: [], minio: nil),
      Difference(
        input: "K=\"unterminated\nL=w\n", systemd: ["K=unterminated\nL=w\n"],
        minio: ["K=\"unterminated", "L=w"]),
      Difference(input: "K=1\nK=2\n", systemd: ["K=2"], minio: ["K=2"]),
      Difference(
        input: "K=\"a.b:c/d,e@f%g+h=i-j{1...3}~_\"\n",
        systemd: ["K=a.b:c/d,e@f%g+h=i-j{1...3}~_"], minio: ["K=a.b:c/d,e@f%g+h=i-j{1...3}~_"]),
    ])
  func differences(_ vector: Difference) {
    let file = document(vector.input)
    #expect((file.systemd.failure == nil) == (vector.systemd != nil))
    #expect((file.minio.failure == nil) == (vector.minio != nil))
    #expect(file.systemd.pairs == vector.systemd ?? [])
    #expect(file.minio.pairs == vector.minio ?? [])
  }

  @Test("names that only Unicode holds for the same are two variables")
  func names() {
    let reading = document("\u{E9}=1\ne\u{301}=2\n").minio
    #expect(reading.variables.map(\.value) == ["1", "2"])
    #expect(reading["\u{E9}"] == "1")
  }

  @Test(
    "a variable is found by its name as it is shown, also if that has a noncharacter and bytes that are no UTF-8"
  )
  func brokenName() {
    let file = EnvironmentDocument([0xEF, 0xBF, 0xBE, 0x78, 0xFF] + Array("=1\n".utf8))
    #expect(file.minio.variables.map(\.name) == ["\u{FFFE}x\u{FFFD}"])
    #expect(file.minio["\u{FFFE}x\u{FFFD}"] == "1")
  }
}
