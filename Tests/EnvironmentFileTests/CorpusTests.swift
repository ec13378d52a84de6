// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import FuzzTargets
import Testing

/// The inputs that fuzzing begins with, and what it found (scripts/fuzz).
@Suite struct CorpusTests {
  private static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/Corpus")

  @Test("on every input of the corpus all is as it must be, for every target")
  func corpus() throws {
    var count = 0
    for part in FuzzTarget.allCases {
      let path = Self.folder.appendingPathComponent(part.rawValue).path
      for name in try FileManager.default.contentsOfDirectory(atPath: path) {
        let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))
        count += 1
        for target in FuzzTarget.allCases {
          #expect(target.violation(bytes) == nil, "\(part.rawValue)/\(name), \(target)")
        }
      }
    }
    #expect(count > 20)
  }

  @Test("on seeded bytes and fragments of the grammars too")
  func seeded() {
    var random = Seeded(6)
    for size in 0..<400 {
      for bytes in [random.bytes(size), random.fragments(size / 8)] {
        for target in FuzzTarget.allCases {
          #expect(target.violation(bytes) == nil, "\(bytes)")
        }
      }
    }
  }
}
