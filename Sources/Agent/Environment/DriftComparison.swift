// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import KeyManager
internal import Model
internal import Secrets
internal import ServerUnit

/// What drift is looked for in, at one moment.
struct DriftComparison {
  var files: [Confirmed.File] = []
  /// Nil if it could not be read.
  var unit: UnitState?
  /// What a server that was started now would run with, and what the running one does; nil unless
  /// both are known.
  var environments: (next: [EnvironmentVariable], running: [EnvironmentVariable])?
  /// Why the start guard would refuse a start; nil if it would not.
  var startGuard: String?
  /// How the running program differs from the one that a start would run.
  var program: DriftItem?
  /// What is wrong with the running server's key, and with the start guard.
  var keyItems: [DriftItem] = []
  /// What an own rollout has put in place, which is no drift even if its start was not confirmed.
  var own: (path: String, digest: Digest?)?

  /// Everything that is not as it was confirmed. Pure.
  ///
  /// - Parameters:
  ///   - confirmed: nil if no start was confirmed yet, or by an agent that kept no such record; then
  ///     only the generation's file is compared.
  ///   - generation: the last confirmed one.
  func drift(from confirmed: Confirmed?, generation: Generation?) -> Drift {
    var items: [DriftItem] = []
    for path in paths(confirmed, generation) {
      let before = confirmed?.files.first { $0.path == path }?.mark
      let now = files.first { $0.path == path }?.mark ?? .none
      let isMain = path == generation?.path
      let digest = isMain ? generation?.digest : before?.digest
      items += compare(path, isMain: isMain, digest: digest, before: before, now: now)
    }
    if let confirmed, let unit { items += unit.drift(from: confirmed) }
    if let environments {
      let names = RunningEnvironment.differences(
        file: environments.next, process: environments.running)
      if !names.isEmpty {
        items.append(
          DriftItem(
            .process, .warning, place: unit?.id ?? "the server", variables: names,
            message:
              "the running server is older than its settings: a start would change \(names.joined(separator: ", "))"
          ))
      }
    }
    if let program { items.append(program) }
    if let startGuard {
      items.append(
        DriftItem(
          .key, .error, place: unit?.id ?? "the server",
          variables: ["MINIO_KMS_SSE_KEY"],
          message: "the start guard would refuse the server's next start: \(startGuard)"))
    }
    return Drift(items + keyItems)
  }

  /// The files to compare, each once: those of now, those of then, the generation's.
  private func paths(_ confirmed: Confirmed?, _ generation: Generation?) -> [String] {
    var paths = generation.map { [$0.path] } ?? []
    guard let confirmed else { return paths }
    for file in files + confirmed.files where !paths.contains(file.path) { paths.append(file.path) }
    return paths
  }

  private func compare(
    _ path: String, isMain: Bool, digest: Digest?, before: FileMark?, now: FileMark
  ) -> [DriftItem] {
    if now.digest != digest {
      if let own, own.path == path, own.digest == now.digest { return [] }
      let what =
        now.digest == nil
        ? "is gone"
        : digest == nil ? "is new" : "is not what the last confirmed start was made with"
      let how =
        before.map { $0.inode != now.inode && now.digest != nil && $0.digest != nil } == true
        ? "; another file was put in its place" : ""
      return [
        DriftItem(
          isMain ? .edited : .otherFile, .warning, place: path, message: "\(path) \(what)\(how)")
      ]
    }
    guard let before, before.digest != nil, now.digest != nil else { return [] }
    var items: [DriftItem] = []
    if before.inode != now.inode {
      items.append(
        DriftItem(
          .replaced, .note, place: path,
          message: "\(path) was replaced, not by Keyturn, with a file of the same content"))
    }
    if (before.mode, before.userID, before.groupID) != (now.mode, now.userID, now.groupID) {
      items.append(
        DriftItem(
          .attributes, .warning, place: path,
          message: "\(path) had mode \(before.text), and has \(now.text)"))
    }
    return items
  }
}

extension DriftComparison {
  /// Another one for each state of the thing.
  func mark(of item: DriftItem) -> Digest {
    let mark = files.first { $0.path == item.place }?.mark
    return .ofFields([
      item.message, mark?.digest?.hex ?? "",
      item.kind == .replaced ? mark.map { String($0.inode) } ?? "" : "",
    ])
  }
}

extension FileMark {
  /// `0640 of 0:7300`.
  fileprivate var text: String {
    let octal = String(mode, radix: 8)
    let padding = String(repeating: "0", count: max(0, 4 - octal.count))
    return "\(padding)\(octal) of \(userID):\(groupID)"
  }
}

extension UnitState {
  fileprivate func drift(from confirmed: Confirmed) -> [DriftItem] {
    if environmentDigest != confirmed.unitEnvironment {
      return [
        DriftItem(
          .unit, .warning, place: id,
          message:
            "\(id) has other EnvironmentFile=, Environment=, PassEnvironment=, UnsetEnvironment=, User=, ExecStart= or file system settings than at the last confirmed start"
        )
      ]
    }
    if filesDigest == confirmed.unitFiles { return [] }
    return [
      DriftItem(
        .unit, .note, place: id,
        message: "\(id) has other drop-in files than at the last confirmed start")
    ]
  }
}
