// SPDX-License-Identifier: Apache-2.0
internal import JSONCoding
internal import Model
internal import Rollout

extension SavedPlan {
  /// Writes a new file that only its owner may read.
  func write(to path: String, _ context: CommandContext) throws(Refusal) {
    let bytes = JSON.encode(self, pretty: true) + [0x0A]
    do throws(Refusal) {
      guard bytes.count <= Limits.savedPlanBytes else {
        throw Refusal(
          .failed, "it has \(bytes.count) bytes, and \(Limits.savedPlanBytes) can be read again")
      }
      try context.host.create(path, bytes)
    } catch {
      throw Refusal(
        .configuration,
        "nothing was touched, and the plan was not saved: \(error.message); name a new file with --out"
      )
    }
    let secrets = settings == nil ? "" : ", with the settings and their secrets"
    context.console.message(
      .note,
      "the plan is saved in \(path)\(secrets); keyturn apply --plan \(path) does exactly that, or nothing"
    )
  }

  /// Reads one from a file. Refused is what is no plan, and one with settings that others may read.
  init(_ path: String, _ context: CommandContext) throws(Refusal) {
    func refusal(_ text: String) -> Refusal {
      Refusal(.configuration, "nothing was touched: \(text)")
    }
    guard let content = try context.host.read(path, limitBytes: Limits.savedPlanBytes) else {
      throw refusal("there is no plan \(path); keyturn plan --out \(path) saves one")
    }
    do throws(JSONFailure) {
      self = try JSON.decode(SavedPlan.self, from: content.bytes)
    } catch {
      throw refusal("\(path) is not a plan of keyturn plan --out: \(error)")
    }
    guard format == Self.format else {
      throw refusal(
        "\(path) has the format \"\(format.cut(toBytes: Limits.nameInMessageBytes))\", and this program reads \"\(Self.format)\": plan again with the program that applies"
      )
    }
    if let problem { throw refusal("\(path) is not a plan of keyturn plan --out: \(problem)") }
    if settings != nil, (content.mode ?? 0) & 0o077 != 0 {
      throw refusal(
        "\(path) holds settings and can be read by others than its owner; chmod 600 it, and change the secrets in it if others had a look"
      )
    }
  }

  /// The settings of a command, or those in the plan where it names none.
  func requested(
    _ options: SettingsOptions, _ path: String, _ context: CommandContext
  ) throws(Refusal) -> RequestedSettings {
    if options.isGiven { return try RequestedSettings(options, context) }
    guard let settings else {
      throw Refusal(
        .validation,
        "nothing was touched: \(path) holds no settings; give the same ones again (--settings FILE, --api-key-file FILE, --unset KEY), or keep them in the plan with keyturn plan --out FILE --keep-settings"
      )
    }
    return RequestedSettings(
      RolloutRequest(kind: .apply, changes: settings, createKey: options.createKey))
  }
}
