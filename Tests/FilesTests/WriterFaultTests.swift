// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import Linux
import TestSupport
import Testing
import Threads

private let newText = "MINIO_VOLUMES=/data\nMINIO_KMS_SERVER=https://kms:7373\n"
private let nextText = "MINIO_VOLUMES=/data\n# written after the next start\n"

/// The writer, killed at every system call of a write and failing at each (strace's fault
/// injection): `file-writer` in Sources/Testing does the write.
@Suite struct WriterFaultTests {
  enum Fault: String, CaseIterable {
    case killed, EIO, ENOSPC, EROFS, EINTR
  }

  /// All faults where each has its own way to be met, the two most different ones elsewhere.
  static let cases: [(Scene.Kind, Fault)] =
    Fault.allCases.flatMap { [(.replaced, $0), (.record, $0)] }
    + [.killed, .EIO].flatMap { [(.below, $0), (.created, $0)] }

  @Test(
    "whatever happens at whichever system call, the file is the old or the new one, never wider, and the next start cleans up",
    arguments: cases)
  func everyCall(_ kind: Scene.Kind, _ fault: Fault) throws {
    let calls = try Trace(of: Scene(kind)).write
    for call in calls where fault == .killed || call.name != "access" {
      let scene = try Scene(kind)
      let action = fault == .killed ? "signal=KILL" : "error=\(fault)"
      let inject = "inject=\(call.name):\(action):when=\(call.number)"
      let trace = try Trace(of: scene, ["-e", inject])
      let status = trace.outcome.status
      let what: Comment = "\(inject), \(call.line), status \(status) \(trace.outcome.stderr)"
      try #require(trace.hit(call, fault), what)
      let isInPlace = trace.outcome.stderr.contains("the new version is in place")
      if fault != .killed {
        let isInterruptible = !["fsync", "fcntl", "newfstatat", "fstat", "getdents64"]
          .contains(call.name)
        #expect(status == 0 || status == 1 && !(fault == .EINTR && isInterruptible), what)
        #expect(status == 0 || trace.outcome.stderr.contains(scene.directory.path), what)
        #expect(isInPlace == (status == 1 && call.isAfterRename), what)
      }
      let expected: [FileSnapshot?] =
        fault == .killed
        ? [scene.old, scene.new] : [status == 0 || isInPlace ? scene.new : scene.old]
      let found = try FileSnapshot(scene.path)
      #expect(expected.contains(found), what)
      #expect(try scene.widerFiles() == [], what)
      if call.name == "fsync" && fault != .killed {
        // Given up: nobody can come to it with a second fsync, which would succeed.
        #expect(try scene.directory.names().allSatisfy(scene.finalNames.contains), what)
      }
      try scene.writeAtNextStart()
      #expect(try FileSnapshot(scene.path) == scene.next, what)
      #expect(try scene.directory.names() == scene.finalNames, what)
    }
  }

  @Test(
    "a label that no security module of this kernel keeps does not stop a writer that may not set it",
    .enabled(if: isRoot, "needs root"))
  func staleLabel() throws {
    let scene = try Scene(.replaced)
    guard setAttribute("security.unknown", [1], of: scene.path) else {
      try Test.cancel("this file system has no such attributes")
    }
    let outcome = try Subprocess.run(
      "/usr/bin/setpriv",
      ["--bounding-set", "-sys_admin", Trace.program, "replace", scene.path, newText],
      until: .inMilliseconds(30_000))
    #expect(outcome.status == 0, "\(outcome.stderr)")
    #expect(try FileSnapshot(scene.path) == scene.new)
  }

  @Test(
    "content and attributes are durable before the rename, and the rename after it",
    arguments: Scene.Kind.allCases)
  func order(_ kind: Scene.Kind) throws {
    let scene = try Scene(kind)
    var (isDurable, isRenamed, isRenameDurable) = (false, false, false)
    for call in try Trace(of: scene, ["-y"]).write {
      let isTemporary = call.line.contains(".keyturn-")
      switch call.name {
      case "write", "fchmod", "fchown", "fsetxattr", "fremovexattr":
        isDurable = false
        #expect(isTemporary && !isRenamed, "\(call.line)")
      case "fsync" where isTemporary: isDurable = true
      case "renameat":
        isRenamed = true
        #expect(isDurable, "\(call.line) of a file that is not")
      case "fsync":
        // Before the rename it is the staging that ends with it.
        #expect(isRenamed || isDurable, "\(call.line)")
        isRenameDurable = isRenamed
      default: break
      }
    }
    #expect(isRenamed && isRenameDurable)
    #expect(try FileSnapshot(scene.path) == scene.new)
    #expect(try scene.directory.names() == scene.finalNames)
  }
}

/// A file that is to be written, and what it must be afterwards.
struct Scene {
  enum Kind: String, CaseIterable {
    /// A file with an owner, a mode, an access list, a label and another extended attribute.
    case replaced
    /// A plain file, in a directory that hands an access list down to what is made in it.
    case below
    /// There is no file yet, in such a directory.
    case created
    /// A record.
    case record
  }

  let kind: Kind
  let directory: TemporaryDirectory
  let path: String
  let old: FileSnapshot?
  /// What the program writes, and what is written after the next start.
  let new: FileSnapshot?
  let next: FileSnapshot?

  init(_ kind: Kind) throws {
    self.kind = kind
    directory = try TemporaryDirectory()
    path = directory("minio")
    switch kind {
    case .replaced:
      try make(path, "MINIO_VOLUMES=/data\n", mode: 0o640)
      // What the machine does not permit is left out: each has a test of its own.
      _ = setAttribute(accessListName, accessList, of: path)
      _ = setAttribute("user.note", Array("kept".utf8), of: path)
      if isRoot {
        _ = setAttribute("security.selinux", Array("system_u:object_r:etc_t:s0\0".utf8), of: path)
        guard chown(path, 1234, 5678) == 0 else { throw Errno(errno, "chown \(path)") }
      }
    case .below:
      try make(path, "MINIO_VOLUMES=/data\n", mode: 0o640)
      _ = setAttribute("system.posix_acl_default", accessList, of: directory.path)
    case .created:
      _ = setAttribute("system.posix_acl_default", accessList, of: directory.path)
    case .record: try DurableRecord.write(path, Array("{}".utf8))
    }
    old = try FileSnapshot(path)
    new = try Self.written(newText, kind, over: old)
    next = try Self.written(nextText, kind, over: old)
  }

  private static func written(
    _ text: String, _ kind: Kind, over old: FileSnapshot?
  ) throws -> FileSnapshot? {
    let directory = try TemporaryDirectory()
    let path = directory("minio")
    if kind == .record {
      try DurableRecord.write(path, Array(text.utf8))
    } else {
      try make(path, text, mode: 0o600)
    }
    guard let sample = try FileSnapshot(path) else { return nil }
    guard var snapshot = old else { return sample }
    snapshot.bytes = sample.bytes
    return snapshot
  }

  var finalNames: [String] {
    kind == .record ? ["minio"] : [".minio.keyturn.lock", "minio"]
  }

  /// What an agent does when it starts again, and then another write.
  func writeAtNextStart() throws {
    let bytes = Array(nextText.utf8)
    if kind == .record {
      try DurableRecord.removeOrphans(in: directory.path)
      #expect(try directory.names().allSatisfy { $0 == "minio" })
      try DurableRecord.write(path, bytes)
      return
    }
    let lock = try WriterLock(path)
    try StagedFile.removeOrphans(under: lock, except: [])
    #expect(try directory.names().allSatisfy { finalNames.contains($0) })
    let old = try StagedFile.inspect(path)?.digest
    let staged = try StagedFile.stage(bytes, under: lock, tag: "r2", expecting: old)
    try staged.install()
    try StagedFile.syncDirectory(of: staged.target)
  }

  /// What stands beside the file and is wider than it was, or has content without its label.
  func widerFiles() throws -> [String] {
    try directory.names().filter { name in
      guard name != "minio", let file = try FileSnapshot(directory(name)), let new else {
        return false
      }
      let label = "security.selinux"
      return file.isWider(than: old ?? new)
        || !file.bytes.isEmpty && file.attributes[label] != new.attributes[label]
    }
  }
}

/// The system calls of one run of `file-writer` under strace.
private struct Trace {
  struct Call {
    var name: String
    /// The how manieth of its name in the whole run, from 1.
    var number: Int
    var line: String
    /// Whether the new file is in place already.
    var isAfterRename = false
  }

  let outcome: Subprocess.Outcome
  /// From the beginning of the write to its end, the mark at the end included.
  let write: [Call]
  private let lines: [String]

  /// The bundle of the tests stands beside the programs.
  static let program: String = {
    let bundle = CommandLine.arguments.first ?? ""
    return String(bundle.prefix(upTo: bundle.lastIndex(of: "/") ?? bundle.startIndex))
      + "/file-writer"
  }()

  init(of scene: Scene, _ options: [String] = []) throws {
    let log = try TemporaryDirectory()
    let verb = scene.kind == .record ? "record" : "replace"
    outcome = try Subprocess.run(
      "/usr/bin/strace",
      // The leak checker of an address-sanitized build cannot work in a traced process.
      ["-o", log("log"), "-E", "ASAN_OPTIONS=detect_leaks=0", "-e", "trace=%file,%desc"] + options
        + [Self.program, verb, scene.path, newText],
      until: .inMilliseconds(30_000))
    lines = try content(log("log"))?.split(separator: "\n").map(String.init) ?? []
    var numbers: [String: Int] = [:]
    var (write, isInside, isRenamed): ([Call], Bool, Bool) = ([], false, false)
    for line in lines {
      guard let end = line.firstIndex(of: "(") else { continue }
      let name = String(line[..<end])
      numbers[name, default: 0] += 1
      if isInside {
        write.append(
          Call(
            name: name, number: numbers[name] ?? 0, line: line,
            isAfterRename: isRenamed))
      }
      if line.contains("/file-writer/begin") { isInside = true }
      if line.contains("/file-writer/end") { isInside = false }
      if isInside && name == "renameat" { isRenamed = true }
    }
    self.write = write
    try #require(
      options.contains { $0.hasPrefix("inject") }
        || outcome.status == 0 && write.last?.line.contains("/file-writer/end") == true,
      """
      strace does not trace a child here (status \(outcome.status): \(outcome.stderr)): \
      scripts/install-packages installs it, and ptrace(2) must be permitted
      """)
  }

  /// Whether the fault came where it was meant to.
  func hit(_ call: Call, _ fault: WriterFaultTests.Fault) -> Bool {
    guard let last = write.last else { return false }
    if fault == .killed {
      return last.name == call.name && last.number == call.number
        && lines.last == "+++ killed by SIGKILL +++"
    }
    return write.contains {
      $0.name == call.name && $0.number == call.number && $0.line.contains("(INJECTED)")
    }
  }
}
