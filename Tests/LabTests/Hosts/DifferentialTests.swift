// SPDX-License-Identifier: Apache-2.0
import EnvironmentFile
import Files
import Glibc
import TestSupport
import Testing

extension LabTests {
  /// The document model against the real thing: each generated file is the EnvironmentFile= of a
  /// unit whose process writes out the environment that it was started with.
  @Suite(.serialized, .lab(nodes: 1, keyManagers: 0))
  struct DifferentialTests {
    /// "COUNT SEED", as scripts/differential sets it; file number k is the one of SEED + k.
    static let (count, seed): (Int, UInt64) = {
      let words = getenv("KEYTURN_DIFFERENTIAL").map { String(cString: $0).split(separator: " ") }
      guard let words, words.count == 2, let count = Int(words[0]), let seed = UInt64(words[1])
      else { return (300, 1) }
      return (count, seed)
    }()

    @Test("the document model reads every generated file as the systemd here does")
    func alike() throws {
      let host = try EnvironmentHost(#require(Lab.current))
      var (variables, refused, unstartable, different) = (0, 0, 0, 0)
      for batch in stride(from: 0, to: Self.count, by: 400) {
        let seeds = (batch..<min(Self.count, batch + 400)).map { Self.seed &+ UInt64($0) }
        let files = seeds.map { seed -> [UInt8] in
          var generator = EnvironmentFileGenerator(seed: seed)
          return generator.next()
        }
        for ((seed, file), found) in try zip(zip(seeds, files), host.start(files)) {
          let expected = host.expected(EnvironmentDocument(file))
          switch expected {
          case .environment(let values): variables += values.count
          case .refused: refused += 1
          case .unstartable: unstartable += 1
          }
          guard host.without(found, expected) != expected else { continue }
          different += 1
          if different <= 20 {
            Issue.record(
              """
              seed \(seed): systemd \(found), the model \(expected) of \
              \(String(decoding: file.prefix(2000), as: UTF8.self).debugDescription), \
              \(file.count) bytes; again with: scripts/differential 1 \(seed)
              """)
          }
        }
      }
      #expect(different == 0)
      print(
        """
        differential: systemd \(host.version), \(Self.count) files from seed \(Self.seed): \
        \(variables) variables, \(refused) files refused, \(unstartable) too long to start a \
        process with; \(different) files read differently
        """)
    }
  }
}

/// A host on which processes are started with the environment files of a test.
private struct EnvironmentHost {
  enum Outcome: Equatable, CustomStringConvertible {
    case environment([String: [UInt8]])
    /// systemd does not load the file (Result=resources).
    case refused
    /// The kernel does not take so long a variable (Result=exit-code).
    case unstartable

    var description: String {
      switch self {
      case .refused: "refuses it"
      case .unstartable: "cannot start the process"
      case .environment(let values):
        values.sorted { $0.key < $1.key }.map { name, value in
          "\(name)=\(String(decoding: value.prefix(200), as: UTF8.self).debugDescription)"
        }.joined(separator: " ")
      }
    }
  }

  let version: Int
  private let lab: Lab
  private let folder: String
  /// What a process has without any file; nil where that differs from process to process.
  private var own: [String: [UInt8]?] = [:]

  init(_ lab: Lab) throws {
    self.lab = lab
    let words = try lab.exec("minio-1", "systemctl --version").split(separator: " ")
    version = try #require(words.dropFirst().first.flatMap { Int($0) })
    folder = try "\(lab.root(of: "minio-1"))/run/differential"
    try lab.exec(
      "minio-1",
      """
      mkdir /run/differential && cat >/run/systemd/system/differential@.service &&
      systemctl daemon-reload && systemctl log-level emerg
      """,
      input: """
        [Unit]
        DefaultDependencies=no
        StartLimitIntervalSec=0
        [Service]
        Type=oneshot
        EnvironmentFile=/run/differential/%i
        ExecStart=/bin/cat /proc/self/environ
        StandardOutput=file:/run/differential/%i.environ
        StandardError=null

        """)
    let outcomes = try start([[], []])
    guard case .environment(let first) = outcomes[0], case .environment(let second) = outcomes[1]
    else {
      Issue.record("with an empty file systemd \(outcomes)")
      return
    }
    for (name, value) in first { own[name] = .some(second[name] == value ? value : nil) }
  }

  /// What comes of a process with each of the files.
  func start(_ files: [[UInt8]]) throws -> [Outcome] {
    for (number, file) in files.enumerated() {
      try NewFile.create("\(folder)/\(number)", file, mode: 0o600)
    }
    let results = try lab.exec(
      "minio-1",
      """
      systemctl start $(seq -f differential@%.0f.service 0 \(files.count - 1)) 2>/dev/null
      systemctl show -p Id,Result 'differential@*.service' && systemctl reset-failed
      """)
    // Those that ended well are forgotten by then.
    var result: [Int: Substring] = [:]
    for block in results.split(separator: "\n\n") {
      let lines = block.split(separator: "\n")
      func value(_ name: String) -> Substring? {
        lines.first { $0.hasPrefix("\(name)=") }?.dropFirst(name.count + 1)
      }
      if let id = value("Id"), let number = Int(id.dropFirst(13).prefix { $0 != "." }) {
        result[number] = value("Result")
      }
    }
    return try files.indices.map { number in
      defer {
        unlink("\(folder)/\(number)")
        unlink("\(folder)/\(number).environ")
      }
      switch result[number] {
      case "resources": return .refused
      case "exit-code": return .unstartable
      case "success", nil: return try .environment(environ("\(folder)/\(number).environ"))
      case let other?: throw FileFailure(.system, "\(number)", "Result=\(other)")
      }
    }
  }

  private func environ(_ path: String) throws -> [String: [UInt8]] {
    var values: [String: [UInt8]] = [:]
    for entry in try FileReading.read(path, limitBytes: 4 << 20).bytes.split(separator: 0) {
      let name = String(decoding: entry.prefix { $0 != 0x3D }, as: UTF8.self)
      #expect(values[name] == nil, "\(name) is twice in \(path)")
      values[name] = Array(entry.drop { $0 != 0x3D }.dropFirst())
    }
    return values
  }

  /// What the document model says.
  func expected(_ document: EnvironmentDocument) -> Outcome {
    let reading = document.systemd(comments: version < 254 ? .beforeVersion254 : .sinceVersion254)
    if reading.failure != nil { return .refused }
    var values: [String: [UInt8]] = [:]
    for variable in reading.variables { values[variable.name] = Array(variable.value.utf8) }
    // MAX_ARG_STRLEN of execve(2), with `=` and NUL.
    let isTooLong = values.contains { $0.key.utf8.count + $0.value.count + 2 > 128 << 10 }
    return isTooLong ? .unstartable : .environment(values)
  }

  /// An outcome without what the process has of its own, unless the file sets that too.
  func without(_ found: Outcome, _ expected: Outcome) -> Outcome {
    guard case .environment(var values) = found, case .environment(let wanted) = expected else {
      return found
    }
    for (name, value) in own where wanted[name] == nil {
      // A value of its own that the file has changed stays, and makes the difference.
      if value == nil || value == values[name] { values[name] = nil }
    }
    return .environment(values)
  }
}
