// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import Threads

/// What the node keeps of the environment file, and what it tells of it: the confirmed generations (``History``), and
/// the file that the last rollout replaced, so that a rollout can be taken back also where that file was no
/// generation: changed by hand since, or never confirmed. What was never confirmed and was rolled back from is kept for
/// its secrets: the server may have printed them.
final class Generations: Sendable {
  private struct State {
    /// The last generation; nil if there is none, or if its record is damaged.
    var last: Generation?
    /// Its number, also if its record is damaged; 0 if there is none.
    var lastNumber: Int
    /// The secrets of the files that are kept, and which these were when they were read.
    var secrets: (files: [String], secrets: [History.KeptSecret])?
  }

  static let replacedFolder = "before"

  private let site: Site
  private let history: History
  private let rollouts: any RolloutState
  private let state: Lock<State>

  /// - Parameter lastNumber: of the last generation, 0 if there is none.
  init(_ site: Site, _ history: History, lastNumber: Int, rollouts: any RolloutState) {
    self.site = site
    self.history = history
    self.rollouts = rollouts
    var state = State(lastNumber: lastNumber)
    if lastNumber > 0 {
      // Without it a rollout is possible still.
      site.attempt(.warning) { () throws(Refusal) in
        state.last = try history.load(lastNumber)?.generation
      }
    }
    self.state = Lock(state)
  }

  /// The last generation; nil if there is none, or if its record is damaged.
  var last: Generation? { state.withLock { $0.last } }
  /// The last generation and its number, of one moment.
  var latest: (generation: Generation?, number: Int) {
    state.withLock { ($0.last, $0.lastNumber) }
  }

  /// Its number, also if its record is damaged; 0 if there is none.
  var lastNumber: Int { state.withLock { $0.lastNumber } }

  // MARK: in a rollout

  /// Whether the rollout's number is one that its file may take here. Numbers only grow; only a
  /// restart with the last generation as it is keeps that one's.
  func verifyNumber(of rollout: Rollout, _ answer: PlanAnswer) throws(Refusal) {
    let keepsLast = rollout.kind == .restart && answer.isLastGeneration
    if rollout.generation < answer.generation + (keepsLast ? 0 : 1) {
      throw Refusal(
        .vote,
        "the file would become generation \(rollout.generation) on \(site.node), which has generation \(answer.generation) already; plan again"
      )
    }
    let highest = Limits.highestGeneration(above: answer.generation)
    if rollout.generation > highest {
      throw Refusal(
        .vote,
        "the file would become generation \(rollout.generation) on \(site.node), which has generation \(answer.generation) and takes none above \(highest); a node tells a wrong number (keyturn history), or the coordinator does"
      )
    }
  }

  /// Before the very first change: the file as it is becomes number 0, so that it can be compared
  /// with later ones. Once a change was committed it stays as it is. Blocks on the disk.
  func keepFound(_ bytes: [UInt8]?, before rollout: Rollout) throws(Refusal) {
    guard lastNumber == 0, rollouts.now.record.lastCommitted == nil,
      let content = rollout.content(of: site.node)
    else { return }
    // A vote that came to nothing may have kept one that is gone since.
    guard let bytes else { return try history.remove(0) }
    try history.save(
      History.Kept(
        generation: Generation(
          number: 0, path: content.path, digest: Digest.sha256(bytes), rollout: rollout.id,
          kind: nil, createdBy: rollout.createdBy,
          confirmedAtMicroseconds: Clock.realtimeMicroseconds()),
        bytes: bytes))
  }

  /// The file that a start was confirmed with becomes a generation, durable when this returns.
  /// Repeating it changes nothing. Blocks on the disk.
  func keep(
    _ bytes: [UInt8], of finished: FinishedRollout, at now: Int64
  ) throws(Refusal) {
    let rollout = finished.rollout
    guard rollout.generation > lastNumber,
      let content = rollout.content(of: site.node)
    else { return }
    let generation = Generation(
      number: rollout.generation, path: content.path, digest: Digest.sha256(bytes),
      rollout: rollout.id, kind: rollout.kind, undoes: rollout.undoes,
      withoutRestart: rollout.withoutRestart, occasion: rollout.occasion,
      createdBy: rollout.createdBy,
      confirmedAtMicroseconds: now)
    try history.save(History.Kept(generation: generation, bytes: bytes))
    state.update { state in
      state.last = generation
      state.lastNumber = generation.number
    }
    // One too many does no harm, and the next one goes on with it.
    site.attempt(.warning) { () throws(Refusal) in try history.prune() }
  }

  /// Every secret of every file that is kept, as either reader reads it. The files are read again
  /// only when they are others, since this is asked for with each page of the journal. A damaged one
  /// has none; of a generation status and history tell that. Blocks on the disk.
  func keptSecrets() -> [History.KeptSecret] {
    let numbers: [Int]
    let replaced: [String]
    do throws(Refusal) {
      numbers = try history.numbers()
      replaced = try site.ports.records.list(Self.replacedFolder)
    } catch {
      site.log(.warning, error.message)
      return []
    }
    let names = numbers.map(String.init) + replaced
    if let kept = state.withLock({ $0.secrets }), kept.files == names { return kept.secrets }
    let files =
      numbers.map { (try? history.load($0))?.bytes }
      + replaced.map { try? site.ports.records.load("\(Self.replacedFolder)/\($0)") }
    var seen: Set<History.KeptSecret> = []
    var secrets: [History.KeptSecret] = []
    for document in files.compactMap({ $0.map(EnvironmentDocument.init) }) {
      for variable in document.systemd.variables + document.minio.variables
      where SecretVariables.contains(variable.name) {
        let secret = History.KeptSecret(name: variable.name, value: Secret(variable.value))
        if seen.insert(secret).inserted { secrets.append(secret) }
      }
    }
    if !files.contains(nil) { state.update { $0.secrets = (names, secrets) } }
    return secrets
  }

  /// Keeps the file that a rollout is to replace, unless the last generation is that file. Durable
  /// when it returns. Blocks on the disk.
  func keepBefore(_ bytes: [UInt8]?, _ rollout: Rollout) throws(Refusal) {
    guard let bytes, let content = rollout.content(of: site.node), content.before != content.after
    else { return }
    let last = rollouts.now.record.lastCommitted?.rollout.id
    for name in try site.ports.records.list(Self.replacedFolder) where name != last {
      try site.ports.records.remove("\(Self.replacedFolder)/\(name)")
    }
    if self.last?.digest == content.before { return }
    try site.ports.records.save("\(Self.replacedFolder)/\(rollout.id)", bytes)
  }

  /// What the last committed rollout replaced here. Blocks on the disk.
  func beforeLast(_ id: String) throws(Refusal) -> History.Kept {
    guard let last = rollouts.now.record.lastCommitted?.rollout,
      last.id == id, let content = last.content(of: site.node)
    else {
      throw Refusal(
        .vote, "\(site.node): rollout \(id) is not the last one that was committed there")
    }
    guard let before = content.before else {
      throw Refusal(.vote, "\(site.node) had no file before rollout \(id)")
    }
    for number in try history.numbers().reversed() {
      // A damaged one is not the one that is looked for.
      if let kept = try? history.load(number), kept.generation.digest == before,
        kept.generation.path == content.path
      {
        return kept
      }
    }
    guard let bytes = try site.ports.records.load("\(Self.replacedFolder)/\(id)"),
      Digest.sha256(bytes) == before
    else {
      throw Refusal(
        .vote,
        "\(site.node) has not kept the file that rollout \(id) replaced; keyturn history shows what it has"
      )
    }
    return History.Kept(
      generation: Generation(
        number: 0, path: content.path, digest: before, rollout: id, kind: nil,
        createdBy: last.createdBy, confirmedAtMicroseconds: 0),
      bytes: bytes)
  }

  /// The generation that a rollback goes back to. Blocks on the disk.
  func earlier(_ number: Int?) throws(Refusal) -> History.Kept {
    guard let number else {
      throw Refusal(.validation, "a rollback names the generation to go back to")
    }
    if let kept = try history.load(number) { return kept }
    throw Refusal(.vote, try missing(number))
  }

  private func missing(_ number: Int) throws(Refusal) -> String {
    let numbers = try history.numbers()
    let kept =
      numbers.isEmpty
      ? "none at all" : "it has \(numbers.map(String.init).joined(separator: ", "))"
    return
      "it has no generation \(number) (\(kept)); a node keeps its last \(Limits.generations), of starts that were confirmed on it"
  }

  /// The file that a start was confirmed with last; nil where there is none, or its record is damaged. Blocks on the disk.
  func lastKept() -> History.Kept? {
    let number = lastNumber
    return number > 0 ? try? history.load(number) : nil
  }

  /// The variables of that file, as systemd reads it. Blocks on the disk.
  func lastNames() -> [String] {
    lastKept().map { EnvironmentDocument($0.bytes).systemd.variables.map(\.name) } ?? []
  }

  // MARK: the answers

  /// The file that the last generation is of; the inventory's where there is none.
  var lastPath: String { last?.path ?? site.inventory.environmentFile }

  /// Without the last generation nobody knows whether the file was changed since.
  func damage() -> [Finding] {
    let number = state.withLock { $0.last == nil ? $0.lastNumber : 0 }
    if number == 0 { return [] }
    do throws(Refusal) {
      _ = try history.load(number)
      return []
    } catch {
      return [
        Finding(
          .warning, rule: "damaged-generation", refusal: error.code, message: error.message,
          remedy: "whether the file was changed since is not known until the next rollout")
      ]
    }
  }

  /// Everything that is kept, damaged records included. Blocks on the disk.
  func answer() throws(Refusal) -> HistoryAnswer {
    var entries: [HistoryEntry] = []
    for number in try history.numbers() {
      do throws(Refusal) {
        // One that was pruned meanwhile is no entry.
        guard let kept = try history.load(number) else { continue }
        entries.append(HistoryEntry(number: number, generation: kept.generation, problem: nil))
      } catch {
        entries.append(HistoryEntry(number: number, generation: nil, problem: error.message))
      }
    }
    var answer = HistoryAnswer(node: site.node, generations: entries, file: nil, fileProblem: nil)
    do throws(Refusal) { answer.file = try site.ports.file.read(lastPath).map(Digest.sha256) } catch
    {
      answer.fileProblem = error.message
    }
    return answer
  }

  /// What differs between two generations, or a generation and its file as it is (nil). Blocks on
  /// the disk.
  func difference(from old: Int, to new: Int?) throws(Refusal) -> DiffAnswer {
    func kept(_ number: Int) throws(Refusal) -> History.Kept {
      if let kept = try history.load(number) { return kept }
      throw Refusal(.validation, try missing(number))
    }
    let from = try kept(old)
    let (path, bytes): (String, [UInt8]?)
    if let new {
      let to = try kept(new)
      (path, bytes) = (to.generation.path, to.bytes)
    } else {
      path = from.generation.path
      bytes = try site.ports.file.read(path)
    }
    return DiffAnswer(
      node: site.node, fromPath: from.generation.path, toPath: path, from: from.generation.digest,
      to: bytes.map(Digest.sha256),
      difference: EnvironmentDiff.lines(
        from: EnvironmentDocument(from.bytes), to: EnvironmentDocument(bytes ?? []),
        describe: SettingDisplay.text(of:_:)))
  }
}
