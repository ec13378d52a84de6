// SPDX-License-Identifier: Apache-2.0
import EnvironmentFile
import Model
import Secrets
import Testing

@Suite struct EditTests {
  static let file = """
    # MinIO
    MINIO_VOLUMES="http://minio-{1...4}:9000/data"

    MINIO_OPTS='--console-address :9001'
      MINIO_ROOT_USER=admin
    ; note=1
    UNKNOWN=x
    # the end
    """ + "\n"

  @Test("any bytes come back as they were")
  func lossless() {
    var random = Seeded(1)
    for size in 0..<300 {
      for bytes in [random.bytes(size), random.fragments(size)] {
        #expect(EnvironmentDocument(bytes).bytes == bytes)
      }
    }
  }

  @Test("a replaced definition changes its line and not another byte")
  func replace() throws {
    let result = try document(Self.file).applying([set("MINIO_ROOT_USER", "root")])
    #expect(
      result.text
        == Self.file.replacing("  MINIO_ROOT_USER=admin\n", with: "MINIO_ROOT_USER=\"root\"\n"))
  }

  @Test("a new variable is appended at the end, in the order of the changes")
  func append() throws {
    let result = try document(Self.file).applying([
      set("MINIO_KMS_SSE_KEY", "key-1"), set("MINIO_KMS_ENCLAVE", "e"),
    ])
    #expect(
      result.text == Self.file + "MINIO_KMS_SSE_KEY=\"key-1\"\nMINIO_KMS_ENCLAVE=\"e\"\n")
  }

  @Test("a removal takes the definition's line and nothing else")
  func remove() throws {
    let result = try document(Self.file).applying([unset("UNKNOWN"), unset("MINIO_OPTS")])
    #expect(
      result.text
        == Self.file.replacing("UNKNOWN=x\n", with: "")
        .replacing("MINIO_OPTS='--console-address :9001'\n", with: ""))
  }

  @Test(
    "line endings stay what they are, and a missing last one is added",
    arguments: [
      ("A=1\r\nB=2\r\n", "A=\"9\"\r\nB=2\r\nC=\"3\"\r\n"), ("A=1\nB=2", "A=\"9\"\nB=2\nC=\"3\"\n"),
      ("A=1\r\nB=2", "A=\"9\"\r\nB=2\r\nC=\"3\"\r\n"), ("A=1", "A=\"9\"\nC=\"3\"\n"),
      ("A=1\nB=2\r", "A=\"9\"\nB=2\r\nC=\"3\"\n"), ("A=1\n# c", "A=\"9\"\n# c\nC=\"3\"\n"),
      ("A=1\nword", "A=\"9\"\nword\nC=\"3\"\n"), ("A=1\r\n\n", "A=\"9\"\r\n\nC=\"3\"\n"),
    ])
  func lineEndings(_ before: String, _ after: String) throws {
    #expect(try document(before).applying([set("A", "9"), set("C", "3")]).text == after)
  }

  @Test("into an empty file the variable is written with a line feed")
  func empty() throws {
    #expect(try document("").applying([set("A", "1")]).text == "A=\"1\"\n")
    #expect(try document("A=1").applying([unset("A")]).text == "")
  }

  @Test("a value over several lines is replaced whole when no reader sees another variable in it")
  func severalLines() throws {
    let file = document("A=\"x\ny\"\nB=1\n")
    #expect(try file.applying([set("A", "z")]).text == "A=\"z\"\nB=1\n")
    #expect(try file.applying([unset("A")]).text == "B=1\n")
  }

  @Test(
    "a change that both readers already fulfil leaves the bytes as they are",
    arguments: [
      (Self.file, set("MINIO_OPTS", "--console-address :9001")), (Self.file, unset("MISSING")),
      ("A=1\nA=2\n", set("A", "2")), ("A='$x'\n", set("A", "$x")), ("A=\n", set("A", "")),
      ("A=1", set("A", "1")), ("# c\\\n", unset("A")),
    ])
  func nothingToDo(_ text: String, _ change: SettingChange) throws {
    #expect(try document(text).applying([change]).text == text)
  }

  @Test("a value that only one reader has already is written")
  func halfFulfilled() throws {
    #expect(try document("A=\"a\\\"b\"\n").applying([set("A", "ab")]).text == "A=\"ab\"\n")
    #expect(try document("A='a' # c\n").applying([set("A", "a# c")]).text == "A=\"a# c\"\n")
  }

  @Test("a file that only MinIO's own reader refuses can be changed")
  func refusedByMinIO() throws {
    let result = try document("; c\nA=1\n").applying([set("A", "2")])
    #expect(result.text == "; c\nA=\"2\"\n")
  }

  @Test(
    "in a file that only MinIO reads, what systemd would not read alike stays as it is",
    arguments: [
      ("export A=1\nB=2\n", "export A=1\nB=\"9\"\nC=\"3\"\n"),
      ("A =1\nB=2\n", "A =1\nB=\"9\"\nC=\"3\"\n"),
      ("A=a\\b\nB=2", "A=a\\b\nB=\"9\"\nC=\"3\"\n"),
      ("A='x' # c\nB=2\n", "A='x' # c\nB=\"9\"\nC=\"3\"\n"),
    ])
  func readByMinIO(_ before: String, _ after: String) throws {
    let result = try document(before).applying([set("B", "9"), set("C", "3")])
    #expect(result.text == after)
    #expect(result.minio["A"] == document(before).minio["A"])
    #expect(result.minio["B"] == "9" && result.minio["C"] == "3")
  }

  struct Refused: Sendable {
    var text: String
    var change: SettingChange
    var says: [String]
    init(_ text: String, _ change: SettingChange, _ says: String...) {
      (self.text, self.change, self.says) = (text, change, says)
    }
  }

  @Test(
    "what cannot be changed without guessing is refused with the line and what to do",
    arguments: [
      Refused("A=1\nB=2\nA=3\n", set("A", "4"), "lines 1, 3", "keep one"),
      Refused("A=1\nB=2\nA=3\n", unset("A"), "lines 1, 3", "keep one"),
      Refused("A=1\nB=\"x\nC=2\n", set("A", "4"), "line 2", "close it"),
      Refused("A=1\nB='x\nC=2\n", set("D", "4"), "line 2", "close it"),
      Refused("A=1\0\n", set("A", "4"), "line 1", "NUL"),
      Refused("A=\u{FFFF}\n", set("A", "4"), "line 1", "noncharacter"),
      Refused("A=1\nB=x\\", set("C", "4"), "line 2", "backslash"),
      Refused("A=1\nB=x\\\n", set("C", "4"), "line 2", "backslash"),
      Refused("A=1\n# c\\", set("C", "4"), "line 2", "backslash"),
      Refused("A=1\n# c\\\n", set("C", "4"), "line 2", "backslash"),
      Refused("export A=1\n", set("A", "4"), "line 1", "write it as A="),
      Refused("export A=1\n", unset("A"), "line 1", "write it as A="),
      Refused("A = 1\n", set("A", "4"), "line 1", "write it as A="),
      Refused("A=1\rB=2\n", set("A", "4"), "line 1", "write it as A="),
      Refused("#c\rA=2\n", set("A", "4"), "line 1", "write it as A="),
      Refused("# c\\\nA=2\n", set("A", "4"), "line 2", "write it as A="),
      Refused("A=\"x\nB=2\"\n", set("A", "4"), "line 1", "write it as A="),
      Refused("A=1\n", set("A", "a\"b"), "A", "\"", "another value"),
      Refused("A=1\n", set("a b", "1"), "name"),
      Refused("A=1\n", set("exportA", "1"), "export"),
      Refused("A=1\n", unset(""), "name"),
    ])
  func refusals(_ vector: Refused) throws {
    let file = document(vector.text)
    let refusal = try #require(
      refusal { () throws(Refusal) in _ = try file.applying([vector.change]) })
    #expect(refusal.code == .validation)
    for part in vector.says { #expect(refusal.message.contains(part), "\(refusal.message)") }
  }

  @Test("two changes of one variable are refused")
  func changedTwice() {
    let found = refusal { () throws(Refusal) in
      _ = try document("").applying([set("A", "1"), unset("A")])
    }
    #expect(found?.code == .validation)
  }

  @Test("whatever the file, an edit is refused or both readers see just that change")
  func random() throws {
    var random = Seeded(2)
    var edited = 0
    for _ in 0..<3000 {
      let file = EnvironmentDocument(random.fragments(Int.random(in: 0..<30, using: &random)))
      let changes = [set("K", "new"), Bool.random(using: &random) ? set("N", "1") : unset("B")]
      guard let result = try? file.applying(changes) else { continue }
      edited += result.bytes == file.bytes ? 0 : 1
      for reading in [result.systemd, result.systemd(comments: .beforeVersion254)] {
        #expect(reading["K"] == "new")
      }
      let again = try result.applying(changes)
      #expect(again.bytes == result.bytes, "a second time there is nothing to do")
    }
    #expect(edited > 300)
  }

  @Test("an edit whose result reads otherwise than requested is found out, never returned")
  func codes() {
    var random = Seeded(3)
    var failed = 0
    for _ in 0..<3000 {
      let file = EnvironmentDocument(random.fragments(Int.random(in: 0..<20, using: &random)))
      let found = refusal { () throws(Refusal) in
        _ = try file.applying([set("K", "new"), set("MINIO_OPTS", "x"), unset("B")])
      }
      failed += found?.code == .failed ? 1 : 0
    }
    #expect(failed == 0, "each refusal should have its own message, not the last resort's")
  }
}
