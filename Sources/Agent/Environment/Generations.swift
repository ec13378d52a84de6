// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import EnvironmentFile
internal import Model
internal import Rollout
internal import Secrets
internal import Threads

/// What the agent keeps of the environment file, and what it tells of it.
extension Agent {
  // MARK: in a rollout

  /// Whether the rollout's number is one that its file may take here. Numbers only grow; only a
  /// restart with the last generation as it is keeps that one's.
  func verifyNumber(of rollout: Rollout, _ answer: PlanAnswer) throws(Refusal) {
    let keepsLast = rollout.kind == .restart && answer.isLastGeneration
    if rollout.generation < answer.generation + (keepsLast ? 0 : 1) {
      throw Refusal(
        .vote,
        "the file would become generation \(rollout.generation) on \(node), which has generation \(answer.generation) already; plan again"
      )
    }
    let highest = Limits.highestGeneration(above: answer.generation)
    if rollout.generation > highest {
      throw Refusal(
        .vote,
        "the file would become generation \(rollout.generation) on \(node), which has generation \(answer.generation) and takes none above \(highest); a node tells a wrong number (keyturn history), or the coordinator does"
      )
    }
  }

  /// Before the very first change: the file as it is becomes number 0, so that it can be compared
  /// with later ones. Once a change was committed it stays as it is. Blocks on the disk.
  func keepFound(_ bytes: [UInt8]?, before rollout: Rollout) throws(Refusal) {
    let isFirst = state.withLock {
      $0.lastNumber == 0 && $0.participant.record.lastCommitted == nil
    }
    guard isFirst, let content = rollout.content(of: node) else { return }
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
  func keepGeneration(
    _ bytes: [UInt8], of finished: FinishedRollout, at now: Int64
  ) throws(Refusal) {
    let rollout = finished.rollout
    guard rollout.generation > state.withLock({ $0.lastNumber }),
      let content = rollout.content(of: node)
    else { return }
    let generation = Generation(
      number: rollout.generation, path: content.path, digest: Digest.sha256(bytes),
      rollout: rollout.id, kind: rollout.kind, undoes: rollout.undoes,
      createdBy: rollout.createdBy, confirmedAtMicroseconds: now)
    try history.save(History.Kept(generation: generation, bytes: bytes))
    state.update { state in
      state.generation = generation
      state.lastNumber = generation.number
    }
    // One too many does no harm, and the next one goes on with it.
    do throws(Refusal) { try history.prune() } catch { ports.log(4, error.message) }
  }

  /// Every secret of every file that is kept, as either reader reads it. The files are read again
  /// only when they are others, since this is asked for with each page of the journal. A damaged one
  /// has none; of a generation status and history tell that. Blocks on the disk.
  func keptSecrets() -> [History.KeptSecret] {
    let numbers: [Int]
    let replaced: [String]
    do throws(Refusal) {
      numbers = try history.numbers()
      replaced = try ports.records.list(Self.replacedFolder)
    } catch {
      ports.log(4, error.message)
      return []
    }
    let names = numbers.map(String.init) + replaced
    if let kept = state.withLock({ $0.keptSecrets }), kept.files == names { return kept.secrets }
    let files =
      numbers.map { (try? history.load($0))?.bytes }
      + replaced.map { try? ports.records.load("\(Self.replacedFolder)/\($0)") }
    var seen: Set<History.KeptSecret> = []
    var secrets: [History.KeptSecret] = []
    for document in files.compactMap({ $0.map(EnvironmentDocument.init) }) {
      for variable in document.systemd.variables + document.minio.variables
      where SecretVariables.contains(variable.name) {
        let secret = History.KeptSecret(name: variable.name, value: Secret(variable.value))
        if seen.insert(secret).inserted { secrets.append(secret) }
      }
    }
    if !files.contains(nil) { state.update { $0.keptSecrets = (names, secrets) } }
    return secrets
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

  // MARK: the answers

  /// The file that the last generation is of; the inventory's where there is none.
  var lastPath: String { state.withLock { $0.generation }?.path ?? inventory.environmentFile }

  /// Without the last generation nobody knows whether the file was changed since.
  func damagedGeneration() -> [Finding] {
    let number = state.withLock { $0.generation == nil ? $0.lastNumber : 0 }
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
  func historyAnswer() throws(Refusal) -> HistoryAnswer {
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
    var answer = HistoryAnswer(node: node, generations: entries, file: nil, fileProblem: nil)
    do throws(Refusal) { answer.file = try ports.file.read(lastPath).map(Digest.sha256) } catch {
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
      bytes = try ports.file.read(path)
    }
    return DiffAnswer(
      node: node, fromPath: from.generation.path, toPath: path, from: from.generation.digest,
      to: bytes.map(Digest.sha256),
      difference: EnvironmentDiff.lines(
        from: EnvironmentDocument(from.bytes), to: EnvironmentDocument(bytes ?? []),
        describe: Assessor.describe))
  }
}
