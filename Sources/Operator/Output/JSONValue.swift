// SPDX-License-Identifier: Apache-2.0
internal import JSONCoding

/// A JSON value, for the lines of `--json`.
enum JSONValue: Sendable, Hashable, Encodable {
  case null
  case bool(Bool)
  case integer(Int64)
  /// A finite number.
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// A string, or null.
  init(_ text: String?) { self = text.map { .string($0) } ?? .null }
  /// An integer, or null.
  init(_ number: Int?) { self = number.map { .integer(Int64($0)) } ?? .null }

  /// One line, keys sorted, characters that cannot be seen escaped.
  var text: String { HiddenCharacters.escaped(inJSON: JSON.line(self)) }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }
}
