// SPDX-License-Identifier: Apache-2.0
internal import HTTP
package import KeyManager
package import Model
internal import TLS
internal import Threads

/// Probes of Key Manager endpoints from this host, as the server would reach them at its start.
///
/// It asks, and never creates or changes anything there.
package enum KeyManagerProbe {
  /// Blocks until every endpoint of the settings was probed, all at once, or the deadline; a report
  /// for each, in the settings' order.
  ///
  /// - Parameter proofs: each is opened through each endpoint.
  package static func run(
    settings: KeyManagerSettings, surroundings: ServerSurroundings, proofs: [KeyProof] = [],
    deadline: Instant
  ) -> [EndpointReport] {
    run(probes(settings, surroundings, proofs, deadline))
  }

  /// The same for hosts without any settings: resolution, TCP, TLS, version and readiness.
  package static func run(
    hosts: [HostPort], surroundings: ServerSurroundings, deadline: Instant
  ) -> [EndpointReport] {
    run(
      probes(
        hosts.map { (Endpoint(host: $0.host, port: $0.port).text, $0) }, nil, nil, surroundings,
        deadline))
  }

  static func probes(
    _ settings: KeyManagerSettings, _ surroundings: ServerSurroundings, _ proofs: [KeyProof],
    _ deadline: Instant
  ) -> [EndpointProbe] {
    let subject = EndpointProbe.Subject(
      enclave: settings.enclave, sseKey: settings.sseKey, identity: settings.apiKey.identity,
      proofs: proofs)
    return probes(
      settings.endpoints.map { ($0.text, $0.target) }, settings.apiKey, subject, surroundings,
      deadline)
  }

  private static func probes(
    _ endpoints: [(text: String, target: HostPort)], _ key: APIKey?,
    _ subject: EndpointProbe.Subject?, _ surroundings: ServerSurroundings, _ deadline: Instant
  ) -> [EndpointProbe] {
    let roots = TrustedRoots(surroundings)
    let context = context(roots, key)
    let proxies = ProxySettings(surroundings.environment)
    return endpoints.map { endpoint in
      EndpointProbe(
        endpoint: endpoint.text, target: endpoint.target,
        proxy: proxies.proxy(for: endpoint.target), context: context, roots: roots,
        subject: subject, deadline: deadline)
    }
  }

  private static func run(_ probes: [EndpointProbe]) -> [EndpointReport] {
    // Every wait of a probe ends at its deadline; the rest is processor time.
    let end = (probes.map(\.deadline).max() ?? Clock.now()).advanced(byMilliseconds: 1_000)
    let reports = Parallel.map(probes, thread: "probe", until: end) { $0.run() }
    return zip(probes, reports).map { probe, report in
      report
        ?? EndpointReport(endpoint: probe.endpoint, address: nil, stages: EndpointProbe.late)
    }
  }

  private static func context(
    _ roots: TrustedRoots, _ key: APIKey?
  ) -> Result<ProbeTLSContext, CertificateFailure> {
    Result { () throws(CertificateFailure) in
      let client = try key?.withPrivateKey { bytes throws(CertificateFailure) in
        try ClientCertificate.selfSigned(
          key?.kind == .ed25519 ? .ed25519(seed: bytes) : .ecdsa(scalar: bytes),
          commonName: key?.identity.text ?? "", days: 90)
      }
      return try .verifying(
        extraRootsPEM: roots.certificates, trustsSystemRoots: roots.includesSystem, client: client)
    }
  }
}
