// SPDX-License-Identifier: Apache-2.0
internal import API
package import Crypto
internal import Model
internal import Rollout
internal import ServerUnit
internal import Threads

/// What a program's file holds.
package struct ProgramContent: Sendable, Hashable {
  package var digest: Digest
  /// Whether the kernel runs it as it is: a script is run by another program.
  package var isNative: Bool
  /// Texts that begin with `RELEASE.`, each as long as a release's name.
  package var releaseTexts: [String]

  package init(digest: Digest, isNative: Bool = true, releaseTexts: [String] = []) {
    self.digest = digest
    self.isNative = isNative
    self.releaseTexts = releaseTexts
  }
}

/// The programs of the server on this host: the file that a start would run, and the one that runs. Neither is run by
/// the agent: what is known of them is read from the files, once for each.
final class Programs: Sendable {
  /// What was read of the last few.
  private let known = Lock<[(mark: ProgramMark, content: ProgramContent)]>([])
  private static let knownLimit = 4
  private let port: any ProcessPort

  init(_ port: any ProcessPort) { self.port = port }

  /// What a look at them came to.
  struct Sight: Sendable {
    var path: String
    var programs = ServerPrograms(installed: nil, running: nil)
    /// Whether the running process is another file than a start would run; nil if that is not known.
    var isReplaced: Bool?
    /// Whether there is no file at the path.
    var isGone = false
    /// Why a file could not be read.
    var failure: Refusal?
  }

  /// Nil where it cannot be told which program a start would run: a unit that was not read, a script, a wrapper in
  /// the server's place, another file system than the host's. Blocks until the deadline at the longest, and for a
  /// look before it.
  func look(_ unit: UnitState?, deadline: Instant) -> Sight? {
    // Where the unit runs something else in the server's place, its process is another program than its file.
    guard let unit, unit.loadState == "loaded", let path = unit.execStart.first,
      path.hasPrefix("/"), unit.execStart.dropFirst().contains("server"),
      unit.sandbox.difference(at: path) == nil
    else { return nil }
    var sight = Sight(path: path)
    do throws(Refusal) {
      guard let mark = try port.programMark(path) else {
        sight.isGone = true
        return sight
      }
      let installed = try content(path, mark, deadline)
      if !installed.isNative { return nil }
      sight.programs.installed = ServerProgram(installed)
      guard unit.mainPID > 0 else { return sight }
      let link = "/proc/\(unit.mainPID)/exe"
      guard let running = try port.programMark(link) else { return sight }
      sight.isReplaced = !running.isSameFile(mark)
      sight.programs.running = ServerProgram(try content(link, running, deadline))
    } catch { sight.failure = error }
    return sight
  }

  private func content(
    _ path: String, _ mark: ProgramMark, _ deadline: Instant
  ) throws(Refusal) -> ProgramContent {
    try known.withLock { known throws(Refusal) in
      if let found = known.first(where: { $0.mark == mark }) { return found.content }
      let content = try port.program(path, deadline: deadline)
      // What was read is what the mark is of only if it still is.
      if try port.programMark(path) == mark {
        known.append((mark, content))
        if known.count > Self.knownLimit { known.removeFirst() }
      }
      return content
    }
  }
}

extension ServerProgram {
  fileprivate init(_ content: ProgramContent) {
    self.init(
      digest: content.digest,
      release: content.releaseTexts.compactMap { ServerRelease(in: $0) }.max()?.text)
  }
}

extension Programs.Sight {
  /// How what runs differs from what a start would run; nil if it does not.
  var drift: DriftItem? {
    func item(_ severity: Severity, _ message: String) -> DriftItem {
      DriftItem(.binary, severity, place: path, message: message)
    }
    if isGone { return item(.warning, "\(path) is gone: the next start would fail") }
    if let change = programs.change {
      return item(.warning, "the server runs another program than \(path) is now: \(change)")
    }
    guard isReplaced == true else { return nil }
    if programs.running == nil || programs.installed == nil {
      return item(.warning, "the server runs another file than \(path) is now")
    }
    return item(.note, "\(path) was replaced with a file of the same content")
  }
}
