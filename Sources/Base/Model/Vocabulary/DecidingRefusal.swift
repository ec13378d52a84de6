// SPDX-License-Identifier: Apache-2.0
extension RefusalCode {
  /// When nodes say no for different reasons, the one of the lowest rank decides the exit code:
  /// first what keeps the operator from seeing the rest, then the guard, then the rest in the order
  /// of the work.
  var rank: Int {
    switch self {
    case .unreachable: 0
    case .notPermitted: 1
    case .configuration: 2
    case .guarded: 3
    case .validation: 4
    case .file: 5
    case .unit: 6
    case .keyManager: 7
    case .vote: 8
    case .clock: 9
    case .busy: 10
    case .failed: 11
    }
  }
}

extension Sequence where Element == RefusalCode {
  /// The one that decides the exit code; nil if there is none.
  package var deciding: RefusalCode? { self.min { $0.rank < $1.rank } }
}
