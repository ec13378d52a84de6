// SPDX-License-Identifier: Apache-2.0
package import Model

package enum StartOutcome: Sendable, Hashable, Codable {
  case confirmed(StartEvidence)
  case failed(StartFailure)
  /// All that can be seen is good, but lines of the log may be missing.
  case unknown(StartFailure)
}

/// What the word "confirmed" rests on.
package struct StartEvidence: Sendable, Hashable, Codable {
  /// Where the server's lines were read.
  package enum Log: Sendable, Hashable, Codable {
    case journal
    /// The directory.
    case files(String)
    /// Why nowhere: none of its lines counts for or against it.
    case nowhere(String)
  }

  /// The evidence that the server takes writes.
  package enum Writes: Sendable, Hashable, Codable {
    /// Asked so many times since all has been good, it would have taken each.
    case taken(asked: Int)
    /// Why it does not tell. Its log has no line of a missing drive, or the last one is
    /// ``StartMachine/missedDriveMilliseconds`` old.
    case byLog(String)
  }

  package var invocationID: String
  /// False for a unit of a Type= without READY=1.
  package var saidReady: Bool
  package var key: KeyEvidence
  /// The lines of a good start that were seen, in their order.
  package var marks: [SuccessMark]
  package var log: Log
  package var writes: Writes
  package var lostDrives: [String]
  /// What was logged on the way that someone should look at; at most ``StartMachine/warningLimit``.
  package var warnings: [String]
  /// How long all of it stayed good.
  package var settledMilliseconds: Int
  /// Whether nothing was started: a server was looked at that ran already.
  package var isLook = false
  /// Why lines of the log may be missing; only of a look, which a person has asked for. Nil if none are.
  package var lostLines: String?
}

extension StartEvidence: CustomStringConvertible {
  /// How long it was healthy, and where the word rests on less than it mostly does.
  package var description: String {
    var parts = [
      settledMilliseconds >= 1_000 ? "healthy for \(settledMilliseconds / 1_000) s" : "healthy"
    ]
    if isLook { parts.append("not restarted") }
    if !saidReady { parts.append("without READY=1, which its unit's Type= has not") }
    switch log {
    case .journal: break
    case .files(let directory): parts.append("its lines read in \(directory)")
    case .nowhere(let why):
      parts.append("its lines go to no log that can be read (\(why)), so none counts")
    }
    if case .files(let why) = key {
      parts.append(
        "the sealed key by its environment and files only, as it does not tell (\(why))")
    }
    if case .byLog(let why) = writes {
      parts.append(
        "no drive missing by its log, as it does not tell whether it takes writes (\(why))")
    }
    return parts.joined(separator: ", ")
  }

  /// What someone should look at although the start is confirmed; nil if nothing.
  package var warning: String? {
    let warnings = [
      lostDrives.isEmpty ? nil : "it runs without a drive: \(lostDrives.joined(separator: "; "))",
      lostLines.map { "lines of its log may be missing, and are not judged: \($0)" },
    ].compactMap(\.self)
    return warnings.isEmpty ? nil : warnings.joined(separator: "; ")
  }
}
