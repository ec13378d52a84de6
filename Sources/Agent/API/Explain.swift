// SPDX-License-Identifier: Apache-2.0
internal import API
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Threads

extension Agent {
  /// Where the server gets a variable from. Blocks while the unit and the files are read, at most
  /// 5 s for systemd.
  func explain(_ name: String?) throws(Refusal) -> ExplainAnswer {
    guard let name, VariableName.problem(with: name) == nil else {
      throw Refusal(
        .validation,
        "name: \(name.flatMap(VariableName.problem) ?? "it is missing"); give the name of a variable"
      )
    }
    let definitions = try ServerView(site).wholeServer().explained(name)
    return ExplainAnswer(
      node: node, name: name, definitions: definitions,
      suggestion: definitions.isEmpty ? VariableName.nearest(to: name) : nil)
  }
}

extension ServerEnvironment {
  /// Every definition of the variable with what comes of it.
  func explained(_ name: String) -> [ExplainedDefinition] {
    let candidates = definitions(of: name)
    // The last that counts is the one that its place has, and the last place wins.
    let wins = winner(of: name)
    let lastCounting = candidates.lastIndex { source, definition in
      definition.counts && !definition.isOtherReaders && source.failure == nil
    }
    return candidates.enumerated().map { index, candidate in
      let (source, definition) = candidate
      var effect = ExplainedDefinition.Effect.overridden
      var reason = ""
      if let failure = source.failure {
        (effect, reason) = (.ignored, failure)
      } else if definition.isOtherReaders {
        effect = .ignored
        reason =
          source.kind == .config
          ? "only systemd would read it so, and the server reads this file"
          : "only the server would read it so, and systemd reads this file"
      } else if !definition.counts {
        (effect, reason) = (.ignored, "its reader drops it; keyturn lint \(source.place) says why")
      } else if index == lastCounting {
        effect = wins == nil ? .unset : .wins
        if wins == nil { reason = "UnsetEnvironment= of \(unit)" }
      }
      return ExplainedDefinition(
        place: source.place, line: definition.line,
        value: SettingDisplay.text(of: name, definition.value), effect: effect, reason: reason)
    }
  }
}
