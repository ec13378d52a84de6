// SPDX-License-Identifier: Apache-2.0

/// What base64 (RFC 4648, sections 4 and 5) makes of some bytes.
enum Base64 {
  private static let standard = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let urlSafe = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  /// The characters that depend on `bytes` alone, for each of the three places that they can have
  /// in a group of three bytes, in both alphabets; each once.
  static func traces(of bytes: [UInt8]) -> [[UInt8]] {
    var traces: [[UInt8]] = []
    for alphabet in [standard, urlSafe] {
      for before in 0..<3 {
        let padded = [UInt8](repeating: 0, count: before) + bytes
        // The first character without a bit of what stands before, and the first with a bit of what
        // stands behind.
        let (first, end) = ((before * 8 + 5) / 6, padded.count * 8 / 6)
        let trace = (first..<end).map { alphabet[sextet($0, of: padded)] }
        if !traces.contains(trace) { traces.append(trace) }
      }
    }
    return traces
  }

  private static func sextet(_ index: Int, of bytes: [UInt8]) -> Int {
    let bit = index * 6
    let high = Int(bytes[bit / 8]) << 8
    let low = bit / 8 + 1 < bytes.count ? Int(bytes[bit / 8 + 1]) : 0
    return (high | low) >> (10 - bit % 8) & 0x3F
  }
}
