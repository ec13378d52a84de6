// SPDX-License-Identifier: Apache-2.0

/// An object of a proof that is still in its bucket, or may be.
struct LeftObject: Sendable, Hashable, Encodable {
  enum State: String, Sendable, Hashable, Encodable, CaseIterable {
    /// The server has said that it is there, or was not asked to remove it.
    case there
    /// Its write or its removal was not answered.
    case possible
    /// It is not there; its write was not answered, and may be done yet.
    case later

    fileprivate var text: String {
      switch self {
      case .there: "still there"
      case .possible: "may still be there"
      case .later: "may come to be there, since its write was not answered"
      }
    }
  }

  var bucket: String
  var object: String
  var version: String?
  var state: State

  var place: String { "\(bucket)/\(object)" }
  var text: String { place + (version.map { " (version \($0))" } ?? "") }
}

extension [LeftObject] {
  /// That they are still there, or may be, and why they could not be removed.
  func statement(because reason: String?) -> String {
    let parts = LeftObject.State.allCases.compactMap { state -> String? in
      let names = filter { $0.state == state }.map(\.text)
      return names.isEmpty ? nil : "\(state.text): \(names.joined(separator: ", "))"
    }
    let why = reason.map { "; \($0)" } ?? ""
    return
      "\(parts.joined(separator: "; "))\(why); nobody else removes \(count == 1 ? "it" : "them")"
  }
}
