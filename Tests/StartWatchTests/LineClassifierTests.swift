// SPDX-License-Identifier: Apache-2.0
import Model
@testable import ServerUnit
@testable import StartWatch
import Testing

@Suite struct LineClassifierTests {
  private static func entry(_ message: String, pid: Int32 = 200) -> JournalEntry {
    JournalEntry(
      cursor: "", realtimeMicroseconds: 0, monotonicMicroseconds: 0, bootID: "",
      invocationID: "new", pid: pid, priority: 6, identifier: pid == 1 ? "systemd" : "minio",
      message: message)
  }

  private static func kinds(_ messages: [String]) -> [LineKind] {
    var classifier = LineClassifier()
    return messages.map { classifier.take(entry($0)).kind }
  }

  @Test("the example of each row is of that row", arguments: LinePattern.table)
  func example(_ pattern: LinePattern) {
    var classifier = LineClassifier()
    var entry = Self.entry(pattern.example, pid: pattern.source == .manager ? 1 : 200)
    if pattern.source == .journal { entry.identifier = "systemd-journald" }
    let line = classifier.take(entry)
    #expect(line.pattern?.id == pattern.id)
    #expect(line.kind == pattern.kind)
    #expect(line.text == pattern.example)
  }

  @Test("rows have names of their own, and those that end a start say why and what to do")
  func rows() {
    let names = LinePattern.table.map(\.id)
    #expect(Set(names).count == names.count)
    for row in LinePattern.table {
      #expect(!row.seen.isEmpty && !row.meaning.isEmpty, "\(row.id)")
      switch row.kind {
      case .fatal, .brokenButServing: #expect(row.cause != nil && row.remedy != nil, "\(row.id)")
      default: break
      }
    }
  }

  @Test("what a server says only when it goes on tells that it got past the Key Manager")
  func passedKeyManager() {
    for row in LinePattern.table {
      switch row.kind {
      case .progress, .success, .brokenButServing:
        #expect(row.passedKeyManager == true, "\(row.id)")
      case .fatal where row.id.hasPrefix("kms-") || row.id.hasPrefix("config-env"):
        #expect(row.passedKeyManager == false, "\(row.id)")
      default: break
      }
    }
  }

  @Test("the same text in a server's line and in systemd's is not the same")
  func source() {
    var classifier = LineClassifier()
    let line = classifier.take(Self.entry("object/Main process exited, code=killed", pid: 200))
    #expect(line.kind == .ordinary)
    let manager = classifier.take(Self.entry("minio.service: MinIO Object Storage Server", pid: 1))
    #expect(manager.kind == .ordinary)
  }

  @Test("the child in which systemd prepares to run the server speaks for systemd")
  func child() {
    var classifier = LineClassifier()
    var entry = Self.entry("minio.service: Unable to locate executable '/m': No such file")
    #expect(classifier.take(entry).kind == .ordinary)
    entry.identifier = "(minio)"
    #expect(classifier.take(entry).pattern?.id == "exec")
  }

  @Test("API: SYSTEM opens an error, API: http is the banner")
  func errorOrBanner() {
    #expect(
      Self.kinds([
        "API: SYSTEM.iam", "Time: 10:00:00 UTC 01/01/2026", "DeploymentID: 8c1d",
        "Error: some new error (*errors.errorString)",
        "       6: internal/logger/logger.go:268:logger.LogIf()", "      user=\"x\"",
        "API: http://127.0.0.1:9000", "Time: flies",
      ]) == [
        .continuation, .continuation, .continuation, .error, .continuation, .continuation,
        .success(.banner), .ordinary,
      ])
  }

  @Test("an error in a block bears the part of the server that it is from")
  func subsystem() {
    var classifier = LineClassifier()
    _ = classifier.take(Self.entry("API: SYSTEM.iam(bucket=x)"))
    #expect(classifier.take(Self.entry("Error: new")).subsystem == "SYSTEM.iam")
    _ = classifier.take(Self.entry("INFO: done"))
    #expect(classifier.take(Self.entry("Error: alone")).subsystem == nil)
  }

  @Test("indented lines belong to a fatal message, of the same process only")
  func continuation() {
    var classifier = LineClassifier()
    #expect(classifier.take(Self.entry("      before")).kind == .ordinary)
    #expect(classifier.take(Self.entry("FATAL x")).kind == .fatal(.fatalLine))
    #expect(classifier.take(Self.entry("      > more", pid: 1)).kind == .ordinary)
    #expect(classifier.take(Self.entry("      > more")).kind == .continuation)
    #expect(classifier.take(Self.entry("      another", pid: 201)).kind == .ordinary)
  }

  @Test(
    "a tag gives the level",
    arguments: [
      ("FATAL x", LineLevel.fatal, "x"), ("ERROR x", .fatal, "x"), ("ERRO: x", .error, "x"),
      ("Error: x", .error, "x"), ("WARN: x", .warning, "x"), ("INFO: x", .info, "x"),
      ("INFO:  x", .info, "x"), ("x", .plain, "x"), ("", .plain, ""), ("FATALx", .plain, "FATALx"),
      ("{\"level\":\"WARNING\",\"message\":\"x\"}", .warning, "x"),
      ("{\"level\":\"ERROR\",\"error\":{\"message\":\"x\",\"source\":[\"a\",\"b\"]}}", .error, "x"),
      (
        #"{"time":1, "a":[[],{}], "level" : "FATAL", "message":"\u0041\"\ud83d\ude00"}"#,
        .fatal, "A\"😀"
      ),
      ("{\"level\":\"FATAL\",\"message\":\"cut", .plain, "{\"level\":\"FATAL\",\"message\":\"cut"),
      ("{\"message\":\"no level\"}", .plain, "{\"message\":\"no level\"}"),
      ("{", .plain, "{"), ("{}", .plain, "{}"), ("{\"a\":\"\\", .plain, "{\"a\":\"\\"),
    ])
  func levels(_ message: String, _ level: LineLevel, _ statement: String) {
    var classifier = LineClassifier()
    let line = classifier.take(Self.entry(message))
    #expect(line.level == level)
    #expect(line.statement == statement)
  }

  @Test("JSON that is nested beyond the limit is taken as plain text")
  func depth() {
    func line(_ depth: Int) -> String {
      "{\"a\":" + String(repeating: "[", count: depth - 1)
        + String(repeating: "]", count: depth - 1)
        + ",\"level\":\"FATAL\"}"
    }
    #expect(JSONLogLine(line(16))?.level == .fatal)
    #expect(JSONLogLine(line(17)) == nil)
    #expect(JSONLogLine(line(8_000)) == nil)
  }

  @Test("an error in a JSON line bears the part of the server that it is from")
  func jsonSubsystem() {
    let line =
      "{\"level\":\"ERROR\",\"api\":{\"name\":\"SYSTEM.kms\"},\"error\":{\"message\":\"x\"}}"
    var classifier = LineClassifier()
    #expect(classifier.take(Self.entry(line)).subsystem == "SYSTEM.kms")
  }

  @Test("a fatal line is fatal even if it says what a serving server says too")
  func fatalAboveBroken() {
    #expect(Self.kinds(["FATAL x: ciphertext is not authentic"]) == [.fatal(.fatalLine)])
  }
}
