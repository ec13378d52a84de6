// SPDX-License-Identifier: Apache-2.0
internal import FoundationEssentials

/// Why JSON could not be understood, with the place in it.
package struct JSONFailure: Error, Sendable, Hashable, CustomStringConvertible {
  /// For example `nodes[2].address: is missing`. It holds no value of the text.
  package var description: String

  package init(_ description: String) { self.description = description }
}

/// JSON in and out, for messages between Keyturn's programs and for its files.
///
/// Nothing is compared, voted on or signed as JSON text: `Digest.ofFields` is for that.
package enum JSON {
  /// The value as JSON: keys sorted, so that it is the same in every process, slashes not escaped.
  package static func encode(_ value: some Encodable, pretty: Bool = false) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
    do {
      return Array(try encoder.encode(value))
    } catch {
      // Only a NaN, an infinity or an error thrown by a type's own encode(to:) can bring us here.
      preconditionFailure("a value cannot be written as JSON: \(type(of: value))")
    }
  }

  package static func line(_ value: some Encodable) -> String {
    String(decoding: encode(value), as: UTF8.self)
  }

  /// A value of a type from JSON. Unknown keys are ignored, as newer programs may send more.
  package static func decode<Value: Decodable>(
    _ type: Value.Type, from bytes: [UInt8]
  ) throws(JSONFailure) -> Value {
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch let error as DecodingError {
      if case .dataCorrupted(let context) = error, context.codingPath.isEmpty,
        let fault = JSONFault(in: bytes)
      {
        throw JSONFailure("not JSON: \(fault)")
      }
      throw JSONFailure(words(for: error))
    } catch {
      throw JSONFailure("not valid: \(error)")
    }
  }

  /// A field that is not read.
  package struct IgnoredField: Sendable, Hashable {
    /// For example `timeouts.stopSecond`.
    package var place: String
    package var name: String
    /// The known fields beside it, one of which was perhaps meant.
    package var siblings: [String]
  }

  /// The fields of `bytes` that `value`, which was decoded from them, does not have. For files that
  /// people write, where a mistyped field would silently mean a default. Fields that are null do
  /// not count.
  package static func ignored(in bytes: [UInt8], by value: some Encodable) -> [IgnoredField] {
    guard let written = try? decode(JSONShape.self, from: bytes),
      let read = try? decode(JSONShape.self, from: encode(value))
    else { return [] }
    return written.surplus(over: read, at: [])
  }

  private static func words(for error: DecodingError) -> String {
    switch error {
    case .keyNotFound(let key, let context):
      return "\(place(context.codingPath + [key])): is missing"
    case .valueNotFound(_, let context):
      return "\(place(context.codingPath)): is null"
    case .typeMismatch(let type, let context):
      return "\(place(context.codingPath)): is not \(noun(type))"
    case .dataCorrupted(let context):
      if context.codingPath.isEmpty { return "not JSON: \(context.debugDescription)" }
      return "\(place(context.codingPath)): \(context.debugDescription)"
    @unknown default: return "not valid"
    }
  }

  fileprivate static func place(_ path: [any CodingKey]) -> String {
    var text = ""
    for key in path {
      if let index = key.intValue {
        text += "[\(index)]"
      } else {
        text += (text.isEmpty ? "" : ".") + key.stringValue
      }
    }
    return text.isEmpty ? "the whole" : text
  }

  private static func noun(_ type: any Any.Type) -> String {
    switch type {
    case is String.Type: "a text"
    case is Bool.Type: "true or false"
    case is any FixedWidthInteger.Type: "a whole number"
    case is any BinaryFloatingPoint.Type: "a number"
    default: String(describing: type).hasPrefix("Array") ? "a list" : "an object"
    }
  }
}

private enum JSONShape: Decodable {
  case leaf
  case null
  case array([JSONShape])
  case object([String: JSONShape])

  /// The name of a field, or a place in a list.
  struct Key: CodingKey {
    let stringValue: String
    let intValue: Int?

    init(stringValue: String) {
      self.stringValue = stringValue
      intValue = nil
    }
    init(intValue: Int) {
      stringValue = "\(intValue)"
      self.intValue = intValue
    }
  }

  init(from decoder: any Decoder) throws {
    if let fields = try? decoder.container(keyedBy: Key.self) {
      var shapes: [String: JSONShape] = [:]
      for key in fields.allKeys {
        shapes[key.stringValue] = try fields.decode(JSONShape.self, forKey: key)
      }
      self = .object(shapes)
    } else if var list = try? decoder.unkeyedContainer() {
      var shapes: [JSONShape] = []
      while !list.isAtEnd { shapes.append(try list.decode(JSONShape.self)) }
      self = .array(shapes)
    } else {
      self = try decoder.singleValueContainer().decodeNil() ? .null : .leaf
    }
  }

  /// The fields that are here and not there, in the order of their places.
  func surplus(over other: JSONShape, at path: [Key]) -> [JSON.IgnoredField] {
    switch (self, other) {
    case (.object(let own), .object(let others)):
      return own.sorted { $0.key < $1.key }.flatMap { name, shape -> [JSON.IgnoredField] in
        let path = path + [Key(stringValue: name)]
        if let other = others[name] { return shape.surplus(over: other, at: path) }
        if case .null = shape { return [] }
        return [
          JSON.IgnoredField(place: JSON.place(path), name: name, siblings: others.keys.sorted())
        ]
      }
    case (.array(let own), .array(let others)):
      return zip(own, others).enumerated().flatMap { index, pair in
        pair.0.surplus(over: pair.1, at: path + [Key(intValue: index)])
      }
    default: return []
    }
  }
}
