// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
package import Linux
package import Model
internal import Threads

/// Reports that one of a set of files may have changed: written in place, replaced, created,
/// removed, given another mode or owner, or reached another way because a symbolic link or a
/// directory was switched.
///
/// It watches every directory on the way to a file for the next name on it, links resolved, and the
/// file itself for what is done to it under another name. Mounts that come and go are reported too.
/// So there is nothing to poll: at rest it costs nothing. It does not see writes through mmap(2).
///
/// ```
/// armed --an event on a name of interest--> armed again along the present paths, then reported
/// ```
///
/// The caller reads the files after the report, so a change between the two is reported again.
package final class FileWatch: Sendable {
  private struct State {
    /// Absolute paths and patterns.
    var places: [String] = []
    /// What each watch is there for.
    var interests: [Int32: Interest] = [:]
  }

  private struct Interest {
    var names: Set<String> = []
    var patterns: Set<String> = []
    /// It is a file: everything counts.
    var isFile = false

    func includes(_ name: String) -> Bool {
      isFile || names.contains(name) || patterns.contains { kt_matches($0, name) != 0 }
    }
  }

  /// As many as the kernel follows in one path.
  private static let links = 40

  private let state = Lock(State())
  private let descriptor: FileDescriptor
  private let wakeup: Wakeup
  private let tree: FileTree
  /// Of /proc/PID/mountinfo; -1, which poll(2) passes over, where it cannot be had.
  private let mounts: FileDescriptor

  /// Watches nothing yet. Throws when the user's limit of inotify instances is reached.
  package init(tree: FileTree = .own) throws(Errno) {
    self.tree = tree
    mounts = FileDescriptor(owning: open(tree.mounts, O_RDONLY | O_CLOEXEC))
    descriptor = FileDescriptor(owning: try retrying("inotify_init1") { kt_watch_open() })
    wakeup = try Wakeup()
  }

  /// Watches these absolute paths from now on, and no others; one with `*`, `?` or `[` is a pattern
  /// as in EnvironmentFile=. None of them needs to exist. May block on the disk.
  ///
  /// Throws when the kernel has no more watches to give (fs.inotify.max_user_watches); then some
  /// are watched and some are not.
  package func watch(_ places: [String]) throws(Errno) {
    try state.withLock { (state) throws(Errno) in
      state.places = places
      try arm(&state)
    }
  }

  /// Makes ``wait(until:)`` return now, or when it is called next. Does not block.
  package func wake() { wakeup.signal() }

  /// Blocks until something may have changed or ``wake()`` was called (true), or until the deadline
  /// (false). One thread at a time may wait.
  package func wait(until deadline: Instant?) throws(Errno) -> Bool {
    while true {
      var entries = [
        pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0),
        pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0),
        // Each change of the mounts is reported once (proc(5), /proc/PID/mounts).
        pollfd(fd: mounts.raw, events: Int16(POLLPRI), revents: 0),
      ]
      let left = deadline?.remainingMilliseconds() ?? -1
      let ready = try retrying("poll") { poll(&entries, nfds_t(entries.count), left) }
      if entries[1].revents != 0 {
        wakeup.clear()
        return true
      }
      if entries[2].revents & Int16(POLLPRI) != 0 {
        try state.withLock { (state) throws(Errno) in try arm(&state) }
        return true
      }
      if entries[0].revents != 0 {
        let isRelevant = try state.withLock { (state) throws(Errno) in
          guard try takeEvents(state) else { return false }
          try arm(&state)
          return true
        }
        if isRelevant { return true }
      } else if ready == 0, let deadline, Clock.now() >= deadline {
        return false
      }
    }
  }

  /// Takes all pending events; whether one of them is of interest.
  private func takeEvents(_ state: State) throws(Errno) -> Bool {
    var isRelevant = false
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count: Int
      do throws(Errno) {
        count = try retrying("read inotify") { read(descriptor.raw, &buffer, buffer.count) }
      } catch {
        if error.code == EAGAIN { return isRelevant }
        throw error
      }
      if count == 0 { return isRelevant }
      buffer.withUnsafeBytes { bytes in
        var offset = 0
        while offset < count {
          var event = kt_watch_event()
          offset = kt_watch_event(bytes.baseAddress, count, offset, &event)
          // The queue was full: look again at everything.
          if event.is_lost != 0 { isRelevant = true }
          guard !isRelevant, let interest = state.interests[event.number], let name = event.name
          else { continue }
          isRelevant = interest.includes(String(cString: name))
        }
      }
    }
  }

  // MARK: The ways to the files

  private func arm(_ state: inout State) throws(Errno) {
    let before = state.interests.keys
    state.interests = [:]
    for place in state.places {
      let names = place.split(separator: "/").map(String.init)
      try walk("/", names[...], links: 0, &state)
    }
    // The watch of a removed directory is gone already.
    for number in before where state.interests[number] == nil {
      _ = kt_watch_remove(descriptor.raw, number)
    }
  }

  /// Watches `directory`, a path without links, for the first of `names`, and so on to the last.
  private func walk(
    _ directory: String, _ names: ArraySlice<String>, links: Int, _ state: inout State
  ) throws(Errno) {
    guard let name = names.first else { return }
    let rest = names.dropFirst()
    if name == "." { return try walk(directory, rest, links: links, &state) }
    if name == ".." {
      let parent = directory.split(separator: "/").dropLast().joined(separator: "/")
      return try walk("/\(parent)", rest, links: links, &state)
    }
    // First the watch, then the look: what comes in between is an event.
    guard let number = try add(directory, kt_watch_directory) else { return }
    guard name.contains(where: { "*?[".contains($0) }) else {
      state.interests[number, default: Interest()].names.insert(name)
      return try step(directory, name, rest, links: links, &state)
    }
    state.interests[number, default: Interest()].patterns.insert(name)
    let found = (try? Directory(tree.place(directory)).names()) ?? []
    for entry in found where kt_matches(name, entry) != 0 {
      try step(directory, entry, rest, links: links, &state)
    }
  }

  /// Continues behind one name: through a link, into a directory, or to the file at the end.
  private func step(
    _ directory: String, _ name: String, _ rest: ArraySlice<String>, links: Int,
    _ state: inout State
  ) throws(Errno) {
    let path = directory == "/" ? "/\(name)" : "\(directory)/\(name)"
    if let target = Self.target(of: tree.place(path)) {
      if links >= Self.links { return }
      let names = target.split(separator: "/").map(String.init) + rest
      return try walk(target.hasPrefix("/") ? "/" : directory, names[...], links: links + 1, &state)
    }
    if !rest.isEmpty { return try walk(path, rest, links: links, &state) }
    guard let number = try add(path, kt_watch_file) else { return }
    state.interests[number, default: Interest()].isFile = true
  }

  /// Where a symbolic link leads; nil if it is none, or not there.
  private static func target(of path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(path, &buffer, buffer.count)
    if count < 0 { return nil }
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// A watch's number; nil if there is nothing to watch, or nothing that this process may read.
  private func add(
    _ path: String, _ call: (Int32, UnsafePointer<CChar>?) -> Int32
  ) throws(Errno) -> Int32? {
    do throws(Errno) {
      let place = tree.place(path)
      return try retrying("watch \(path)") { call(descriptor.raw, place) }
    } catch {
      switch error.code {
      case ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG: return nil
      default: throw error
      }
    }
  }
}
