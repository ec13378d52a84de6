// SPDX-License-Identifier: Apache-2.0

/// The header fields of an HTTP message, in their order. Names are compared without regard to case.
package struct HTTPHeaders: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  /// The fields; names in lower case, values without the white space around them.
  package private(set) var fields: [(name: String, value: String)] = []

  package init() {}

  package init(dictionaryLiteral elements: (String, String)...) {
    for (name, value) in elements { add(name, value) }
  }

  package mutating func add(_ name: String, _ value: String) {
    fields.append((name.lowercased(), value))
  }

  package func all(_ name: String) -> [String] {
    let name = name.lowercased()
    return fields.filter { $0.name == name }.map(\.value)
  }

  /// The value of the field of that name; several are joined by commas (RFC 9110, 5.3).
  package subscript(name: String) -> String? {
    let values = all(name)
    return values.isEmpty ? nil : values.joined(separator: ", ")
  }

  /// Whether a list-valued field holds `token`, for example `connection` and `close`.
  package func lists(_ name: String, _ token: String) -> Bool {
    all(name).contains { value in
      value.split(separator: ",").contains { HTTPSyntax.trimmed($0).lowercased() == token }
    }
  }

  package static func == (a: HTTPHeaders, b: HTTPHeaders) -> Bool {
    a.fields.elementsEqual(b.fields) { $0 == $1 }
  }
}
