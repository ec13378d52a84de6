// SPDX-License-Identifier: Apache-2.0

/// Events by time, then in the order of their coming.
struct EventQueue: Sendable, Hashable {
  private struct Key: Hashable {
    var time: Int64
    var serial: Int
    var slot: Int
    func isBefore(_ other: Key) -> Bool {
      time != other.time ? time < other.time : serial < other.serial
    }
  }
  private var heap: [Key] = []
  private var slots: [Event] = []
  private var free: [Int] = []
  private var serial = 0

  mutating func push(_ event: Event, at time: Int64) {
    let slot: Int
    if let last = free.popLast() {
      slot = last
      slots[slot] = event
    } else {
      slot = slots.count
      slots.append(event)
    }
    serial += 1
    heap.append(Key(time: time, serial: serial, slot: slot))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if !heap[child].isBefore(heap[parent]) { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func pop() -> (Int64, Event)? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    if !heap.isEmpty {
      heap[0] = last
      var parent = 0
      while true {
        let left = 2 * parent + 1
        if left >= heap.count { break }
        var least = left
        if left + 1 < heap.count, heap[left + 1].isBefore(heap[left]) { least = left + 1 }
        if !heap[least].isBefore(heap[parent]) { break }
        heap.swapAt(parent, least)
        parent = least
      }
    }
    free.append(first.slot)
    return (first.time, slots[first.slot])
  }
}
