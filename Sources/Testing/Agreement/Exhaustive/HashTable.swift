// SPDX-License-Identifier: Apache-2.0

/// The hashes of states that were seen, eight bytes each: open addressing, at most three quarters full.
struct HashTable {
  private var slots = [UInt64](repeating: 0, count: 1 << 20)
  private(set) var count = 0

  /// Whether it is new. Zero stands for an empty slot, and is taken for one.
  mutating func insert(_ hash: UInt64) -> Bool {
    if count * 4 > slots.count * 3 { grow() }
    let isNew = Self.insert(hash | 1, &slots)
    if isNew { count += 1 }
    return isNew
  }

  private static func insert(_ hash: UInt64, _ slots: inout [UInt64]) -> Bool {
    let mask = slots.count - 1
    var place = Int(truncatingIfNeeded: hash >> 20) & mask
    while slots[place] != 0 {
      if slots[place] == hash { return false }
      place = (place + 1) & mask
    }
    slots[place] = hash
    return true
  }

  private mutating func grow() {
    var larger = [UInt64](repeating: 0, count: slots.count * 2)
    for hash in slots where hash != 0 { _ = Self.insert(hash, &larger) }
    slots = larger
  }
}

/// SplitMix64's mixing of one number (Steele, Lea, Flood 2014).
func mix(_ number: UInt64) -> UInt64 {
  var z = number &+ 0x9E37_79B9_7F4A_7C15
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}
