// SPDX-License-Identifier: Apache-2.0
import Crypto
import Files
import Glibc
import Model
import Testing

@Suite struct DurableRecordTests {
  let directory: TemporaryDirectory
  let path: String

  init() throws {
    directory = try TemporaryDirectory()
    path = directory("seal")
  }

  @Test(
    "a record is read as it was written, 0600, with nothing left beside it", arguments: [0, 1, 70])
  func roundTrip(_ count: Int) throws {
    let bytes = [UInt8](repeating: 0x7B, count: count)
    try DurableRecord.write(path, [1, 2, 3])
    try DurableRecord.write(path, bytes)
    #expect(try DurableRecord.read(path) == bytes)
    #expect(try FileReading.read(path, limitBytes: 1000).facts.mode == 0o600)
    #expect(try directory.names() == ["seal"])
  }

  @Test("its first line names the format and the digest of the rest")
  func format() throws {
    try DurableRecord.write(path, Array("{}".utf8))
    #expect(
      try content(path) == "keyturn-record 1 sha256:\(Digest.sha256(Array("{}".utf8)).hex)\n{}")
  }

  @Test("a record that is not there is nil, also when its directory is not")
  func absent() throws {
    #expect(try DurableRecord.read(path) == nil)
    #expect(try DurableRecord.read("\(path)/deeper") == nil)
  }

  @Test("a record with any byte altered, cut off or added is damaged, never another record")
  func damaged() throws {
    try DurableRecord.write(path, Array("{\"epoch\":7}".utf8))
    let bytes = try FileReading.read(path, limitBytes: 1000).bytes
    var variants = [bytes + [0x0A], Array("{\"epoch\":7}".utf8), []]
    for index in bytes.indices {
      variants.append(Array(bytes[..<index]))
      var altered = bytes
      altered[index] ^= 1
      variants.append(altered)
    }
    for variant in variants {
      try make(path, variant)
      let failure = failure { () throws(FileFailure) in _ = try DurableRecord.read(path) }
      #expect(failure?.kind == .damaged)
      #expect(failure?.message.contains(path) == true)
    }
  }

  @Test(
    "a whole record of a newer version is refused by that name, and left as it is",
    arguments: [2, 10])
  func newer(_ version: Int) throws {
    let content = Array("{\"epoch\":7}".utf8)
    let header = "keyturn-record \(version) sha256:\(Digest.sha256(content).hex)\n"
    try make(path, Array(header.utf8) + content)
    let refused = failure { () throws(FileFailure) in _ = try DurableRecord.read(path) }
    #expect(refused?.kind == .newer)
    #expect(refused?.message.contains("version \(version)") == true)
    try make(path, Array(header.utf8) + content + [0x20])
    #expect(
      failure { () throws(FileFailure) in _ = try DurableRecord.read(path) }?.kind == .damaged)
  }

  @Test("a record of the largest size is written and read, one byte more is refused both ways")
  func limit() throws {
    let largest = [UInt8](repeating: 0x20, count: Limits.recordFileBytes)
    try DurableRecord.write(path, largest)
    #expect(try DurableRecord.read(path) == largest)
    let write = failure { () throws(FileFailure) in
      try DurableRecord.write(path, largest + [0x20])
    }
    #expect(write?.kind == .tooLarge)
    #expect(try DurableRecord.read(path) == largest)
    try make(
      path, try FileReading.read(path, limitBytes: 2 * Limits.recordFileBytes).bytes + [0x20])
    let read = failure { () throws(FileFailure) in _ = try DurableRecord.read(path) }
    #expect(read?.kind == .tooLarge)
  }

  @Test("what a crash left of an unfinished write is neither listed nor in the way")
  func leftover() throws {
    try make(directory(".seal.keyturn-new"), "torn")
    #expect(try DurableRecord.list(directory.path) == [])
    try DurableRecord.write(path, [1])
    try DurableRecord.write(directory("a"), [1])
    #expect(try DurableRecord.list(directory.path) == ["a", "seal"])
    #expect(try directory.names() == ["a", "seal"])
    #expect(try DurableRecord.list(directory("none")) == [])
  }

  @Test("at the next start what a crash left is removed, and nothing else is")
  func orphans() throws {
    try DurableRecord.write(path, [1])
    let others = [".keyturn", ".seal.keyturn-old", "a.keyturn-new"]
    for name in others + [".seal.keyturn-new", ".00000007.keyturn-new"] {
      try make(directory(name), "torn")
    }
    try DurableRecord.removeOrphans(in: directory.path)
    #expect(try directory.names() == (others + ["seal"]).sorted())
    #expect(try DurableRecord.read(path) == [1])
  }

  @Test("a record that is a symbolic link is not read")
  func symbolicLink() throws {
    try DurableRecord.write(directory("real"), [1])
    #expect(symlink("real", path) == 0)
    let failure = failure { () throws(FileFailure) in _ = try DurableRecord.read(path) }
    #expect(failure?.kind == .symbolicLink)
  }

  @Test("a record is removed once and for all")
  func removed() throws {
    try DurableRecord.write(path, [1])
    try DurableRecord.remove(path)
    try DurableRecord.remove(path)
    #expect(try DurableRecord.read(path) == nil)
  }

  @Test("the state directory is made 0700, and narrowed to it if it was wider")
  func stateDirectory() throws {
    let state = directory("state")
    for _ in 0..<2 {
      try DurableRecord.makeDirectory(state)
      var facts = stat()
      #expect(stat(state, &facts) == 0 && facts.st_mode & 0o7777 == 0o700)
      #expect(chmod(state, 0o755) == 0)
    }
    let failure = failure { () throws(FileFailure) in
      try DurableRecord.makeDirectory(directory("no/such"))
    }
    #expect(failure?.kind == .absent)
  }

  @Test("a state directory of another user is refused", .enabled(if: isRoot, "needs root"))
  func foreignDirectory() throws {
    let state = directory("state")
    #expect(mkdir(state, 0o700) == 0 && chown(state, 1234, 1234) == 0)
    let failure = failure { () throws(FileFailure) in try DurableRecord.makeDirectory(state) }
    #expect(failure?.kind == .notPermitted)
  }
}
