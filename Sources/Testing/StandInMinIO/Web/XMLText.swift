// SPDX-License-Identifier: Apache-2.0

/// XML as the server writes it, and what it takes of a request's. The product has a reader of its
/// own; a second one here finds what that one alone would agree with itself about.
enum XMLText {
  static let prologue = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
  static let namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

  static func element(_ name: String, _ content: String) -> String {
    "<\(name)>\(content)</\(name)>"
  }

  static func element(_ name: String, text: String) -> String { element(name, escaped(text)) }

  /// The root of one of S3's documents.
  static func document(_ name: String, _ content: String) -> String {
    "<\(name) xmlns=\"\(namespace)\">\(content)</\(name)>"
  }

  static func escaped(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
      switch scalar {
      case "<": "&lt;"
      case ">": "&gt;"
      case "&": "&amp;"
      case "\"": "&#34;"
      case "'": "&#39;"
      default: String(scalar)
      }
    }.joined()
  }

  /// The leaves of a document, by name, in their order; nil if its elements do not close each other.
  /// Enough for the few that are sent here: comments, CDATA and attributes are passed over.
  static func leaves(_ bytes: [UInt8]) -> [(name: String, text: String)]? {
    var rest = Substring(decoding: bytes, as: UTF8.self)
    var open: [(name: String, text: String, isLeaf: Bool)] = []
    var leaves: [(name: String, text: String)] = []
    var hasRoot = false
    while let start = rest.firstIndex(of: "<") {
      if !open.isEmpty { open[open.count - 1].text += String(rest[..<start]) }
      guard let end = rest[start...].firstIndex(of: ">") else { return nil }
      let tag = rest[rest.index(after: start)..<end]
      rest = rest[rest.index(after: end)...]
      if tag.hasPrefix("?") || tag.hasPrefix("!") { continue }
      if tag.hasPrefix("/") {
        guard let last = open.popLast(), last.name == localName(tag.dropFirst()) else { return nil }
        if last.isLeaf { leaves.append((last.name, unescaped(last.text))) }
        continue
      }
      if open.isEmpty, hasRoot { return nil }
      hasRoot = true
      if !open.isEmpty { open[open.count - 1].isLeaf = false }
      if tag.hasSuffix("/") {
        leaves.append((localName(tag.dropLast()), ""))
      } else {
        open.append((localName(tag), "", true))
      }
    }
    return hasRoot && open.isEmpty ? leaves : nil
  }

  private static func localName(_ tag: Substring) -> String {
    let name = tag.prefix { !$0.isWhitespace }
    return String(name.split(separator: ":").last ?? "")
  }

  private static func unescaped(_ text: String) -> String {
    [
      ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#34;", "\""),
      ("&#39;", "'"), ("&amp;", "&"),
    ].reduce(text) { $0.replacing($1.0, with: $1.1) }
  }
}
