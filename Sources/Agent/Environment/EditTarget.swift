// SPDX-License-Identifier: Apache-2.0
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Secrets

/// The one file that a rollout replaces on a node, and what is to be changed in it.
struct EditTarget {
  let path: String
  /// The changes that are not fulfilled yet.
  let changes: [SettingChange]
}

extension ServerEnvironment {
  /// The file for variables that are defined nowhere: that of MINIO_CONFIG_ENV_FILE if there is one,
  /// else the inventory's.
  func defaultFile(_ inventoryFile: String) -> String {
    if let config, config.document != nil { return config.place }
    return inventoryFile
  }

  /// The file that wins for all the changes that are not fulfilled yet.
  ///
  /// A variable belongs in the file whose definition wins now; one that is defined nowhere goes with
  /// the others, or else into ``defaultFile(_:)``. If every change is fulfilled the file is
  /// `preferred`, if it is one of the files.
  ///
  /// - Throws: a refusal that names every place, if the changes need two files, or one of them a
  ///   place that is no file.
  func target(
    of changes: [SettingChange], inventoryFile: String, preferred: String?
  ) throws(Refusal) -> EditTarget {
    let pending = changes.filter { !isFulfilled($0) }
    if pending.isEmpty {
      let path = preferred.flatMap { files.contains($0) ? $0 : nil }
      return EditTarget(path: path ?? defaultFile(inventoryFile), changes: [])
    }
    var homes: [(name: String, source: EnvironmentSource)] = []
    for change in pending { homes += home(of: change).map { (change.name, $0) } }
    if let home = homes.first(where: { $0.source.path == nil }) {
      throw Refusal(
        .validation,
        "\(home.name) is set by \(places(of: home.name).joined(separator: ", ")), and Keyturn changes files only; \(remedy(home.name, home.source))"
      )
    }
    var paths: [String] = []
    for home in homes where !paths.contains(home.source.place) { paths.append(home.source.place) }
    if paths.count > 1 {
      var texts: [String] = []
      for change in pending {
        let places = places(of: change.name)
        texts.append(
          "\(change.name) in \(places.isEmpty ? "no place" : places.joined(separator: ", "))")
      }
      throw Refusal(
        .validation,
        "the settings are defined in two files, and a rollout replaces one file on each node: \(texts.joined(separator: "; ")); change one file's settings after the other's, or bring them together by hand first"
      )
    }
    // Undefined ones stay beside those that are fulfilled, so that a group is in one file.
    let path = paths.first ?? commonFile(of: changes) ?? defaultFile(inventoryFile)
    return EditTarget(path: path, changes: pending)
  }

  /// Where a change would have to be carried out: the place that wins, to remove a variable each place
  /// that has it; none if it is defined nowhere.
  private func home(of change: SettingChange) -> [EnvironmentSource] {
    if change.value == nil {
      return all.filter { $0.definitions.contains { $0.counts && $0.name == change.name } }
    }
    if let winner = winner(of: change.name) { return [winner.source] }
    return all.last { $0.variables.contains { $0.name == change.name } }.map { [$0] } ?? []
  }

  private func isFulfilled(_ change: SettingChange) -> Bool {
    isSame(self[change.name], change.value?.reveal())
  }

  private func isSame(_ a: String?, _ b: String?) -> Bool {
    switch (a, b) {
    case (nil, nil): true
    case (let a?, let b?): a.utf8.elementsEqual(b.utf8)
    default: false
    }
  }

  private func commonFile(of changes: [SettingChange]) -> String? {
    let paths = Set(changes.compactMap { winner(of: $0.name)?.source.path })
    return paths.count == 1 ? paths.first : nil
  }

  /// Findings for the settings that are in their file, and that another place overrides.
  func shadowed(_ changes: [SettingChange]) -> [Finding] {
    changes.filter { !isFulfilled($0) }.map { change in
      guard let winner = winner(of: change.name) else {
        return Finding(
          .error, rule: "shadowed", variable: change.name,
          message: "UnsetEnvironment= of \(unit) takes it away, wherever it is set",
          remedy: "remove it there (systemctl cat \(unit)), then systemctl daemon-reload")
      }
      return Finding(
        .error, rule: "shadowed", variable: change.name, file: winner.source.place,
        line: winner.variable.line,
        message: "\(change.name) is also set there, and that value would win",
        remedy: remedy(change.name, winner.source))
    }
  }

  private func remedy(_ name: String, _ source: EnvironmentSource) -> String {
    switch source.kind {
    case .manager:
      "remove it there: systemctl unset-environment \(name), and from DefaultEnvironment= of systemd-system.conf if it is in that"
    case .passed:
      "remove it from PassEnvironment= (systemctl cat \(unit) shows where), then systemctl daemon-reload"
    case .unit:
      "remove it from Environment= (systemctl cat \(unit) shows in which file), then systemctl daemon-reload"
    case .file, .config: "remove it there, or change it there by hand"
    }
  }
}
