// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
package import Linux
package import Model

/// A thread of our own, for work that may block. Swift's cooperative pool never runs such work.
package final class Thread: Sendable {
  private let done = Lock(false)

  private init() {}

  /// Starts a thread that runs `body`. The name is cut to the kernel's 15 characters.
  ///
  /// The thread is detached; ``join(until:)`` waits for its end by a flag of ours.
  @discardableResult
  package static func start(
    _ name: String, stackBytes: Int = 512 << 10, _ body: @escaping @Sendable () -> Void
  ) throws(Errno) -> Thread {
    let thread = Thread()
    if let simulated = Runtime.simulated {
      simulated.start(name) {
        body()
        thread.done.update { $0 = true }
      }
      return thread
    }
    let box = Unmanaged.passRetained(
      Start(name: String(name.prefix(15)), thread: thread, body: body))
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, stackBytes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var id = pthread_t()
    let code = pthread_create(
      &id, &attributes,
      { @Sendable argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        _ = kt_set_thread_name(start.name)
        start.body()
        start.thread.done.update { $0 = true }
        return nil
      }, box.toOpaque())
    if code != 0 {
      box.release()
      throw Errno(code, "start thread \(name)")
    }
    return thread
  }

  /// Blocks until the thread has run to its end (true) or the deadline has come (false).
  package func join(until deadline: Instant?) -> Bool {
    done.wait(until: deadline) { $0 ? true : nil } ?? false
  }

  private final class Start: Sendable {
    let name: String
    let thread: Thread
    let body: @Sendable () -> Void
    init(name: String, thread: Thread, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.thread = thread
      self.body = body
    }
  }
}
