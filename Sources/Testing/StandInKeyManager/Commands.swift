// SPDX-License-Identifier: Apache-2.0
import Glibc
import Threads

/// Runs the command stream of one request (docs/facts.md, "Key Manager frames" to
/// "Key Manager messages").
struct Commands: Sendable {
  let cluster: Cluster
  private let state: Lock<State>
  private let path: String

  init(stateFile path: String, _ state: State, _ cluster: Cluster) {
    self.path = path
    self.cluster = cluster
    self.state = Lock(state)
  }

  /// One command, as it was sent.
  struct Question {
    var command: Command
    var message: [UInt64: Protobuf.Value]
    var enclave: String
    /// The caller's identity; nil if it showed no certificate.
    var caller: String?
    var faults: Faults

    /// What it is about: a key, a prefix, a policy, an identity or an enclave.
    var subject: String { message.text(1) }
  }

  /// The frames of the answer. Blocks while a write goes to the disk and to the other hosts.
  func run(
    _ body: [UInt8], enclave: String, identity: String?, _ faults: Faults
  ) throws(CommandFailure) -> [UInt8] {
    var answer: [UInt8] = []
    var rest = body[...]
    repeat {
      let header = Array(rest.prefix(6))
      guard header.count == 6 else { throw .malformed("command frame is too short") }
      let length = header[2...].reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(6)
      guard length <= rest.count else { throw .malformed("command frame is too short") }
      guard let message = Protobuf.decode(rest.prefix(length)) else {
        throw .malformed("command payload is malformed")
      }
      rest = rest.dropFirst(length)
      let number = Int(header[0]) << 8 | Int(header[1])
      guard let command = Command(rawValue: number) else {
        // Cluster commands and the other enclave commands are a system administrator's.
        throw number < 200 ? .accessDenied : .malformed("command \(number) is not supported")
      }
      let result = try logged(
        Question(
          command: command, message: message, enclave: enclave, caller: identity, faults: faults))
      answer += header[..<2]
      answer += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: result.count >> $0) }
      answer += result
    } while !rest.isEmpty
    return answer
  }

  /// A line for each command, by which tests count them.
  private func logged(_ question: Question) throws(CommandFailure) -> [UInt8] {
    let line =
      "\(question.command.name) \(question.enclave)/\(question.subject) "
      + "by \(question.caller ?? "nobody")"
    do throws(CommandFailure) {
      let result = try answer(question)
      Main.log("\(line): 200")
      return result
    } catch {
      Main.log("\(line): \(error.status) \(error.text)")
      throw error
    }
  }

  private func answer(_ question: Question) throws(CommandFailure) -> [UInt8] {
    let (command, caller, faults) = (question.command, question.caller, question.faults)
    if let answer = faults.answers?[command.name] ?? faults.answers?["*"] {
      throw .scripted(answer.status, answer.text)
    }
    let state = state.withLock { $0 }
    let isAdministrator = caller.map { state.administrators?.contains($0) ?? false } ?? false
    if command == .createEnclave || command == .enclaveStatus {
      guard isAdministrator else { throw .accessDenied }
      return try answerOfEnclave(question, state)
    }
    guard let enclave = state.enclaves[question.enclave] else { throw .noSuchEnclave }
    let member = caller.flatMap { enclave.identities[$0] }
    guard member != nil || isAdministrator else { throw .accessDenied }
    let policy = member?.policy.flatMap { enclave.policies?[$0] }

    func require(_ name: String) throws(CommandFailure) {
      let allowed =
        isAdministrator || member?.privilege == "admin"
        || policy?.allows(command.name, on: name) ?? false
      if !allowed || faults.deny?.contains(command.name) == true { throw .accessDenied }
    }

    if command == .identityStatus {
      let asked = question.subject.isEmpty ? caller ?? "" : question.subject
      if asked != caller || faults.deny?.contains(command.name) == true { try require(asked) }
      if isAdministrator, asked == caller {
        return Protobuf.text(1, asked) + Protobuf.number(2, 1)
      }
      guard let found = enclave.identities[asked] else { throw .noSuchIdentity }
      return Protobuf.text(1, asked) + Protobuf.number(2, found.privilege == "admin" ? 2 : 3)
        + Protobuf.text(3, found.policy ?? "") + Protobuf.origin(found.created, at: 4)
    }
    try require(question.subject)
    if command == .policyStatus {
      guard let policy = enclave.policies?[question.subject] else { throw .noSuchPolicy }
      return Protobuf.text(1, question.subject) + Protobuf.origin(policy.created, at: 4)
    }
    return try answerOfKeys(question, enclave.keys.changed(by: faults.keys ?? [:]))
  }

  private func answerOfEnclave(
    _ question: Question, _ state: State
  ) throws(CommandFailure) -> [UInt8] {
    let enclave = state.enclaves[question.subject]
    if question.command == .enclaveStatus {
      guard let enclave else { throw .noSuchEnclave }
      return Protobuf.text(1, question.subject) + Protobuf.origin(enclave.created, at: 2)
    }
    if enclave != nil { throw .enclaveExists }
    let created = State.Origin(
      at: Clock.realtimeMicroseconds() * 1000, by: question.caller ?? "")
    try write(State.Change(enclave: question.subject, created: created), question.faults)
    return []
  }

  /// Takes what another host has written; false if it has something else in that place.
  func take(_ change: State.Change) throws -> Bool {
    try state.withLock { state in
      var next = state
      guard next.apply(change) else { return false }
      try next.save(path)
      state = next
      return true
    }
  }

  /// Writes on every host of the cluster, or on none. All write in one order of the hosts, so that
  /// of two who write the same at once one fails at the first host.
  func write(_ change: State.Change, _ faults: Faults) throws(CommandFailure) {
    let hosts: [Cluster.Host]
    switch cluster.hosts(faults) {
    case .success(let found): hosts = found
    case .failure(let obstacle): throw .notWritable(obstacle.text)
    }
    for host in hosts {
      let isTaken: Bool?
      if let peer = host.peer {
        isTaken = cluster.replicate(change, to: peer)
      } else {
        do { isTaken = try take(change) } catch { throw .notWritable("\(error)") }
      }
      guard let isTaken else { throw .notWritable("\(host.name) has gone") }
      if !isTaken { throw .keyExists }
    }
  }
}

extension Protobuf {
  /// When and by whom a thing was made: a timestamp at a field, an identity at the next.
  static func origin(_ origin: State.Origin?, at field: UInt64) -> [UInt8] {
    guard let origin else { return [] }
    let time =
      number(1, UInt64(origin.at / 1_000_000_000)) + number(2, UInt64(origin.at % 1_000_000_000))
    return bytes(field, time) + text(field + 1, origin.by)
  }
}
