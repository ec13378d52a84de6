// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model
internal import Rollout

/// The last words of a command that rolls out, or would have: how it ended, what is in force now and
/// where, why, and what to run next. Pure.
struct Ending: Sendable, Hashable {
  /// A command to run, and what for.
  struct Step: Sendable, Hashable, Encodable {
    var command: String
    var purpose: String
  }

  /// What is to be known of a committed rollout.
  struct Committed: Sendable, Hashable {
    var id: String
    /// Nil where no node tells it.
    var kind: RolloutKind?
    /// The number that the files become.
    var generation: Int?
    var outcomes: [MemberOutcome]
    /// Whether it restarts the servers.
    var restarts = true
    /// Whether nothing but its policy keeps the previous files away; not where that is not known.
    var mayGoBack = false
    /// Whether it is known to be the one that enables encryption.
    var enables = false

    var members: [String] { outcomes.map(\.member) }

    /// On which the new file is known to be in place: those whose start was judged.
    var placed: [String] {
      outcomes.filter { member in
        switch member.outcome.kind {
        case .confirmed, .timedOut: true
        case .failed: member.outcome.failure != nil
        case .unknown, .aborted: false
        }
      }.map(\.member)
    }

    /// On which nothing was done at the instant.
    var untouched: [String] {
      outcomes.filter {
        $0.outcome.kind == .aborted || ($0.outcome.kind == .failed && $0.outcome.failure == nil)
      }.map(\.member)
    }

    func members(_ kinds: OutcomeKind...) -> [String] {
      outcomes.filter { kinds.contains($0.outcome.kind) }.map(\.member)
    }
  }

  /// How it ended, in one sentence.
  var headline: String
  var isGood = false
  /// What the servers run with now, and where.
  var inForce: [String]
  /// Which servers were restarted, in words; nil where nothing was, and where that is not known.
  var servers: String?
  /// What happened, above all the server's own line; cause and remedy follow it.
  var why: [String] = []
  var next: [Step] = []
  /// Whether any server was restarted, or told to; nil if that is not known.
  var restarted: Bool?

  var fields: JSONObject { ["inForce": inForce, "servers": servers, "why": why, "next": next] }

  // MARK: its text

  private static let labelWidth = 10

  /// The block below the headline, wrapped between words.
  func lines(columns: Int) -> [String] {
    func entry(_ label: String, _ texts: [String]) -> [String] {
      texts.enumerated().flatMap { index, text in
        let head = index == 0 ? label : ""
        let blank = String(repeating: " ", count: Self.labelWidth - head.count)
        return Wrapping.lines(
          "  \(head)\(blank)\(text)", columns: columns, indent: Self.labelWidth + 4)
      }
    }
    let width = next.map(\.command.count).max() ?? 0
    let fits = next.allSatisfy { Self.labelWidth + 4 + width + $0.purpose.count <= columns }
    let steps = next.map { step in
      let gap = fits ? String(repeating: " ", count: width - step.command.count + 2) : "  "
      return step.command + (step.purpose.isEmpty ? "" : gap + step.purpose)
    }
    return entry("in force", inForce) + entry("servers", [servers].compactMap(\.self))
      + entry("why", why) + entry("next", steps)
  }

  /// A server's line in one line, without what could drive a terminal: colours and other escapes are
  /// dropped, any other control characters and blanks are one blank.
  static func clean(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    var scalars = text.unicodeScalars[...]
    while let scalar = scalars.popFirst() {
      if scalar == "\u{1B}", scalars.first == "[" {
        scalars = scalars.dropFirst().drop { !("\u{40}"..."\u{7E}").contains($0) }.dropFirst()
      } else if scalar == " " || scalar.properties.generalCategory == .control {
        if result.last != " " { result.append(" ") }
      } else {
        result.append(scalar)
      }
    }
    return String(result)
  }
}

extension Console {
  /// The last words of a command.
  func end(_ ending: Ending) {
    message(ending.isGood ? .note : .error, ending.headline)
    let columns = isLive ? host.terminal(.standardOutput)?.columns ?? .max : .max
    for line in ending.lines(columns: max(columns, 40)) { self.line(line) }
  }
}
