// SPDX-License-Identifier: Apache-2.0
import Model
import Sockets
import TLS
import Threads

/// All connections of one source, on one thread.
final class Attacker {
  private struct Slot {
    var kind: Plan.Kind
    var number: Int
    var socket: Socket?
    var session: TLSSession?
    /// When it sends its next byte, or is made again.
    var next = Clock.now()
    var sent = 0
    var wasMade = false
  }
  /// The head of a record with a hello of 512 bytes, of which the end never comes.
  private static let hello: [UInt8] =
    [0x16, 0x03, 0x01, 0x02, 0x04, 0x01, 0x00, 0x02, 0x00, 0x03, 0x03]
    + [UInt8](repeating: 0x20, count: 505)
  private static let head = Array(
    ("GET /v1/status HTTP/1.1\r\nhost: h\r\nx: " + String(repeating: "a", count: 400)).utf8)

  private let plan: Plan
  private let source: SocketAddress
  private let total: Lock<Count>
  private var slots: [Slot] = []

  init(_ plan: Plan, _ source: SocketAddress, _ number: Int, _ total: Lock<Count>) {
    self.plan = plan
    self.source = source
    self.total = total
    // The certified ones first: they must get in before the rush.
    for kind in [Plan.Kind.idle, .heads, .silent, .slow] {
      for place in 0..<plan.share(kind, of: number) {
        slots.append(Slot(kind: kind, number: place + number))
      }
    }
  }

  func run() {
    while Clock.now() < plan.end {
      for place in slots.indices { take(&slots[place]) }
      Clock.sleep(until: .inMilliseconds(100))
    }
  }

  private func take(_ slot: inout Slot) {
    let isDue = Clock.now() >= slot.next
    guard let socket = slot.socket else {
      if isDue { make(&slot) }
      return
    }
    // Only the end counts, whatever the agent says.
    let bytes = (try? socket.readNow(upTo: 16 << 10)) ?? nil
    let isOver = socket.isReadable && (bytes?.isEmpty ?? false)
    if isOver || (isDue && !send(&slot, socket)) {
      slot = Slot(
        kind: slot.kind, number: slot.number, next: .inMilliseconds(1_000), wasMade: slot.wasMade)
      total.update { $0.closed += 1 }
    }
  }

  private func make(_ slot: inout Slot) {
    slot.next = .inMilliseconds(1_000)
    do {
      let socket = try Socket.connect(to: plan.target, from: source, until: .inMilliseconds(3_000))
      if slot.kind == .idle || slot.kind == .heads, !plan.contexts.isEmpty {
        let context = plan.contexts[slot.number % plan.contexts.count]
        slot.session = try context.connect(
          over: socket, expecting: plan.expected(context), until: .inMilliseconds(3_000))
      }
      slot.socket = socket
    } catch {
      total.update { $0.failed += 1 }
    }
    if !slot.wasMade {
      slot.wasMade = true
      total.update { $0.made += 1 }
    }
  }

  /// Sends a byte where one is due; false if the connection is over.
  private func send(_ slot: inout Slot, _ socket: Socket) -> Bool {
    slot.next = .inMilliseconds(1_000)
    let now = Instant.inMilliseconds(100)
    do {
      switch slot.kind {
      case .silent, .idle: return true
      case .slow: try socket.write([Self.hello[slot.sent % Self.hello.count]], until: now)
      case .heads: try slot.session?.write([Self.head[slot.sent % Self.head.count]], until: now)
      }
      slot.sent += 1
      return true
    } catch { return false }
  }
}
