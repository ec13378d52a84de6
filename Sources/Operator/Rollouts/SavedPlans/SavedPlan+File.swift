// SPDX-License-Identifier: Apache-2.0
internal import JSONCoding
internal import Model
internal import Rollout

extension SavedPlan {
  /// Writes a new file that only its owner may read.
  func write(to path: String, _ context: CommandContext) throws(Refusal) {
    do throws(Refusal) {
      try context.host.create(path, JSON.encode(self, pretty: true) + [0x0A])
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
        "\(path) has the format \"\(format)\", and this program reads \"\(Self.format)\": plan again with the program that applies"
      )
    }
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
    var requested: RequestedSettings
    if options.isGiven {
      requested = try RequestedSettings(options, context)
      requested.request.createKey = requested.request.createKey || createKey
    } else if let settings {
      requested = RequestedSettings(
        RolloutRequest(kind: .apply, changes: settings, createKey: createKey))
    } else {
      throw Refusal(
        .validation,
        "nothing was touched: \(path) holds no settings; give the same ones again (--settings FILE, --api-key-file FILE, --unset KEY), or keep them in the plan with keyturn plan --out FILE --keep-settings"
      )
    }
    if changesPools { requested.request.changesPools = true }
    return requested
  }
}
