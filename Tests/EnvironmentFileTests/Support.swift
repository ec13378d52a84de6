// SPDX-License-Identifier: Apache-2.0
import EnvironmentFile
import Model
import Secrets

/// A document from text.
func document(_ text: String) -> EnvironmentDocument { EnvironmentDocument(Array(text.utf8)) }

extension EnvironmentDocument {
  var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension EnvironmentDocument.Reading {
  /// The effective variables as `name=value`.
  var pairs: [String] { variables.map { "\($0.name)=\($0.value)" } }
}

/// A change to set `name`.
func set(_ name: String, _ value: String) -> SettingChange {
  SettingChange(name: name, value: Secret(value))
}

/// A change to remove `name`.
func unset(_ name: String) -> SettingChange { SettingChange(name: name, value: nil) }

/// What `body` refuses with, or nil.
func refusal(_ body: () throws(Refusal) -> Void) -> Refusal? {
  do {
    try body()
    return nil
  } catch {
    return error
  }
}

/// A small generator of pseudo-random numbers (SplitMix64), the same in every run.
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Any bytes.
  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
  }

  /// Bytes of the kind that the grammars are about.
  mutating func fragments(_ count: Int) -> [UInt8] {
    let pieces: [[UInt8]] =
      [
        "A", "B=", "K=", "MINIO_OPTS=", "=", " ", "\t", "\n", "\n", "\r\n", "\r", "\\", "\\\n",
        "\"",
        "'", "#", ";", "$X", "`", "export ", "value", "\u{E9}", "\u{A0}", "\u{2028}", "\u{FEFF}",
        "\u{FFFE}", "\u{1}",
      ].map { Array($0.utf8) } + [[0], [0xFF], [0xC2], [0xE2, 0x80]]
    return (0..<count).flatMap { _ in pieces[Int.random(in: 0..<pieces.count, using: &self)] }
  }
}
