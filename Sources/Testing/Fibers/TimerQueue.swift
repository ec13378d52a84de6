// SPDX-License-Identifier: Apache-2.0

/// When fibers wake, the earliest first; of one time, in the order in which they were asked for.
struct TimerQueue {
  struct Timer {
    let time: Int64
    let order: Int
    let fiber: Fiber
    /// The wait of the fiber that it belongs to.
    let waits: Int

    init(time: Int64, order: Int, fiber: Fiber) {
      self.time = time
      self.order = order
      self.fiber = fiber
      waits = fiber.waits
    }

    static func < (first: Timer, second: Timer) -> Bool {
      (first.time, first.order) < (second.time, second.order)
    }
  }

  private var heap: [Timer] = []
  private var count = 0

  var first: Timer? { heap.first }

  mutating func next() -> Int {
    count += 1
    return count
  }

  mutating func insert(_ timer: Timer) {
    heap.append(timer)
    var index = heap.count - 1
    while index > 0, heap[index] < heap[(index - 1) / 2] {
      heap.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  mutating func removeFirst() {
    guard let last = heap.popLast(), !heap.isEmpty else { return }
    heap[0] = last
    var index = 0
    while true {
      var least = index
      for child in [2 * index + 1, 2 * index + 2] where child < heap.count {
        if heap[child] < heap[least] { least = child }
      }
      if least == index { return }
      heap.swapAt(index, least)
      index = least
    }
  }
}
