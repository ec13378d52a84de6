// SPDX-License-Identifier: Apache-2.0

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
    do {
      var bytes: [UInt8] = []
      try JSONWriting.slot(of: value).write(to: &bytes, depth: pretty ? 0 : nil)
      return bytes
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
      return try JSONReading.value(type, of: bytes)
    } catch let error as DecodingError {
      throw JSONFailure(words(for: error))
    } catch let fault as JSONFault {
      throw JSONFailure("not JSON: \(fault)")
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
    guard let written = try? JSONNode(bytes), let read = try? JSONNode(encode(value)) else {
      return []
    }
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

extension JSONNode {
  /// The fields that are here and not there, in the order of their places.
  fileprivate func surplus(over other: JSONNode, at path: [JSONKey]) -> [JSON.IgnoredField] {
    switch (self, other) {
    case (.object(let own), .object(let others)):
      return own.sorted { $0.key < $1.key }.flatMap { name, node -> [JSON.IgnoredField] in
        let path = path + [JSONKey(stringValue: name)]
        if let other = others[name] { return node.surplus(over: other, at: path) }
        if case .null = node { return [] }
        return [
          JSON.IgnoredField(place: JSON.place(path), name: name, siblings: others.keys.sorted())
        ]
      }
    case (.list(let own), .list(let others)):
      return zip(own, others).enumerated().flatMap { index, pair in
        pair.0.surplus(over: pair.1, at: path + [JSONKey(intValue: index)])
      }
    default: return []
    }
  }
}
