// SPDX-License-Identifier: Apache-2.0
package import Model
package import Secrets

extension EnvironmentDocument {
  /// The document after `changes`; all other bytes stay as they are.
  ///
  /// A definition's lines are replaced in place by the canonical form, or deleted. A new variable
  /// is appended, with the line ending of the file. A variable that all readers already have as
  /// requested stays as it is written, so fulfilled changes give back the same bytes.
  ///
  /// Refuses (`validation`, with the line and what to do) a file that systemd does not load, an
  /// open quote, a variable defined twice or read differently, a value without a canonical form,
  /// and a file whose end swallows what is appended. Refuses (`failed`) a result that does not read
  /// as the old file with just those changes.
  package func applying(_ changes: [SettingChange]) throws(Refusal) -> EnvironmentDocument {
    try refuseUnreadable()
    var edits: [(range: Range<Int>, line: String?)] = []
    var appended: [String] = []
    var names: Set<String> = []
    for change in changes {
      if let problem = CanonicalForm.problem(name: change.name) {
        throw Refusal(.validation, "cannot change a variable: \(problem)")
      }
      guard names.insert(change.name).inserted else {
        throw Refusal(.validation, "\(change.name) is to be changed twice; keep one of the changes")
      }
      let value = change.value?.reveal()
      if isFulfilled(change.name, value) { continue }
      let line: String? =
        if let value { try CanonicalForm.line(name: change.name, value: value) } else { nil }
      if let definition = try onlyDefinition(of: change.name) {
        edits.append((definition.range, line))
      } else if let line {
        appended.append(line)
      }
    }
    if edits.isEmpty && appended.isEmpty { return self }
    if !appended.isEmpty { try refuseAppending() }
    let result = EnvironmentDocument(spliced(edits, appended))
    try result.verify(against: self, changes)
    return result
  }

  /// The readings that must agree: systemd since v254, systemd before, MinIO.
  private var readings: [Reading] { [systemd, systemd(comments: .beforeVersion254), minio] }

  private func isFulfilled(_ name: String, _ value: String?) -> Bool {
    readings.allSatisfy { isSameText($0.wouldBe(name)?.value, value) }
  }

  private func refuseUnreadable() throws(Refusal) {
    for scan in [current, earlier] {
      if let failure = scan.failure {
        throw Refusal(
          .validation, "cannot change the environment file: \(failure); correct it by hand first")
      }
      if let open = scan.oddities.last, open.form.unterminated != nil {
        let line = scan.definitions.all[Int(open.definition)].line
        throw Refusal(
          .validation,
          "cannot change the environment file: the quote opened in the value that begins on line "
            + "\(line) is never closed and swallows the rest of the file; close it first")
      }
    }
  }

  /// The one definition of `name`, on which all readers agree; nil if none has one.
  private func onlyDefinition(of name: String) throws(Refusal) -> Variable? {
    let found = readings.map { $0.definitions(of: name) }
    let lines = Set(found.joined().map(\.line)).sorted()
    if lines.isEmpty { return nil }
    let places =
      "line\(lines.count == 1 ? "" : "s") \(lines.map(String.init).joined(separator: ", "))"
    if lines.count > 1 {
      throw Refusal(
        .validation,
        "cannot change \(name): it is defined on \(places); keep one definition and remove the others"
      )
    }
    let disagreement = Refusal(
      .validation,
      "cannot change \(name): systemd and MinIO's own reader do not agree on what \(places) defines; "
        + "write it as \(name)=\"...\" on a line of its own first")
    guard found.allSatisfy({ $0.count == 1 }), let definition = found[0].first,
      found[1].first?.range == definition.range
    else { throw disagreement }
    let range = definition.range
    // MinIO must see the same whole lines (a lone carriage return ends one only for systemd), with
    // nothing else in them.
    let isWhole =
      (range.lowerBound == 0 || bytes[range.lowerBound - 1] == Byte.lineFeed)
      && (range.upperBound == bytes.count || bytes[range.upperBound - 1] == Byte.lineFeed)
    let number = text.number(of: name)
    let isAlone = own.definitions.all.allSatisfy {
      Int($0.name) == number || !range.contains($0.range.range.lowerBound)
    }
    guard isWhole && isAlone else { throw disagreement }
    return definition
  }

  private func refuseAppending() throws(Refusal) {
    let isOpen = [current, earlier].contains { scan in
      switch scan.endState {
      case .beforeName: false
      case .name, .beforeValue, .bare, .comment: bytes.last == Byte.lineFeed
      case .bareEscape, .singleQuoted, .doubleQuoted, .doubleQuotedEscape, .commentEscape: true
      }
    }
    if isOpen {
      let line = bytes.count { $0 == Byte.lineFeed } + (bytes.last == Byte.lineFeed ? 0 : 1)
      throw Refusal(
        .validation,
        "cannot add a variable at the end of the environment file: line \(line) ends in a backslash "
          + "that joins it with what follows; remove the backslash first")
    }
  }

  /// The ending of the last line that has one.
  private var lineEnding: [UInt8] {
    guard let last = bytes.lastIndex(of: Byte.lineFeed), last > 0,
      bytes[last - 1] == Byte.carriageReturn
    else { return [Byte.lineFeed] }
    return [Byte.carriageReturn, Byte.lineFeed]
  }

  private func spliced(_ edits: [(range: Range<Int>, line: String?)], _ appended: [String])
    -> [UInt8]
  {
    var result: [UInt8] = []
    var copied = 0
    for edit in edits.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
      result += bytes[copied..<edit.range.lowerBound]
      if let line = edit.line {
        result += line.utf8
        // The ending of the definition's last line stays what it was.
        result += bytes[edit.range].reversed().prefix(2).prefix { Byte.isNewline($0) }.reversed()
      }
      copied = edit.range.upperBound
    }
    result += bytes[copied...]
    for line in appended {
      if let last = result.last, last != Byte.lineFeed {
        result += last == Byte.carriageReturn ? [Byte.lineFeed] : lineEnding
      }
      result += Array(line.utf8) + lineEnding
    }
    return result
  }

  /// Refuses unless each reader makes of this document what it made of `old`, with just `changes`.
  private func verify(
    against old: EnvironmentDocument, _ changes: [SettingChange]
  ) throws(Refusal) {
    // The names of changes are ASCII, and only the same bytes are the same name.
    let names = Set(changes.map(\.name))
    func isChanged(_ name: String) -> Bool {
      name.utf8.allSatisfy { $0 < 0x80 } && names.contains(name)
    }
    for (before, after) in zip(old.readings, readings) {
      let kept = before.definitions.filter { !isChanged($0.name) }
      let found = after.definitions.filter { !isChanged($0.name) }
      let othersStay = kept.elementsEqual(found) {
        isSameText($0.name, $1.name) && isSameText($0.value, $1.value)
      }
      let changesHold = changes.allSatisfy {
        isSameText(after.wouldBe($0.name)?.value, $0.value?.reveal())
      }
      guard othersStay, changesHold, after.failure == nil || before.failure != nil else {
        throw Refusal(
          .failed,
          "cannot change the environment file: reading the result back gave something else than "
            + "requested, nothing was changed; run 'keyturn lint' on the file and correct what it names"
        )
      }
    }
  }
}
