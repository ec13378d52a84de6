// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@testable import S3

@Suite struct XMLReaderTests {
  private func read(_ text: String) throws(XMLViolation) -> XMLElement {
    try XMLElement(document: Array(text.utf8))
  }

  private func reason(_ text: String) -> String? {
    do throws(XMLViolation) {
      _ = try read(text)
      return nil
    } catch { return error.reason }
  }

  @Test("an answer of the open-source server is read")
  func answer() throws {
    let root = try read(
      """
      <?xml version="1.0" encoding="UTF-8"?>
      <ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>\
      <ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>\
      <KMSMasterKeyID>bucket-key</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule>\
      </ServerSideEncryptionConfiguration>
      """)
    #expect(root.name == "ServerSideEncryptionConfiguration")
    let rule = root["Rule"]?["ApplyServerSideEncryptionByDefault"]
    #expect(rule?["SSEAlgorithm"]?.text == "aws:kms")
    #expect(rule?["KMSMasterKeyID"]?.text == "bucket-key")
  }

  @Test(
    "text is what XML 1.0 makes of it",
    arguments: [
      ("<a/>", ""), ("<a />", ""), ("<a></a >", ""), ("<a>x<!-- c -->y</a>", "xy"),
      ("<a>&lt;&amp;&gt;&quot;&apos;</a>", "<&>\"'"),
      ("<a>&#65;&#x42;&#128512;</a>", "AB\u{1F600}"),
      ("<a><![CDATA[<b>&amp;]]]]></a>", "<b>&amp;]]"), ("<a>1\r\n2\r3</a>", "1\n2\n3"),
      ("<a>&#13;</a>", "\r"), ("\u{FEFF}<a>x</a>\n", "x"), ("<n:a n:k='>' b=\"'\">ü</n:a>", "ü"),
      ("<a>]]&gt;</a>", "]]>"), ("<?xml version='1.0'?>\n<!-- x --><a>y</a><!-- z -->", "y"),
    ])
  func text(document: String, expected: String) throws {
    let root = try read(document)
    #expect(root.name == "a")
    #expect(root.text == expected)
  }

  @Test(
    "what is not such a document is refused",
    arguments: [
      "", "text", "<a>", "<a></b>", "<a/><b/>", "<a/>x", "<a b></a>", "<a b=c></a>",
      "<a b='1' b='2'/>", "<a b='1'c='2'/>", "<1/>", "<a:1/>", "<:a/>", "<a:/>", "<a:b:c/>",
      "<a>&b;</a>", "<a>&#0;</a>", "<a>&#xD800;</a>",
      "<a>&#+65;</a>", "<a>&amp</a>", "<a>\u{1}</a>", "<a>]]></a>", "<a><![CDATA[x</a>",
      "<a><!-- - -- --></a>", "<a><!--", "<a b='<'/>", "<a", "<a/", "</a>", "<a><?php ?></a>",
      "<!DOCTYPE a><a/>", "<a><!DOCTYPE b></a>", "<?xml version='1.0' encoding='UTF-16'?><a/>",
      "<?xml version='1.0'", "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
    ])
  func refused(document: String) { #expect(reason(document) != nil, "\(document)") }

  @Test("bytes that are no UTF-8 are refused")
  func encoding() {
    #expect(throws: XMLViolation.self) {
      try XMLElement(document: Array("<a>".utf8) + [0xC3] + Array("</a>".utf8))
    }
  }

  @Test("depth, number and size have limits, and what is at the limit is read")
  func limits() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)
    }
    #expect(reason(nested(Limits.xmlDepth)) == nil)
    #expect(reason(nested(Limits.xmlDepth + 1))?.contains("deeper") == true)
    func many(_ count: Int) -> String {
      "<a>" + String(repeating: "<b/>", count: count - 1) + "</a>"
    }
    #expect(reason(many(Limits.xmlElements)) == nil)
    #expect(reason(many(Limits.xmlElements + 1))?.contains("elements") == true)
    func long(_ bytes: Int) -> String { "<a>" + String(repeating: "x", count: bytes - 7) + "</a>" }
    #expect(reason(long(Limits.xmlBytes)) == nil)
    #expect(reason(long(Limits.xmlBytes + 1))?.contains("bytes") == true)
  }

  @Test("what is written is read as the same")
  func written() throws {
    let text = "a <b> & \"c\" ]]> \r\n \u{1F600}"
    let element = XMLElement("Key", [XMLElement("Name", text: text)])
    #expect(try read(element.xml) == element)
    #expect(XMLElement.escaped("\u{0}\u{FFFF}") == "\u{FFFD}\u{FFFD}")
  }
}
