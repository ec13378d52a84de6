// SPDX-License-Identifier: Apache-2.0

/// Names of environment variables.
package enum VariableName {
  /// The longest that is asked for, bytes; no known one comes near it.
  static let limitBytes = 256

  /// Why `name` cannot be a variable's name, or nil.
  package static func problem(with name: String) -> String? {
    if name.utf8.count > limitBytes { return "its name has more than \(limitBytes) bytes" }
    if isVariableName(name) { return nil }
    return "its name is not made of letters, digits and '_' with a letter or '_' first"
  }

  /// The variable of MinIO's that was probably meant; nil if `name` is known or near none.
  package static func nearest(to name: String) -> String? {
    if case .near(let nearest) = KnownVariables.verdict(Array(name.utf8)[...]) { return nearest }
    return nil
  }
}
