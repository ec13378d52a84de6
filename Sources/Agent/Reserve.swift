internal import LinuxIO
internal import Model

/// One thread that is there from the start, for when the host gives none.
extension Agent {
  /// What a rollout hangs on: runs `body` on a thread of its own, or, if the host gives none now, on the agent's
  /// reserve, so that nothing that was decided is left undone. Does not block.
  func carryOn(_ name: String, _ body: @escaping @Sendable () -> Void) {
    do throws(Refusal) { try startThread(name, body) } catch {
      ports.log(3, "\(error.message); it waits for the agent's reserve")
      reserve.post((name, body))
    }
  }

  /// For what no thread could be started for: one after the other, each on a thread of its own if one is to be had by
  /// then.
  func keepReserve() {
    do throws(Errno) {
      try Thread.start("reserve") { [reserve, ports] in
        while let (name, body) = reserve.take() {
          do throws(Errno) { try ports.startThread(name, body) } catch { body() }
        }
      }
    } catch { ports.log(3, "\(node): \(error)") }
  }
}
