// SPDX-License-Identifier: Apache-2.0
internal import Model

/// An element of a small XML answer (XML 1.0): its local name, its text, the elements in it.
///
/// Attributes and namespaces are dropped: no S3 answer differs by them. Nothing but what such
/// answers hold is read: no document type, no entities of its own, no processing instructions
/// beyond the declaration, UTF-8 only.
package struct XMLElement: Sendable, Hashable {
  package var name: String
  /// The text directly in the element, references put in, sections of CDATA included.
  package var text = ""
  package var children: [XMLElement] = []

  package init(_ name: String, text: String = "", _ children: [XMLElement] = []) {
    self.name = name
    self.text = text
    self.children = children
  }

  /// The first element of that name directly in this one.
  package subscript(name: String) -> XMLElement? { children.first { $0.name == name } }

  package func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

  /// Reads a whole document.
  package init(document bytes: [UInt8]) throws(XMLViolation) {
    self = try XMLReader.read(bytes)
  }

  /// `text` as it stands between tags (XML 1.0, 2.4): what is no character of XML becomes U+FFFD.
  package static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      // A line end would be read as another.
      case "\r": result += "&#13;"
      case _ where !XMLReader.isCharacter(scalar.value): result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// The element as XML, without a declaration.
  package var xml: String {
    "<\(name)>\(Self.escaped(text))\(children.map(\.xml).joined())</\(name)>"
  }
}

/// Why bytes are not such a document.
package struct XMLViolation: Error, Sendable, Hashable, CustomStringConvertible {
  /// Without any of the document's own text.
  package var reason: String
  /// Bytes before the place.
  package var offset: Int
  /// Whether nothing is wrong but that it is larger than any may be.
  package var isTooLarge = false

  package var description: String { "byte \(offset): \(reason)" }
}
