// SPDX-License-Identifier: Apache-2.0

/// Many walks.
package struct Walks: Sendable {
  package private(set) var count = 0
  package private(set) var events = 0
  /// How many walks came to each sight.
  package private(set) var sights: [Sight: Int] = [:]

  package init() {}

  /// One walk; what it broke.
  package mutating func walk(_ seed: UInt64) -> Violation? {
    var walk = Walk(seed: seed)
    walk.run()
    count += 1
    events += walk.steps
    for sight in Sight.allCases where walk.sights >> sight.rawValue & 1 == 1 {
      sights[sight, default: 0] += 1
    }
    return walk.violation
  }

  /// A walk's events, one a line.
  package static func trace(_ seed: UInt64) -> [String] {
    var walk = Walk(seed: seed, isTraced: true)
    walk.run()
    return walk.lines ?? []
  }
}
