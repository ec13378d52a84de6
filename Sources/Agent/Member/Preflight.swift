// SPDX-License-Identifier: Apache-2.0
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import Threads

/// What the Key Managers say before a vote.
struct Preflight: Sendable {
  var findings: [Finding] = []
  /// What they were told of themselves and of the key, which every node must have been told alike; nil without settings.
  var sight: KeyManagerSight?
  /// The identity that goes out of use; nil if none does.
  var identities: IdentityChange?
}

/// Asks the Key Managers with the settings that are wanted, and the witnesses for the reverse path. Where another way
/// leads to the key than now, the Key Managers are asked with the present settings too: a rollback would need them.
struct PreflightChecks: Sendable {
  let site: Site
  let reversePath: ReversePath
  let proofs: ProofKeeper

  /// Blocks up to twice the inventory's probe timeout, and while other nodes are asked.
  ///
  /// - Parameters:
  ///   - server: what the server would get.
  ///   - isRollback: whether nobody would go back to the present settings.
  func run(
    _ view: ServerView, _ server: ServerEnvironment?, firstEnablement: Bool, createKey: Bool,
    isRollback: Bool
  ) -> Preflight {
    var preflight = Preflight()
    do throws(Refusal) {
      guard let settings = try KeyManagerSettings.parse(server?.variables ?? []) else {
        return preflight
      }
      let known = proofs.toOpen()
      let deadline = deadline()
      let back = reversePath.begin(
        endpoints: settings.endpoints, server: view.arguments(server), deadline: deadline)
      let reports = site.ports.probe.keyManagers(
        settings, surroundings: view.surroundings(server), proofs: known, deadline: deadline)
      preflight.findings = KeyManagerJudgement.findings(
        reports, settings: settings, firstEnablement: firstEnablement, createKey: createKey)
      if !preflight.findings.contains(where: { $0.rule == KeyProofJudgement.rule }),
        let standing = proofs.standing(after: reports)
      {
        preflight.findings.append(standing)
      }
      if known.isEmpty, let none = proofs.none { preflight.findings.append(none) }
      preflight.findings += back.findings(back.directions(reports))
      preflight.sight = KeyManagerSight(agreed: reports.flatMap(\.sights))
      if !isRollback, !preflight.findings.contains(where: { $0.severity == .error }) {
        compare(with: (settings, reports), known, view, &preflight)
      }
    } catch {
      preflight.findings = [
        Finding(.error, rule: "kms-settings", refusal: error.code, message: error.message)
      ]
    }
    return preflight
  }

  private func deadline() -> Instant {
    .inMilliseconds(site.inventory.timeouts.probeSeconds * 1_000)
  }

  /// Settings that are not right now cannot be rolled back to, and say nothing here.
  private func compare(
    with wanted: (settings: KeyManagerSettings, reports: [EndpointReport]), _ known: [KeyProof],
    _ view: ServerView, _ preflight: inout Preflight
  ) {
    // What runs is what goes out of use, also where the file was edited since.
    let running = (try? view.inForce()) ?? nil
    guard let server = view.server,
      let present = try? KeyManagerSettings.parse(running ?? server.variables),
      KeySource(present) != KeySource(wanted.settings)
    else { return }
    let (old, new) = (present.apiKey.identity, wanted.settings.apiKey.identity)
    if old != new {
      preflight.identities = IdentityChange(present: old.text, wanted: new.text)
    }
    if known.isEmpty { return }
    let reports = site.ports.probe.keyManagers(
      present, surroundings: view.surroundings(server), proofs: known, deadline: deadline())
    preflight.findings += KeySourceChange.findings(present: (present, reports), wanted: wanted)
  }
}
