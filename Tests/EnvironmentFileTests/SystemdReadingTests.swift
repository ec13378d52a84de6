// SPDX-License-Identifier: Apache-2.0
import EnvironmentFile
import Testing

/// docs/facts.md, "EnvironmentFile= of systemd", vector by vector (systemd's test-env-file.c and
/// michurin/systemd-env-file).
@Suite struct SystemdReadingTests {
  struct Vector: Sendable, CustomTestStringConvertible {
    var input: String
    var pairs: [String]
    var testDescription: String { input.debugDescription }
    init(_ input: String, _ pairs: String...) {
      self.input = input
      self.pairs = pairs
    }
  }

  @Test(
    "systemd's own test vectors are read as systemd reads them",
    arguments: [
      Vector("a=a\na=b\na=b\na=a\n", "a=a"),
      Vector("b=b\\\nc\n", "b=bc"),
      Vector("d= d\\\ne  \\\nf  \n", "d=de  f"),
      Vector("g=g\\ \n", "g=g "),
      Vector("h= ąęół\\ śćńźżμ \n", "h=ąęół śćńźżμ"),
      Vector("i=i\\", "i=i"),
      Vector("a=\nb=\n", "a=", "b="),
      Vector("a=\nb=", "a=", "b="),
      Vector(#"a=\ \n \t \x \y \' "# + "\n", "a= n t x y '"),
      Vector(#"b= \$'   "# + "\n", "b=$'"),
      Vector("c= ' \\n\\t\\$\\`\\\\\n'   \n", "c= \\n\\t\\$\\`\\\\\n"),
      Vector("d= \" \\n\\t\\$\\`\\\\\n\"   \n", "d= \\n\\t$`\\\n"),
      Vector("one=BAR   \n", "one=BAR"),
      Vector(" # comment\n"),
      Vector(" ; comment\n"),
      Vector("  two   =   bar    \n", "two=bar"),
      Vector("invalid line\n"),
      Vector("three = \"333\nxxxx\"\n", "three=333\nxxxx"),
      Vector(#"four = '44\"44'"# + "\n", #"four=44\"44"#),
      Vector(#"five = "55\"55" "FIVE" cinco   "# + "\n", #"five=55"55FIVEcinco"#),
      Vector("six = seis sechs\\\n sis\n", "six=seis sechs sis"),
      Vector("seven=\"sevenval\" #nocomment\n", "seven=sevenval#nocomment"),
      Vector("eight=eightval #nocomment\n", "eight=eightval #nocomment"),
      Vector("ten=ignored\nten=ignored\nten=\n", "ten="),
      Vector(#"eleven=\value"#, "eleven=value"),
      Vector(#"twelve="\value""#, #"twelve=\value"#),
      Vector(#"thirteen='\value'"#, #"thirteen=\value"#),
      Vector("one=BAR\\\n\\ \\ \\ \\ VAR\\\n\tGAR\n", "one=BAR    VAR\tGAR"),
      Vector("two=\"bar\\\n    var\\\n\tgar\"\n", "two=bar    var\tgar"),
    ])
  func vectors(_ vector: Vector) {
    #expect(document(vector.input).systemd.pairs == vector.pairs)
  }

  @Test(
    "the rules of the grammar hold one by one",
    arguments: [
      Vector("K=v # c\n", "K=v # c"),
      Vector("K=\"v\" # c\n", "K=v# c"),
      Vector("K=v\r\nL=w\r\n", "K=v", "L=w"),
      Vector("K=v\rL=w\r", "K=v", "L=w"),
      Vector("a=b\\\r\nc=d\r\n", "a=b", "c=d"),
      Vector("K=a\"b\"c\n", "K=a\"b\"c"),
      Vector("K=\"a\" \"b\" c\n", "K=abc"),
      Vector("K='a\nb'\n", "K=a\nb"),
      Vector("K=$X %i\n", "K=$X %i"),
      Vector("K=\"unterminated\nL=w\n", "K=unterminated\nL=w\n"),
      Vector("K='unterminated", "K=unterminated"),
      Vector("K=\"a\\", "K=a"),
      Vector("K=\"a\\\r\"\n", "K=a\\\r"),
      Vector("K=v\\\n", "K=v"),
      Vector("K=\\\n", "K="),
      Vector("K=a \\  \n", "K=a  "),
      Vector("K=v   ", "K=v"),
      Vector("K=\"v \"  ", "K=v "),
      Vector("key without end"),
      Vector("A=1\nB=2\nA=3\n", "A=3", "B=2"),
      Vector("  ; c\\x\nK=v\n", "K=v"),
      Vector(""),
    ])
  func rules(_ vector: Vector) {
    #expect(document(vector.input).systemd.pairs == vector.pairs)
  }

  @Test(
    "a comment ending in a backslash ends with its line since v254 and swallows the next before")
  func commentContinuation() {
    let file = document(
      "#X=\"-d \\\n#--y \\\nnormal1=line\\\n111\n;n=ignored \\\nnormal2=line222\nnormal ignored \\\n"
    )
    #expect(file.systemd.pairs == ["normal1=line111", "normal2=line222"])
    #expect(file.systemd(comments: .sinceVersion254) == file.systemd)
    #expect(file.systemd(comments: .beforeVersion254).pairs == [])
    let inner = document("# a\\b\nK=v\n")
    #expect(inner.systemd(comments: .beforeVersion254).pairs == ["K=v"])
  }

  @Test(
    "a name that is none is dropped, and still listed",
    arguments: [
      ("export nine=nineval", "export nine"), ("=foo=bar", "=foo"), ("1A=v", "1A"),
      ("a-b=v", "a-b"),
      ("\ta\tb\t=\to\tk\t", "a\tb"), ("\u{FEFF}K=v", "\u{FEFF}K"),
    ])
  func invalidNames(_ line: String, _ name: String) throws {
    let reading = document(line + "\n").systemd
    #expect(reading.variables == [])
    let dropped = try #require(reading.definitions.first)
    #expect(dropped.isDropped && dropped.name == name)
    #expect(reading.failure == nil)
  }

  @Test("blanks within a name's line are taken from the value's ends only")
  func tabs() {
    #expect(document("\ta\tb\t=\to\tk\t\n").systemd.definitions.map(\.value) == ["o\tk"])
  }

  @Test(
    "a noncharacter or broken UTF-8 in a name or value makes systemd refuse the whole file",
    arguments: [
      Array("fo\u{FFFE}o=bar\n".utf8), Array("foo=b\u{FFFF}ar\n".utf8),
      [0x4B, 0x3D, 0xEF, 0xB7, 0x90], Array("K=\u{1FFFE}".utf8),
      [0x4B, 0x3D, 0xFF], [0x4B, 0x3D, 0xC3], [0x4B, 0x3D, 0xC0, 0x80],
      [0x4B, 0x3D, 0xED, 0xA0, 0x80],
      [0x4B, 0x3D, 0xE0, 0x80, 0x80], [0x4B, 0x3D, 0xF4, 0x90, 0x80, 0x80], [0xFF, 0x3D, 0x61],
    ])
  func unreadable(_ bytes: [UInt8]) {
    let reading = EnvironmentDocument(bytes).systemd
    #expect(reading.failure?.contains("line ") == true)
    #expect(reading.variables == [])
    #expect(reading["K"] == nil)
  }

  @Test("bad bytes in a comment or in a line without '=' do no harm")
  func unreadableElsewhere() {
    let bytes: [UInt8] =
      Array("# ".utf8) + [0xFF, 0x0A] + [0xFF, 0x0A] + Array("K=\u{FFFD}\n".utf8)
    #expect(EnvironmentDocument(bytes).systemd.pairs == ["K=\u{FFFD}"])
  }

  @Test("a NUL byte anywhere makes systemd refuse the whole file, with its line")
  func nul() {
    let reading = document("K=v\n# \0\n").systemd
    #expect(reading.failure?.hasPrefix("line 2: a NUL byte") == true)
    #expect(reading.variables == [])
  }

  @Test("a definition knows the line and column of its name, counted by line feeds")
  func places() {
    let definitions = document("# c\r\n\r\n  A=1\nB=\"x\ny\"\nC=2\rD=3\n").systemd.definitions
    #expect(definitions.map(\.name) == ["A", "B", "C", "D"])
    #expect(definitions.map(\.line) == [3, 4, 6, 6])
    #expect(definitions.map(\.column) == [3, 1, 1, 5])
  }

  @Test(
    "the last definition of a name wins and gives the line, the first gives the place in the order")
  func order() {
    let reading = document("A=1\nB=2\nA=3\n").systemd
    #expect(reading.variables.map(\.name) == ["A", "B"])
    #expect(reading.variables.map(\.line) == [3, 2])
    #expect(reading.definitions.map(\.value) == ["1", "2", "3"])
    #expect(reading["A"] == "3")
    #expect(reading["C"] == nil)
  }
}
