// SPDX-License-Identifier: Apache-2.0
package import Crypto
internal import Model

/// Which of the variables that all nodes must have alike differ, and on which nodes: names, never values.
package enum VariableDifferences {
  /// What the variables of one node are.
  package typealias Row = (name: String, variables: [NamedDigest])

  /// A clause for each variable that differs, in the order of their names: `MINIO_X differs: minio-[1-3] one value,
  /// minio-4 another`, or `MINIO_X is set only on minio-4`.
  package static func clauses(_ rows: [Row]) -> [String] {
    let values = rows.map { row in
      Dictionary(row.variables.map { ($0.name, $0.digest) }, uniquingKeysWith: { $1 })
    }
    let names = Set(rows.flatMap { $0.variables.map(\.name) }).sorted()
    return names.compactMap { name in
      clause(name, zip(rows, values).map { (name: $0.name, value: $1[name]) })
    }
  }

  private static func clause(_ name: String, _ rows: [(name: String, value: Digest?)]) -> String? {
    let groups = NodeNames.grouped(rows)
    guard groups.count > 1 else { return nil }
    let set = groups.filter { $0.value != nil }
    if groups.count == 2, set.count == 1 {
      return "\(name) is set only on \(NodeNames.folded(set[0].names))"
    }
    var words = ["one value"] + Array(repeating: "another", count: max(0, set.count - 1))
    let texts = groups.map { group in
      "\(NodeNames.folded(group.names)) \(group.value == nil ? "not set" : words.removeFirst())"
    }
    return "\(name) differs: \(texts.joined(separator: ", "))"
  }

  /// The names of those that are not of the largest group; of all if none is the largest.
  package static func minority<Value: Hashable>(_ rows: [(name: String, value: Value)]) -> [String]
  {
    let groups = NodeNames.grouped(rows)
    let largest = groups.map(\.names.count).max() ?? 0
    let isClear = groups.count { $0.names.count == largest } == 1
    return isClear
      ? groups.filter { $0.names.count < largest }.flatMap(\.names) : groups.flatMap(\.names)
  }
}
