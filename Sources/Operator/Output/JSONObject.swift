// SPDX-License-Identifier: Apache-2.0
internal import JSONCoding
internal import Model

/// An object in the lines of `--json`. A value that is nil is null there.
struct JSONObject: Encodable, ExpressibleByDictionaryLiteral {
  private struct Field: Encodable {
    let value: any Encodable

    func encode(to encoder: any Encoder) throws { try value.encode(to: encoder) }
  }

  private var fields: [String: Field]

  init(dictionaryLiteral fields: (String, any Encodable)...) {
    self.fields = Dictionary(fields.map { ($0, Field(value: $1)) }) { $1 }
  }

  /// Setting nil removes the field.
  subscript(name: String) -> (any Encodable)? {
    get { fields[name]?.value }
    set { fields[name] = newValue.map(Field.init) }
  }

  var text: String { HiddenCharacters.escaped(inJSON: JSON.line(self)) }

  func encode(to encoder: any Encoder) throws { try fields.encode(to: encoder) }
}
