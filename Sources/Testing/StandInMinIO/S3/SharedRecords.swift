// SPDX-License-Identifier: Apache-2.0
import Crypto
import Files
import HTTP
import Linux
import Model
import Threads

/// What all nodes hold in common: buckets and the versions of objects. A whole copy on each drive, where
/// the server spreads parts; as there, a read wants the read quorum's drives and a write the write
/// quorum's, and a node that missed a write sees it on the others.
final class SharedRecords: Sendable {
  /// Where the stand-ins exchange them; the real servers have their own protocol for that.
  static let path = "/minio/stand-in/records"

  /// Under a name, the newest of all nodes counts.
  struct Record: Sendable {
    var name: String
    /// Microseconds since 1970-01-01 UTC.
    var stamp: Int64
    /// JSON; empty of one that was removed.
    var head: [UInt8]
    var data: [UInt8] = []

    var isRemoved: Bool { head.isEmpty }

    /// Three lines and the data.
    fileprivate var bytes: [UInt8] { Array("\(stamp)\n\(name)\n".utf8) + head + [0x0A] + data }

    fileprivate init?(_ bytes: ArraySlice<UInt8>) {
      let parts = bytes.split(separator: 0x0A, maxSplits: 3, omittingEmptySubsequences: false)
      guard parts.count == 4, let stamp = Int64(String(decoding: parts[0], as: UTF8.self)) else {
        return nil
      }
      self.init(
        name: String(decoding: parts[1], as: UTF8.self), stamp: stamp, head: Array(parts[2]),
        data: Array(parts[3]))
    }

    init(name: String, stamp: Int64, head: [UInt8], data: [UInt8] = []) {
      self.name = name
      self.stamp = stamp
      self.head = head
      self.data = data
    }
  }

  private let directory: String
  private let peers: [Peer]
  private let quorum: (read: Int, write: Int)
  private let last = Lock<Int64>(0)
  /// One replaces files at a time, so that the newest stays.
  private let writing = Lock(())

  /// Makes the directory on the drive if it is not there. Blocks on the disk.
  init(drive: String, peers: [Peer], quorum: (read: Int, write: Int)) throws(Errno) {
    directory = "\(drive)/.minio.sys/records"
    self.peers = peers
    self.quorum = quorum
    try DriveFile.makeDirectory(directory)
  }

  /// Later than every one before on this node.
  func stamp() -> Int64 {
    last.update { last in
      last = max(Clock.realtimeMicroseconds(), last + 1)
      return last
    }
  }

  // MARK: of all nodes

  /// The newest of that name, unless it was removed. Blocks until all nodes have answered, for 2 s at
  /// the most.
  func read(_ name: String) throws(ServerError) -> Record? {
    let answers = try ask("name", name, local(name).map { [$0] } ?? [])
    let newest = answers.max { $0.stamp < $1.stamp }
    return newest?.isRemoved == true ? nil : newest
  }

  /// Those whose names begin so, without their data and those that were removed, by name. Blocks as
  /// long.
  func list(_ prefix: String) throws(ServerError) -> [Record] {
    var newest: [String: Record] = [:]
    for record in try ask("prefix", prefix, localList(prefix))
    where newest[record.name].map({ $0.stamp < record.stamp }) ?? true {
      newest[record.name] = record
    }
    return newest.values.filter { !$0.isRemoved }.sorted { $0.name < $1.name }
  }

  /// Blocks as long.
  func write(_ record: Record) throws(ServerError) {
    let request = HTTPRequest("PUT", Self.path, body: record.bytes)
    let taken = Parallel.map(peers) { $0.send(request, until: .inMilliseconds(2_000))?.status }
      .count { $0 == 200 }
    guard taken + 1 >= quorum.write, keep(record) else { throw .slowWrite }
  }

  func remove(_ name: String) throws(ServerError) {
    try write(Record(name: name, stamp: stamp(), head: []))
  }

  private func ask(
    _ query: String, _ value: String, _ own: [Record]
  ) throws(ServerError) -> [Record] {
    let request = HTTPRequest("GET", Self.path, query: [(query, value)])
    let answers = Parallel.map(peers) { $0.send(request, until: .inMilliseconds(2_000)) }
      .compactMap(\.self).filter { $0.status == 200 }
    guard answers.count + 1 >= quorum.read else { throw .slowRead }
    return own + answers.flatMap { Self.records($0.body) }
  }

  // MARK: of this node

  /// Answers a peer. Blocks on the disk.
  func answer(_ request: HTTPRequest) -> HTTPResponse {
    if request.method == "PUT" {
      guard let record = Record(request.body[...]), keep(record) else { return HTTPResponse(500) }
      return HTTPResponse(200)
    }
    let found =
      request.query("name").map { local($0).map { [$0] } ?? [] }
      ?? localList(request.query("prefix") ?? "")
    return HTTPResponse(
      200,
      body: found.flatMap { record in
        let bytes = record.bytes
        return Array("\(bytes.count)\n".utf8) + bytes
      })
  }

  /// Each has its length before it.
  private static func records(_ bytes: [UInt8]) -> [Record] {
    var (records, rest): ([Record], ArraySlice<UInt8>) = ([], bytes[...])
    while let end = rest.firstIndex(of: 0x0A),
      let count = Int(String(decoding: rest[..<end], as: UTF8.self)), count < rest.endIndex - end
    {
      let start = rest.index(after: end)
      if let record = Record(rest[start..<start + count]) { records.append(record) }
      rest = rest[(start + count)...]
    }
    return records
  }

  private func keep(_ record: Record) -> Bool {
    writing.withLock { _ in
      if let present = local(record.name), present.stamp >= record.stamp { return true }
      do throws(Errno) {
        try DriveFile.write(record.bytes, to: place(of: record.name))
        return true
      } catch { return false }
    }
  }

  private func local(_ name: String) -> Record? { read(file: place(of: name)) }

  private func localList(_ prefix: String) -> [Record] {
    DriveFile.names(in: directory).compactMap { file in
      guard var record = read(file: "\(directory)/\(file)"), record.name.hasPrefix(prefix) else {
        return nil
      }
      record.data = []
      return record
    }
  }

  private func read(file: String) -> Record? {
    let content = try? FileReading.readIfPresent(file, limitBytes: WebServer.bodyLimit)
    return content.flatMap(\.self).flatMap { Record($0.bytes[...]) }
  }

  private func place(of name: String) -> String {
    "\(directory)/\(Digest.sha256(Array(name.utf8)).hex)"
  }
}
