// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import ServerUnit

/// What the log of the new start has said so far, wherever it was read.
struct StartLog: Sendable {
  /// The lines of a good start that were seen, in their order.
  private(set) var marks: [SuccessMark] = []
  /// What someone should look at, each once.
  private(set) var warnings: [String] = []
  /// Drives that it has lost in this start, each once.
  private(set) var lostDrives: [String] = []
  /// When it last said that a peer's drive is missing and will be tried again, or nil.
  private(set) var missedDrive: Instant?
  /// What the server waits for; nil if it has not said.
  private(set) var waiting: (phase: RolloutPhase, detail: String)?
  /// What journald has said of lines that may be missing, and when, microseconds of
  /// CLOCK_MONOTONIC.
  private var losses: [(monotonicMicroseconds: UInt64, text: String)] = []
  /// Whether the server has logged what comes only after the Key Manager gave it a data key
  /// (docs/facts.md, "Start and the Key Manager").
  private(set) var isPastKeyManager = false

  private var classifier = LineClassifier()
  private var peers: PeerWait
  private var lines: [(patternID: String, text: String)] = []

  /// - Parameter peers: how many other servers there are; nil if that is not known.
  init(peers: Int?) { self.peers = PeerWait(total: peers) }

  private static let lostDriveLimit = 4

  /// Keeps a line that was not fatal after all as a warning.
  mutating func withdraw(fatal text: String) { warn("\(text) (and the server runs on)") }

  private static let lossLimit = 100

  /// Why lines may be missing of a process that started then, microseconds of CLOCK_MONOTONIC; nil
  /// if none is known to be. A process that began after journald was up again has lost nothing.
  func loss(since start: UInt64) -> String? {
    losses.first { $0.monotonicMicroseconds == 0 || $0.monotonicMicroseconds >= start }?.text
  }

  /// Takes a line of this start, and says what it means.
  mutating func take(_ entry: JournalEntry, at now: Instant) -> ClassifiedLine {
    let line = classifier.take(entry)
    if line.pattern?.isMissedDrive == true { missedDrive = now }
    if line.pattern?.passedKeyManager == true { isPastKeyManager = true }
    switch line.kind {
    case .progress(let phase): note(line, phase)
    case .success(let mark):
      if !marks.contains(mark) { marks.append(mark) }
      waiting = (.initialising, "")
    case .error, .warning:
      warn(line.text)
      if peers.take(line.statement), waiting?.phase == .waitingForPeers { describePeers() }
    case .driveLost:
      warn(line.text)
      if lostDrives.count < Self.lostDriveLimit, !lostDrives.contains(line.statement) {
        lostDrives.append(line.statement)
      }
    case .linesLost:
      if losses.count < Self.lossLimit {
        losses.append((entry.monotonicMicroseconds, line.text))
      }
    case .brokenButServing, .fatal, .continuation, .ordinary: break
    }
    return line
  }

  /// Keeps what the server waits for: the last line of each kind since the last round of them.
  private mutating func note(_ line: ClassifiedLine, _ phase: RolloutPhase) {
    if waiting?.phase != phase { lines = [] }
    let id = line.pattern?.id ?? ""
    if let known = lines.firstIndex(where: { $0.patternID == id }) {
      lines.removeSubrange(known...)
    }
    lines.append((id, line.statement))
    waiting = (phase, lines.map(\.text).joined(separator: "; "))
    if peers.take(line.statement) { describePeers() }
  }

  /// What to do about the peers that the server waits for; nil if it waits for none, or has not said.
  var peersRemedy: String? { waiting?.phase == .waitingForPeers ? peers.remedy : nil }

  private mutating func describePeers() {
    let text = peers.text
    if !text.isEmpty { waiting?.detail = text }
  }

  private mutating func warn(_ text: String) {
    if warnings.count < StartMachine.warningLimit, !warnings.contains(text) {
      warnings.append(text)
    }
  }
}
