// SPDX-License-Identifier: Apache-2.0
internal import API
internal import JSONCoding
internal import Model
internal import Rollout
internal import Threads

/// The records of the last timelines, one for each rollout, so that `keyturn show` can tell
/// afterwards how a rollout went.
///
/// No decision rests on them: one that cannot be written or read is told, and holds nothing up.
struct TimelineRecords: Sendable {
  private static let folder = "timelines"
  private static let digits = 20

  private let port: any RecordPort
  /// One write at a time, and of two the later one is the later state.
  private let writing = Lock(Turn())

  init(port: any RecordPort) { self.port = port }

  /// Keeps the timeline that `current` gives, in place of an earlier state of it, durable when this
  /// returns; with nil nothing happens. Forgets the oldest beyond the limit. Blocks on the disk.
  func save(_ current: () -> Timeline?) throws(Refusal) {
    try writing.withLock { _ throws(Refusal) in
      guard let timeline = current() else { return }
      try port.save("\(Self.folder)/\(Self.name(timeline.rollout))", JSON.encode(timeline))
      for name in try names().dropLast(Limits.timelines) {
        try port.remove("\(Self.folder)/\(name)")
      }
    }
  }

  /// The timeline of a rollout; nil if it is not kept. Blocks on the disk.
  func load(_ id: String) throws(Refusal) -> Timeline? {
    // The newest, should an id have come twice.
    guard let name = try names().last(where: { $0.hasSuffix("-\(id)") }) else { return nil }
    return try read(name)
  }

  /// All that are kept, the newest first; what is wrong with one that cannot be read goes to
  /// `problem`. Blocks on the disk.
  func all(problem: (String) -> Void) throws(Refusal) -> [Timeline] {
    var timelines: [Timeline] = []
    for name in try names().reversed() {
      do throws(Refusal) {
        if let timeline = try read(name) { timelines.append(timeline) }
      } catch { problem(error.message) }
    }
    return timelines
  }

  private func read(_ name: String) throws(Refusal) -> Timeline? {
    guard let bytes = try port.load("\(Self.folder)/\(name)") else { return nil }
    do { return try JSON.decode(Timeline.self, from: bytes) } catch {
      throw Refusal(
        .failed,
        "the timeline \"\(name)\" cannot be read: \(error); nothing rests on it, and the file may be removed"
      )
    }
  }

  /// The records' names, the oldest rollout first. What is no timeline's name is left out.
  private func names() throws(Refusal) -> [String] {
    try port.list(Self.folder)
      .filter { name in
        name.utf8.count == Self.digits + 17
          && name.utf8.prefix(Self.digits).allSatisfy { $0.isDigit }
      }
      .sorted()
  }

  /// `EPOCH-ID`: epochs grow, so that names sort by age.
  private static func name(_ rollout: RolloutHead) -> String {
    let epoch = String(rollout.epoch)
    return String(repeating: "0", count: max(0, digits - epoch.count)) + "\(epoch)-\(rollout.id)"
  }
}
